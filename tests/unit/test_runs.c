// SPDX-License-Identifier: GPL-2.0-or-later
/* What entries of pagemap and categories of PAGEMAP_SCAN mean; streams by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pages/runs.h"
#include "pages/stream.h"

#define PAGE 4096u
#define ANON (RUN_RESIDENT | RUN_ANON)

static struct vma anon_vma(void)
{
	return (struct vma){ .start = 16 * PAGE, .end = 32 * PAGE, .name = "" };
}

static struct vma file_vma(void)
{
	return (struct vma){ .start = 16 * PAGE, .end = 32 * PAGE, .name = "/f", .inode = 1 };
}

static void test_pagemap(void **state)
{
	struct vma anon = anon_vma(), file = file_vma(), shmem = file_vma();
	struct zero_page zero = { .pfn = 7 };
	uint64_t at = anon.start;

	(void)state;
	shmem.flags = VMA_SHMEM;
	assert_int_equal(pagemap_state(0, at, &anon, &zero), 0);
	assert_int_equal(pagemap_state(PM_PRESENT | 8, at, &anon, &zero), ANON);
	assert_int_equal(pagemap_state(PM_PRESENT | PM_EXCLUSIVE | 8, at, &anon, &zero), ANON);
	assert_int_equal(pagemap_state(PM_SWAP | 123, at, &anon, &zero), RUN_SWAPPED);
	assert_int_equal(pagemap_state(PM_PRESENT | PM_FILE | 8, at, &file, &zero), RUN_RESIDENT);
	assert_int_equal(pagemap_state(PM_PRESENT | 8, at, &file, &zero), ANON);
	assert_int_equal(pagemap_state(PM_PRESENT | PM_FILE | 8, at, &shmem, &zero),
			 RUN_RESIDENT | RUN_SHMEM);
	/* A guard has a swap entry's form. */
	assert_int_equal(pagemap_state(PM_SWAP | PM_GUARD, at, &anon, &zero), 0);
}

static void test_pagemap_zero(void **state)
{
	struct zero_page shown = { .pfn = 7 }, hidden = { .pfn = 0 };
	struct vma anon = anon_vma(), file = file_vma(), raw = file_vma();
	uint64_t at = anon.start;

	(void)state;
	assert_int_equal(pagemap_state(PM_PRESENT | 7, at, &anon, &shown), RUN_ZERO);
	assert_int_equal(pagemap_state(PM_PRESENT | 7, at, &file, &shown), RUN_ZERO);
	/* The huge zero page is no anonymous page, and anonymous memory has no others. */
	assert_int_equal(pagemap_state(PM_PRESENT | PM_FILE | 512, at, &anon, &shown), RUN_ZERO);
	/* By number alone: those below a limit, and never one that is mapped once. */
	anon.zero_below = at + 2 * PAGE;
	assert_int_equal(pagemap_state(PM_PRESENT, at + PAGE, &anon, &hidden), RUN_ZERO);
	assert_int_equal(pagemap_state(PM_PRESENT | PM_EXCLUSIVE, at + PAGE, &anon, &hidden),
			 ANON);
	assert_int_equal(pagemap_state(PM_PRESENT, at + 2 * PAGE, &anon, &hidden), ANON);
	/* Raw frames are mapped by nothing that counts. */
	raw.flags = VMA_PFNMAP;
	assert_int_equal(pagemap_state(PM_PRESENT | 99, at, &raw, &shown), 0);
	assert_int_equal(pagemap_state(PM_PRESENT | PM_EXCLUSIVE | 99, at, &raw, &shown), ANON);
}

static void test_huge_frame(void **state)
{
	uint64_t entries[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		entries[i] = PM_PRESENT | PM_EXCLUSIVE | (64 + i);
	assert_int_equal(pagemap_huge_frame(entries, 8), 64);
	entries[5] = PM_SWAP | 69;
	assert_int_equal(pagemap_huge_frame(entries, 8), 0);
	entries[5] = PM_PRESENT | 70;
	assert_int_equal(pagemap_huge_frame(entries, 8), 0);
	entries[5] = PM_PRESENT | PM_FILE | 69;
	assert_int_equal(pagemap_huge_frame(entries, 8), 0);
	/* In a row, but not aligned; and where frames are hidden. */
	for (size_t i = 0; i < 8; i++)
		entries[i] = PM_PRESENT | (65 + i);
	assert_int_equal(pagemap_huge_frame(entries, 8), 0);
	for (size_t i = 0; i < 8; i++)
		entries[i] = PM_PRESENT;
	assert_int_equal(pagemap_huge_frame(entries, 8), 0);
}

static void test_scan(void **state)
{
	struct vma anon = anon_vma(), file = file_vma(), shmem = file_vma();

	(void)state;
	shmem.flags = VMA_SHMEM;
	assert_int_equal(scan_state(SCAN_PRESENT, &anon), ANON);
	assert_int_equal(scan_state(SCAN_PRESENT | SCAN_HUGE, &anon), ANON | RUN_HUGE);
	assert_int_equal(scan_state(SCAN_PRESENT | SCAN_FILE, &file), RUN_RESIDENT);
	assert_int_equal(scan_state(SCAN_PRESENT, &file), ANON);
	assert_int_equal(scan_state(SCAN_PRESENT | SCAN_FILE | SCAN_HUGE, &shmem),
			 RUN_RESIDENT | RUN_SHMEM | RUN_HUGE);
	assert_int_equal(scan_state(SCAN_PRESENT | SCAN_ZERO, &anon), RUN_ZERO);
	assert_int_equal(scan_state(SCAN_SWAPPED, &anon), RUN_SWAPPED);
	assert_int_equal(scan_state(SCAN_SWAPPED | SCAN_HUGE, &anon), RUN_SWAPPED);
	assert_int_equal(scan_state(SCAN_SWAPPED | SCAN_GUARD, &anon), 0);
	assert_int_equal(scan_state(0, &anon), 0);
}

/* A source of two runs, which counts how often it is begun. */
static const struct page_run told[] = {
	{ 10 * PAGE, 12 * PAGE, ANON, 3 },
	{ 14 * PAGE, 15 * PAGE, RUN_SWAPPED, 0 },
};

static struct {
	uint64_t start, end;
	size_t next;
	int begun;
} fake;

static int fake_begin(struct pages *p, struct target *t, struct vma_list *vmas, uint64_t start,
		      uint64_t end, struct error *e)
{
	(void)p, (void)t, (void)vmas, (void)e;
	fake.start = start;
	fake.end = end;
	fake.next = 0;
	fake.begun++;
	return 0;
}

static int fake_next(struct pages *p, struct page_run *run, struct error *e)
{
	(void)p, (void)e;
	for (; fake.next < 2; fake.next++) {
		*run = told[fake.next];
		if (run->end <= fake.start || run->start >= fake.end)
			continue;
		fake.next++;
		return 1;
	}
	return 0;
}

static const struct pages_ops fake_ops = { .begin = fake_begin, .next = fake_next };

static void expect(struct page_stream *ps, uint64_t from, uint64_t to, uint64_t upto,
		   uint32_t what)
{
	struct page_run piece;
	struct error e;

	assert_true(page_stream_covers(ps, from * PAGE));
	assert_int_equal(page_stream_at(ps, from * PAGE, to * PAGE, &piece, &e), 0);
	assert_int_equal(piece.start, from * PAGE);
	assert_int_equal(piece.end, upto * PAGE);
	assert_int_equal(piece.state, what);
	assert_int_equal(piece.age, what & RUN_RESIDENT ? 3 : 0);
}

static void test_stream(void **state)
{
	struct pages pages = { .ops = &fake_ops };
	struct page_stream ps = { .pages = &pages };
	struct error e;

	(void)state;
	assert_false(page_stream_covers(&ps, 0));
	assert_int_equal(page_stream_begin(&ps, 8 * PAGE, UINT64_MAX, &e), 0);
	expect(&ps, 8, 30, 10, 0);
	expect(&ps, 10, 11, 11, ANON);
	expect(&ps, 11, 30, 12, ANON);
	expect(&ps, 13, 30, 14, 0);
	expect(&ps, 14, 30, 15, RUN_SWAPPED);
	/* Past the last run, to the end of all addresses. */
	expect(&ps, 15, 30, 30, 0);
	expect(&ps, 1ull << 30, (1ull << 30) + 5, (1ull << 30) + 5, 0);
	assert_int_equal(fake.begun, 1);
}

static void test_stream_limits(void **state)
{
	struct pages pages = { .ops = &fake_ops };
	struct page_stream ps = { .pages = &pages };
	struct error e;

	(void)state;
	assert_int_equal(page_stream_begin(&ps, 8 * PAGE, 11 * PAGE, &e), 0);
	assert_true(page_stream_covers(&ps, 10 * PAGE));
	assert_false(page_stream_covers(&ps, 11 * PAGE));
	/* Too far ahead to read on. */
	assert_int_equal(page_stream_begin(&ps, 8 * PAGE, UINT64_MAX, &e), 0);
	assert_false(page_stream_covers(&ps, 8 * PAGE + STREAM_FAR));
	assert_int_equal(page_stream_end(&ps, &e), 0);
	assert_false(page_stream_covers(&ps, 8 * PAGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pagemap), cmocka_unit_test(test_pagemap_zero),
		cmocka_unit_test(test_huge_frame), cmocka_unit_test(test_scan), cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_limits),
	};

	return cmocka_run_group_tests_name("runs", tests, NULL, NULL);
}
