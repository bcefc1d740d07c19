// SPDX-License-Identifier: GPL-2.0-or-later
/* Which regions of two records are the same ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/diff.h"
#include "model/match.h"

/* Region of anonymous memory, and of a file. */
#define ANON(s, e, r) { .start = (s), .end = (e), .perms = "rw-p", .dev = "00:00",      \
			.name = "", .owner = "", .resident = (r) }
#define FILE_AT(s, e, off, ino, r)                                                       \
	{ .start = (s), .end = (e), .offset = (off), .inode = (ino), .perms = "r--p",    \
	  .dev = "08:01", .name = "/lib", .owner = "", .resident = (r) }

static struct match *m;
static size_t n;

static void match(struct record_region *a, size_t na, struct record_region *b, size_t nb,
		  bool same)
{
	struct record before = { .regions = a, .nregions = na };
	struct record now = { .regions = b, .nregions = nb };

	free(m);
	m = match_regions(&before, &now, same, &n);
	assert_non_null(m);
}

#define MATCH(a, b, same) match(a, sizeof(a) / sizeof((a)[0]), b, sizeof(b) / sizeof((b)[0]), same)

/* The match of what is, or was, at @start. */
static const struct match *at(uint64_t start)
{
	for (size_t i = 0; i < n; i++)
		if ((m[i].now.n ? m[i].now.first : m[i].before.first)->start == start)
			return &m[i];
	fail_msg("nothing at %lx", start);
	return NULL;
}

static int drop(void **state)
{
	(void)state;
	free(m);
	m = NULL;
	return 0;
}

static void test_grown(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x3000, 1), ANON(0x8000, 0x9000, 2),
				     ANON(0xa000, 0xb000, 3) };
	struct record_region b[] = { ANON(0x1000, 0x5000, 4), ANON(0x7000, 0x9000, 2),
				     ANON(0xa000, 0xb000, 3) };

	(void)state;
	MATCH(a, b, true);
	assert_int_equal(n, 3);
	assert_int_equal(at(0x1000)->kind, MATCH_GREW);
	assert_int_equal(at(0x1000)->change, 3);
	/* Downwards, as a stack does. */
	assert_int_equal(at(0x7000)->kind, MATCH_GREW);
	assert_int_equal(at(0xa000)->kind, MATCH_SAME);
	assert_false(match_changed(at(0xa000)));
	/* Growth first. */
	assert_ptr_equal(&m[0], at(0x1000));
	MATCH(b, a, true);
	assert_int_equal(at(0x1000)->kind, MATCH_SHRANK);
	assert_ptr_equal(&m[2], at(0x1000));
}

static void test_split(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x9000, 8) };
	struct record_region b[] = { ANON(0x1000, 0x3000, 2), ANON(0x3000, 0x4000, 1),
				     ANON(0x4000, 0x9000, 6) };

	(void)state;
	strcpy(b[1].perms, "r--p");
	MATCH(a, b, true);
	assert_int_equal(n, 1);
	assert_int_equal(m->kind, MATCH_SPLIT);
	assert_int_equal(m->now.n, 3);
	assert_int_equal(m->now.end, 0x9000);
	assert_int_equal(m->change, 1);
	MATCH(b, a, true);
	assert_int_equal(n, 1);
	assert_int_equal(m->kind, MATCH_MERGED);
	assert_int_equal(m->before.n, 3);
}

/* What maps something else in the middle of it is new. */
static void test_pierced(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x9000, 8) };
	struct record_region b[] = { ANON(0x1000, 0x3000, 2),
				     FILE_AT(0x3000, 0x4000, 0, 5, 1),
				     ANON(0x4000, 0x9000, 5) };

	(void)state;
	MATCH(a, b, true);
	assert_int_equal(n, 2);
	assert_int_equal(at(0x1000)->kind, MATCH_SPLIT);
	assert_int_equal(at(0x1000)->change, -1);
	assert_int_equal(at(0x3000)->kind, MATCH_NEW);
}

static void test_files(void **state)
{
	struct record_region a[] = { FILE_AT(0x1000, 0x3000, 0, 5, 1),
				     FILE_AT(0x4000, 0x6000, 0x4000, 5, 1) };
	/* Another part of the file at the same place; another file. */
	struct record_region b[] = { FILE_AT(0x1000, 0x3000, 0x8000, 5, 1),
				     FILE_AT(0x4000, 0x6000, 0x4000, 6, 1) };
	/* The same part, cut at its beginning. */
	struct record_region c[] = { FILE_AT(0x2000, 0x3000, 0x1000, 5, 1) };

	(void)state;
	MATCH(a, b, true);
	assert_int_equal(n, 4);
	assert_int_equal(at(0x1000)->kind == MATCH_NEW || at(0x1000)->kind == MATCH_GONE, 1);
	MATCH(a, c, true);
	assert_int_equal(n, 2);
	assert_int_equal(at(0x2000)->kind, MATCH_SHRANK);
	assert_int_equal(at(0x4000)->kind, MATCH_GONE);
	/* In another process a file is its name. */
	MATCH(a, b, false);
	assert_int_equal(n, 3);
	assert_int_equal(at(0x4000)->kind, MATCH_SAME);
}

static void test_moved(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x3000, 1), ANON(0x4000, 0x6000, 2),
				     ANON(0x7000, 0x8000, 1) };
	struct record_region b[] = { ANON(0x11000, 0x13000, 2), ANON(0x14000, 0x16000, 3) };

	(void)state;
	MATCH(a, b, true);
	assert_int_equal(n, 3);
	/* As much is resident: that one first. */
	assert_int_equal(at(0x11000)->kind, MATCH_MOVED);
	assert_int_equal(at(0x11000)->before.first->start, 0x4000);
	assert_int_equal(at(0x14000)->kind, MATCH_MOVED);
	assert_int_equal(at(0x14000)->change, 2);
	assert_int_equal(at(0x7000)->kind, MATCH_GONE);
	/* What is shared is not what is private. */
	strcpy(b[0].perms, "rw-s");
	strcpy(b[1].perms, "rw-s");
	MATCH(a, b, true);
	assert_int_equal(n, 5);
}

/* What has a name is known by it, though it is longer now. */
static void test_named(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x3000, 1) }, b[] = { ANON(0x9000, 0xf000, 2) };

	(void)state;
	a[0].name = b[0].name = "[heap]";
	MATCH(a, b, true);
	assert_int_equal(n, 1);
	assert_int_equal(m->kind, MATCH_MOVED);
	MATCH(a, b, false);
	assert_int_equal(n, 1);
	assert_int_equal(m->kind, MATCH_GREW);
	a[0].name = b[0].name = "";
	MATCH(a, b, true);
	assert_int_equal(n, 2);
}

/* A map that changed while it was read: nothing is lost, nothing is counted twice. */
static void test_overlapping(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x3000, 1), ANON(0x1000, 0x9000, 2),
				     ANON(0x2000, 0x4000, 4), ANON(0x9000, 0xa000, 8) };
	struct record_region b[] = { ANON(0x0, 0xf000, 1), ANON(0x2000, 0x3000, 2),
				     ANON(0x2000, 0x3000, 4) };
	uint64_t before = 0, now = 0, regions = 0;

	(void)state;
	for (int same = 0; same < 2; same++) {
		MATCH(a, b, same);
		for (size_t i = 0; i < n; i++) {
			before += m[i].before.resident;
			now += m[i].now.resident;
			regions += m[i].before.n + m[i].now.n;
		}
	}
	assert_int_equal(before, 2 * 15);
	assert_int_equal(now, 2 * 7);
	assert_int_equal(regions, 2 * 7);
}

static void test_none(void **state)
{
	struct record_region a[] = { ANON(0x1000, 0x3000, 1) };

	(void)state;
	match(NULL, 0, NULL, 0, true);
	assert_int_equal(n, 0);
	match(a, 1, NULL, 0, true);
	assert_int_equal(m->kind, MATCH_GONE);
	match(NULL, 0, a, 1, true);
	assert_int_equal(m->kind, MATCH_NEW);
}

/* Any regions, in any way: each is in one match. */
static void test_random(void **state)
{
	struct record_region a[40], b[40];

	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct record_region *side[] = { a, b };
		size_t regions = 0;

		for (int s = 0; s < 2; s++) {
			uint64_t next = 0;

			for (int i = 0; i < 40; i++) {
				struct record_region r = ANON(0, 0, (uint64_t)rand() % 3);

				r.start = next + (uint64_t)(rand() % 3) * 0x1000;
				r.end = r.start + (uint64_t)(1 + rand() % 4) * 0x1000;
				r.name = rand() % 3 ? "" : "[x]";
				next = rand() % 9 ? r.end : r.start;
				side[s][i] = r;
			}
		}
		MATCH(a, b, round % 2);
		for (size_t i = 0; i < n; i++)
			regions += m[i].before.n + m[i].now.n;
		assert_int_equal(regions, 80);
	}
}

static void test_change(void **state)
{
	struct diff d = { .rates = true, .interval_ns = 30000000000 };

	(void)state;
	assert_int_equal(change_of(5, 3), -2);
	assert_int_equal(change_of(UNKNOWN, 3), CHANGE_UNKNOWN);
	assert_int_equal(change_of(3, UNKNOWN), CHANGE_UNKNOWN);
	assert_int_equal(diff_rate(&d, 100), 200);
	assert_int_equal(diff_rate(&d, CHANGE_UNKNOWN), CHANGE_UNKNOWN);
	d.interval_ns = 1;
	assert_int_equal(diff_rate(&d, (int64_t)RECORD_MAX), CHANGE_UNKNOWN);
	d.rates = false;
	assert_int_equal(diff_rate(&d, 100), CHANGE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grown),	cmocka_unit_test(test_split),
		cmocka_unit_test(test_pierced), cmocka_unit_test(test_files),
		cmocka_unit_test(test_moved),	cmocka_unit_test(test_named),
		cmocka_unit_test(test_overlapping), cmocka_unit_test(test_none),
		cmocka_unit_test(test_random),	cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, drop);
}
