// SPDX-License-Identifier: GPL-2.0-or-later
/* The module's rules of counting a page, which are plain C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination), cmocka_unit_test(test_file),
		cmocka_unit_test(test_anon),		  cmocka_unit_test(test_lazyfree),
		cmocka_unit_test(test_referenced),	  cmocka_unit_test(test_huge),
		cmocka_unit_test(test_sharing),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
