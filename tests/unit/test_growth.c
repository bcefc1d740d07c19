// SPDX-License-Identifier: GPL-2.0-or-later
/* Growth over looks whose totals are known: which looks count, and what it is in. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/growth.h"

#define MIB    (1ull << 20)
#define SECOND 1000000000ull

/* A look with @rss and @live MiB, and an anonymous group and one of shared memory. */
static void add(struct growth *g, uint64_t second, bool quick, uint64_t rss,
		uint64_t live, uint64_t anon, uint64_t shmem)
{
	struct growth_look look = { .when_ns = second * SECOND, .quick = quick };

	look.groups = calloc(2, sizeof(*look.groups));
	assert_non_null(look.groups);
	look.bytes[SERIES_RSS] = rss * MIB;
	look.bytes[SERIES_LIVE] = live * MIB;
	look.bytes[SERIES_PINNED] = UNKNOWN;
	look.groups[0].class = LEDGER_ANON_OTHER;
	look.groups[0].bytes = anon * MIB;
	look.ngroups = 1;
	if (shmem) {
		look.groups[1].class = LEDGER_SHMEM;
		strcpy(look.groups[1].name, "/dev/shm/ring");
		look.groups[1].bytes = shmem * MIB;
		look.ngroups = 2;
	}
	assert_int_equal(growth_add_look(g, &look), 0);
}

static bool about(double value, double want)
{
	return fabs(value - want) < 0.001 * fabs(want) + 1e-6;
}

static double mib_per_minute(const struct trend *t)
{
	return trend_per_minute(t) / (double)MIB;
}

static void test_series(void **state)
{
	struct growth g = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		add(&g, 6 * i, false, 100 + 10 * i, 50, 20, 0);
	assert_int_equal(growth_fit(&g), 0);
	assert_int_equal(g.series[SERIES_RSS].kind, TREND_STEADY);
	assert_true(about(mib_per_minute(&g.series[SERIES_RSS]), 100));
	assert_int_equal(g.series[SERIES_LIVE].kind, TREND_FLAT);
	/* What is unknown has no trend. */
	assert_int_equal(g.series[SERIES_PINNED].kind, TREND_NONE);
	growth_free(&g);
}

/* Thread caches are live to a quick look: what differs is no growth. */
static void test_quick(void **state)
{
	struct growth g = { 0 };

	(void)state;
	add(&g, 0, false, 100, 50, 20, 0);
	for (uint64_t i = 1; i < 11; i++)
		add(&g, 6 * i, true, 100, 70, 20, 0);
	add(&g, 66, false, 100, 50, 20, 0);
	assert_int_equal(growth_fit(&g), 0);
	assert_int_equal(g.series[SERIES_LIVE].n, 10);
	assert_int_equal(g.series[SERIES_LIVE].kind, TREND_FLAT);
	assert_int_equal(g.series[SERIES_RSS].n, 12);
	growth_free(&g);
}

static void test_groups(void **state)
{
	struct growth g = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		add(&g, 6 * i, true, 100, 50, 20 + i, 5 * i);
	assert_int_equal(growth_fit(&g), 0);
	assert_int_equal(g.ngroups, 2);
	/* It was not there at first, which is 0. */
	assert_string_equal(g.groups[0].last.name, "/dev/shm/ring");
	assert_int_equal(g.groups[0].trend.n, 10);
	assert_true(about(mib_per_minute(&g.groups[0].trend), 50));
	assert_int_equal(g.groups[1].last.class, LEDGER_ANON_OTHER);
	assert_true(about(mib_per_minute(&g.groups[1].trend), 10));
	growth_free(&g);
}

static void test_pieces(void **state)
{
	static const struct piece v[] = { { 0x1000, 0x3000, 0x800 },
					  { 0x4000, 0x5000, 0x100 },
					  { 0x9000, 0xa000, 0x40 } };
	struct piece all = { 0, 0x10000, 0 }, gap = { 0x5000, 0x9000, 0 };
	struct piece edge = { 0x2000, 0x4000, 0 };

	(void)state;
	assert_int_equal(pieces_within(v, 3, &all).size, 0x4000);
	assert_int_equal(pieces_within(v, 3, &all).bytes, 0x940);
	assert_int_equal(pieces_within(v, 3, &gap).size, 0);
	assert_int_equal(pieces_within(v, 3, &edge).size, 0x2000);
	assert_int_equal(pieces_within(v, 0, &all).size, 0);
}

/* A snapshot of nothing but pieces: each mapping of 64 MiB is joined to those before. */
static void test_steps(void **state)
{
	struct growth g = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		struct piece p = { (1000 - 64 * (2 * i + i % 2)) * MIB, 1000 * MIB, MIB };
		struct snapshot s = { .pieces = &p,
				      .npieces = i ? 1 : 0,
				      .monotonic_ns = i * SECOND };

		assert_int_equal(growth_add(&g, &s), 0);
	}
	assert_int_equal(g.step, 64 * MIB);
	assert_int_equal(growth_fit(&g), 0);
	growth_free(&g);
}

static void test_none(void **state)
{
	struct growth g = { 0 };

	(void)state;
	assert_int_equal(growth_fit(&g), 0);
	assert_int_equal(g.series[SERIES_RSS].kind, TREND_NONE);
	growth_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series), cmocka_unit_test(test_quick),
		cmocka_unit_test(test_groups), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_steps),  cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
