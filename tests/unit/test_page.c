// SPDX-License-Identifier: GPL-2.0-or-later
/* The module's rules of counting a page, which are plain C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/fallow.h>

#include "page.h"

#define PAGE 4096u

static struct fallow_counts count(unsigned int facts)
{
	struct fallow_counts c = { 0 };

	fallow_account(&c, facts, PAGE);
	assert_int_equal(c.rss, PAGE);
	assert_int_equal(c.anon + c.file + c.shmem, c.rss);
	assert_int_equal(c.drop + c.writeback + c.swappable + c.noswap + c.unevictable, c.rss);
	return c;
}

/* Whatever the facts, a page is of one kind and in one class of reclaim. */
static void test_every_combination(void **state)
{
	(void)state;
	for (unsigned int facts = 0; facts < 1u << FALLOW_PAGE_FACTS; facts++)
		count(facts);
}

static void test_file(void **state)
{
	(void)state;
	assert_int_equal(count(0).drop, PAGE);
	assert_int_equal(count(FALLOW_PAGE_DIRTY).writeback, PAGE);
	assert_int_equal(count(FALLOW_PAGE_DIRTY).file_dirty, PAGE);
	assert_int_equal(count(FALLOW_PAGE_WRITEBACK).writeback, PAGE);
	assert_int_equal(count(FALLOW_PAGE_WRITEBACK).dirty, 0);
	assert_int_equal(count(FALLOW_PAGE_MLOCKED).unevictable, PAGE);
	assert_int_equal(count(FALLOW_PAGE_PINNED).unevictable, PAGE);
	assert_int_equal(count(FALLOW_PAGE_PINNED).pinned, PAGE);
}

static void test_anon(void **state)
{
	unsigned int facts = FALLOW_PAGE_ANON | FALLOW_PAGE_SWAPBACKED | FALLOW_PAGE_DIRTY;

	(void)state;
	assert_int_equal(count(facts).noswap, PAGE);
	assert_int_equal(count(facts | FALLOW_PAGE_SWAP_SPACE).swappable, PAGE);
	assert_int_equal(count(facts).file_dirty, 0);
	assert_int_equal(count(facts).dirty, PAGE);
	assert_int_equal(count(facts | FALLOW_PAGE_UNEVICTABLE).unevictable, PAGE);
}

static void test_lazyfree(void **state)
{
	unsigned int facts = FALLOW_PAGE_ANON | FALLOW_PAGE_SWAP_SPACE;

	(void)state;
	assert_int_equal(count(facts).lazyfree, PAGE);
	assert_int_equal(count(facts).drop, PAGE);
	assert_int_equal(count(facts | FALLOW_PAGE_DIRTY).lazyfree, 0);
	assert_int_equal(count(facts | FALLOW_PAGE_DIRTY).swappable, PAGE);
}

static void test_referenced(void **state)
{
	(void)state;
	assert_int_equal(count(FALLOW_PAGE_YOUNG).referenced, PAGE);
	assert_int_equal(count(FALLOW_PAGE_YOUNG).young, PAGE);
	assert_int_equal(count(FALLOW_PAGE_REFERENCED).referenced, PAGE);
	assert_int_equal(count(FALLOW_PAGE_REFERENCED).young, 0);
}

static void test_huge(void **state)
{
	(void)state;
	assert_int_equal(count(FALLOW_PAGE_HUGE | FALLOW_PAGE_ANON).anon_huge, PAGE);
	assert_int_equal(count(FALLOW_PAGE_HUGE | FALLOW_PAGE_SWAPBACKED).shmem_huge, PAGE);
	assert_int_equal(count(FALLOW_PAGE_HUGE).file_huge, PAGE);
}

static void test_sharing(void **state)
{
	struct fallow_counts c = { 0 };

	(void)state;
	fallow_account_sharing(&c, 0, PAGE, 1);
	assert_int_equal(c.pss, (uint64_t)PAGE << FALLOW_PSS_SHIFT);
	assert_int_equal(c.shared, 0);
	fallow_account_sharing(&c, 0, PAGE, 3);
	assert_int_equal(c.shared, PAGE);
	assert_int_equal(c.pss, ((uint64_t)PAGE << FALLOW_PSS_SHIFT) +
					((uint64_t)PAGE << FALLOW_PSS_SHIFT) / 3);
	/* A count that was read while the page was unmapped. */
	fallow_account_sharing(&c, 0, PAGE, 0);
	fallow_account_sharing(&c, 0, PAGE, -1);
	assert_int_equal(c.shared, PAGE);
}

static uint32_t bit_if(uint64_t count, uint32_t bit)
{
	return count ? bit : 0;
}

static unsigned int class_of(const struct fallow_counts *c)
{
	if (c->drop)
		return FALLOW_RECLAIM_DROP;
	if (c->writeback)
		return FALLOW_RECLAIM_WRITEBACK;
	if (c->swappable)
		return FALLOW_RECLAIM_SWAP;
	return c->noswap ? FALLOW_RECLAIM_NOSWAP : FALLOW_RECLAIM_UNEVICTABLE;
}

/* The state of a page says what it adds to the counts, and nothing else. */
static void test_state(void **state)
{
	(void)state;
	for (unsigned int facts = 0; facts < 1u << FALLOW_PAGE_FACTS; facts++) {
		struct fallow_counts c = count(facts);
		uint32_t want = FALLOW_STATE_RESIDENT | bit_if(c.anon, FALLOW_STATE_ANON) |
				bit_if(c.shmem, FALLOW_STATE_SHMEM) |
				bit_if(c.lazyfree, FALLOW_STATE_LAZYFREE) |
				bit_if(c.ksm, FALLOW_STATE_KSM) |
				bit_if(c.dirty, FALLOW_STATE_DIRTY) |
				bit_if(facts & FALLOW_PAGE_WRITEBACK, FALLOW_STATE_WRITEBACK) |
				bit_if(c.referenced, FALLOW_STATE_REFERENCED) |
				bit_if(c.young, FALLOW_STATE_YOUNG) |
				bit_if(c.soft_dirty, FALLOW_STATE_SOFT_DIRTY) |
				bit_if(c.mlocked, FALLOW_STATE_MLOCKED) |
				bit_if(c.pinned, FALLOW_STATE_PINNED) |
				bit_if(c.anon_huge + c.shmem_huge + c.file_huge,
				       FALLOW_STATE_HUGE) |
				bit_if(c.large, FALLOW_STATE_LARGE) |
				bit_if(c.swap_cached, FALLOW_STATE_SWAP_CACHED) |
				class_of(&c) << FALLOW_STATE_RECLAIM_SHIFT;

		assert_int_equal(fallow_page_state(facts), want);
	}
}

/*
 * A page that was accessed in interval @last, and not again: what is told is never
 * more than the truth, and less by a fifth at most.
 */
static void grow_old(uint64_t last, uint64_t intervals)
{
	unsigned int code = 0;

	for (uint64_t age = 1; age <= intervals; age++) {
		uint64_t told;

		code = fallow_age_next(code, last + age);
		told = fallow_age_intervals(code);
		assert_true(told <= age);
		if (code == FALLOW_AGE_CODE_MAX)
			continue;
		assert_true(4 * age <= 5 * told);
		assert_true(1ull << (fallow_age_log2(code) - 2) <= age);
		assert_true(age < 4ull << (fallow_age_log2(code) - 2));
	}
}

static void test_ages(void **state)
{
	(void)state;
	for (uint64_t last = 0; last < 300; last++)
		grow_old(last, 3000);
	grow_old(0, 300000);
	grow_old(12345, 300000);
	grow_old(UINT64_MAX - 3000, 3000);
}

/* Each code means more than the one before it, and all fit into what tells them. */
static void test_age_codes(void **state)
{
	(void)state;
	assert_int_equal(fallow_age_intervals(0), 0);
	assert_int_equal(fallow_age_log2(0), 1);
	assert_int_equal(fallow_age_log2(1), 2);
	for (unsigned int code = 1; code <= FALLOW_AGE_CODE_MAX; code++) {
		uint64_t n = fallow_age_intervals(code);

		assert_true(n > fallow_age_intervals(code - 1));
		assert_true(fallow_age_log2(code) >= fallow_age_log2(code - 1));
		assert_true(1ull << (fallow_age_log2(code) - 2) <= n);
		assert_true(n < 2ull << (fallow_age_log2(code) - 2));
		assert_true(fallow_age_log2(code) <= FALLOW_STATE_AGE(FALLOW_STATE_AGE_MASK));
	}
}

static void test_age_saturates(void **state)
{
	(void)state;
	for (uint64_t interval = 0; interval < 1u << 20; interval++)
		assert_int_equal(fallow_age_next(FALLOW_AGE_CODE_MAX, interval),
				 FALLOW_AGE_CODE_MAX);
	assert_int_equal(fallow_age_next(FALLOW_AGE_CODE_MAX - 1, 0), FALLOW_AGE_CODE_MAX);
	assert_int_equal(fallow_age_next(FALLOW_AGE_CODE_MAX - 1, 1), FALLOW_AGE_CODE_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination), cmocka_unit_test(test_file),
		cmocka_unit_test(test_anon),		  cmocka_unit_test(test_lazyfree),
		cmocka_unit_test(test_referenced),	  cmocka_unit_test(test_huge),
		cmocka_unit_test(test_sharing),		  cmocka_unit_test(test_state),
		cmocka_unit_test(test_ages),		  cmocka_unit_test(test_age_codes),
		cmocka_unit_test(test_age_saturates),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
