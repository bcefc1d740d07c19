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

static struct fallow_counts count(struct fallow_page page)
{
	struct fallow_counts c = { 0 };

	fallow_account(&c, &page, PAGE);
	assert_int_equal(c.rss, PAGE);
	assert_int_equal(c.anon + c.file + c.shmem, c.rss);
	assert_int_equal(c.drop + c.writeback + c.swappable + c.noswap + c.unevictable, c.rss);
	return c;
}

/* Whatever the facts, a page is of one kind and in one class of reclaim. */
static void test_every_combination(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 1u << 14; bits++) {
		struct fallow_page page;
		bool *fact = (bool *)&page;

		assert_int_equal(sizeof(page), 14 * sizeof(bool));
		for (unsigned int i = 0; i < 14; i++)
			fact[i] = bits >> i & 1;
		count(page);
	}
}

static void test_file(void **state)
{
	(void)state;
	assert_int_equal(count((struct fallow_page){ 0 }).drop, PAGE);
	assert_int_equal(count((struct fallow_page){ .dirty = true }).writeback, PAGE);
	assert_int_equal(count((struct fallow_page){ .entry_dirty = true }).file_dirty, PAGE);
	assert_int_equal(count((struct fallow_page){ .under_writeback = true }).writeback, PAGE);
	assert_int_equal(count((struct fallow_page){ .mlocked = true }).unevictable, PAGE);
	assert_int_equal(count((struct fallow_page){ .pinned = true }).unevictable, PAGE);
}

static void test_anon(void **state)
{
	struct fallow_page page = { .anon = true, .swapbacked = true, .dirty = true };

	(void)state;
	assert_int_equal(count(page).noswap, PAGE);
	page.swap_space = true;
	assert_int_equal(count(page).swappable, PAGE);
	assert_int_equal(count(page).file_dirty, 0);
	page.unevictable = true;
	assert_int_equal(count(page).unevictable, PAGE);
}

static void test_lazyfree(void **state)
{
	struct fallow_page page = { .anon = true, .swap_space = true };

	(void)state;
	assert_int_equal(count(page).lazyfree, PAGE);
	assert_int_equal(count(page).drop, PAGE);
	page.entry_dirty = true;
	assert_int_equal(count(page).lazyfree, 0);
	assert_int_equal(count(page).swappable, PAGE);
}

static void test_huge(void **state)
{
	(void)state;
	assert_int_equal(count((struct fallow_page){ .huge = true, .anon = true }).anon_huge, PAGE);
	assert_int_equal(count((struct fallow_page){ .huge = true, .swapbacked = true }).shmem_huge,
			 PAGE);
	assert_int_equal(count((struct fallow_page){ .huge = true }).file_huge, PAGE);
}

static void test_sharing(void **state)
{
	struct fallow_counts c = { 0 };

	(void)state;
	fallow_account_sharing(&c, PAGE, 1);
	assert_int_equal(c.pss, (uint64_t)PAGE << FALLOW_PSS_SHIFT);
	assert_int_equal(c.shared, 0);
	fallow_account_sharing(&c, PAGE, 3);
	assert_int_equal(c.shared, PAGE);
	assert_int_equal(c.pss, ((uint64_t)PAGE << FALLOW_PSS_SHIFT) +
					((uint64_t)PAGE << FALLOW_PSS_SHIFT) / 3);
	/* A count that was read while the page was unmapped. */
	fallow_account_sharing(&c, PAGE, 0);
	fallow_account_sharing(&c, PAGE, -1);
	assert_int_equal(c.shared, PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination), cmocka_unit_test(test_file),
		cmocka_unit_test(test_anon),		  cmocka_unit_test(test_lazyfree),
		cmocka_unit_test(test_huge),		  cmocka_unit_test(test_sharing),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
