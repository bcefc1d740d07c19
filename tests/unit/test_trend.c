// SPDX-License-Identifier: GPL-2.0-or-later
/* What is growth, and what only looks so: series of which the truth is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/trend.h"

#define MIB    (1ull << 20)
#define SECOND 1000000000ull
#define LOOKS  12
#define BASE   (500 * MIB)

static uint64_t seed;

/* In [0, 1). */
static double chance(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(seed >> 11) / (double)(1ull << 53);
}

/* Counts in MiB, five seconds apart. */
static struct trend fit(const double *mib, size_t n)
{
	uint64_t when[64], bytes[64];

	for (size_t i = 0; i < n; i++) {
		when[i] = (100 + 5 * i) * SECOND;
		bytes[i] = BASE + (uint64_t)(int64_t)(mib[i] * (double)MIB);
	}
	return trend_fit(when, bytes, n, MIB);
}

/* Of a saw-tooth: a tooth takes @period looks, and begins @phase looks before the first. */
static double tooth(double i, double period, double phase, double height)
{
	return height * fmod(i + phase, period) / period;
}

static bool grows(const double y[LOOKS])
{
	struct trend t = fit(y, LOOKS);

	return trend_grows(&t);
}

static void test_line(void **state)
{
	double y[LOOKS];
	struct trend t;

	(void)state;
	for (size_t i = 0; i < LOOKS; i++)
		y[i] = 10.0 * (double)i;
	t = fit(y, LOOKS);
	assert_int_equal(t.kind, TREND_STEADY);
	assert_int_equal(t.n, LOOKS);
	assert_int_equal(t.span_ns, 55 * SECOND);
	/* 10 MiB in 5 s. */
	assert_true(fabs(trend_per_minute(&t) / (double)MIB - 120) < 1e-6);
	assert_true(fabs(trend_rise(&t) / (double)MIB - 110) < 1e-6);
	assert_true(t.r2 > 0.999999 && t.error < 1e-9);
	for (size_t i = 0; i < LOOKS; i++)
		y[i] = -y[i];
	assert_int_equal(fit(y, LOOKS).kind, TREND_FLAT);
}

/*
 * Anscombe's first set (The American Statistician 27, 1973), in order of x: slope 0.500,
 * standard error 0.118, r2 0.667.
 */
static void test_anscombe(void **state)
{
	static const double y[] = { 4.26, 5.68, 7.24,  4.82, 6.95, 8.81,
				    8.04, 8.33, 10.84, 7.58, 9.96 };
	struct trend t = fit(y, 11);
	double step = (double)MIB / (5.0 * (double)SECOND);

	(void)state;
	assert_true(fabs(t.rate / step - 0.5001) < 0.0001);
	assert_true(fabs(t.error / step - 0.1179) < 0.0001);
	assert_true(fabs(t.r2 - 0.6665) < 0.0001);
	assert_int_equal(t.n, 11);
}

static void test_flat(void **state)
{
	double y[LOOKS] = { 0 };

	(void)state;
	assert_int_equal(fit(y, LOOKS).kind, TREND_FLAT);
	assert_int_equal(fit(y, 1).kind, TREND_NONE);
	assert_int_equal(fit(y, 0).kind, TREND_NONE);
	/* Below what counts as growth, however steady. */
	for (size_t i = 0; i < LOOKS; i++)
		y[i] = 0.05 * (double)i;
	assert_int_equal(fit(y, LOOKS).kind, TREND_FLAT);
}

/* Of noise alone, hardly ever; and never of much noise with little of a rise. */
static void test_noise(void **state)
{
	int steady = 0, found = 0;

	(void)state;
	for (seed = 1; seed < 1001;) {
		uint64_t this = seed;
		double noise[LOOKS], leak[LOOKS];

		for (size_t i = 0; i < LOOKS; i++) {
			noise[i] = 20 * chance();
			leak[i] = noise[i] + 5.0 * (double)i;
		}
		steady += grows(noise);
		found += grows(leak);
		seed = this + 1;
	}
	assert_true(steady <= 5);
	assert_true(found >= 980);
}

static void test_jump(void **state)
{
	(void)state;
	for (size_t at = 1; at < LOOKS; at++) {
		double y[LOOKS], grows[LOOKS];
		struct trend t;

		for (size_t i = 0; i < LOOKS; i++) {
			y[i] = i < at ? 0 : 300;
			grows[i] = y[i] + 4.0 * (double)i;
		}
		assert_int_equal(fit(y, LOOKS).kind, TREND_JUMP);
		t = fit(grows, LOOKS);
		assert_int_equal(t.kind, TREND_STEADY);
		/* Without the jump, of which a part belongs to the growth. */
		assert_true(trend_per_minute(&t) < 50.0 * (double)MIB);
		assert_true(trend_per_minute(&t) > 35.0 * (double)MIB);
	}
}

/* Whole regions at a time, more than once: growth. */
static void test_steps(void **state)
{
	(void)state;
	for (size_t every = 1; every <= 4; every++) {
		double y[LOOKS];

		for (size_t i = 0; i < LOOKS; i++)
			y[i] = 64.0 * (double)(i / every);
		assert_int_equal(fit(y, LOOKS).kind, TREND_STEADY);
	}
}

/* Now and then, as if a batch kept what it had: no line, but growth. */
static void test_bursts(void **state)
{
	static const double y[][LOOKS] = {
		{ 0, 0, 90, 90, 90, 90, 90, 90, 90, 90, 90, 130 },
		{ 0, 300, 300, 300, 300, 300, 300, 300, 300, 300, 400, 400 },
		{ 0, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 80 },
		{ 0, 0, 0, 0, 0, 0, 0, 0, 50, 50, 90, 150 },
		/* With a little noise, less than is taken back. */
		{ 0, 1, 90, 88, 89, 90, 87, 89, 90, 89, 88, 130 },
	};
	struct trend t;

	(void)state;
	for (size_t i = 0; i < sizeof(y) / sizeof(y[0]); i++)
		assert_true(grows(y[i]));
	t = fit(y[0], LOOKS);
	assert_int_equal(t.kind, TREND_BURSTS);
	assert_int_equal(t.bursts, 2);
	assert_true(fabs(trend_rise(&t) / (double)MIB - 130) < 1e-6);
}

/* What is taken back, comes once, or is small beside what came once. */
static void test_no_bursts(void **state)
{
	static const double y[][LOOKS] = {
		{ 0, 0, 90, 90, 90, 20, 20, 20, 20, 90, 90, 90 },
		{ 0, 300, 275, 300, 275, 300, 275, 300, 275, 300, 275, 300 },
		{ 0, 0, 100, 200, 300, 300, 300, 300, 300, 300, 300, 300 },
		{ 0, 300, 300, 300, 300, 300, 300, 300, 300, 300, 310, 310 },
		{ 0, 0, 90, 90, 90, 90, 90, 90, 130, 130, 130, 60 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(y) / sizeof(y[0]); i++)
		assert_int_not_equal(fit(y[i], LOOKS).kind, TREND_BURSTS);
}

/* Whatever part of it is seen, if one end of a tooth is well within. */
static void test_saw_tooth(void **state)
{
	(void)state;
	for (double period = 2.5; period <= 20; period += 0.5)
		for (double phase = fmax(2, period - 9); phase < period - 1;
		     phase += 0.25) {
			double y[LOOKS];

			for (size_t i = 0; i < LOOKS; i++)
				y[i] = tooth((double)i, period, phase, 100);
			assert_false(grows(y));
		}
}

/* A rest between looks, while it grows: no jump. */
static void test_gap(void **state)
{
	static const uint64_t second[] = { 0, 1, 2, 3, 4, 20, 21 };
	uint64_t when[7], bytes[7];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		when[i] = second[i] * SECOND;
		bytes[i] = BASE + 10 * second[i] * MIB;
	}
	assert_int_equal(trend_fit(when, bytes, 7, MIB).kind, TREND_STEADY);
}

static void test_few(void **state)
{
	static const double up[] = { 0, 5, 10 }, down[] = { 0, 50, 10 };

	(void)state;
	assert_int_equal(fit(up, 2).kind, TREND_STEADY);
	assert_int_equal(fit(up, 3).kind, TREND_STEADY);
	assert_int_equal(fit(down, 3).kind, TREND_UNCLEAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),	  cmocka_unit_test(test_anscombe),
		cmocka_unit_test(test_flat),	  cmocka_unit_test(test_noise),
		cmocka_unit_test(test_jump),	  cmocka_unit_test(test_steps),
		cmocka_unit_test(test_few),	  cmocka_unit_test(test_saw_tooth),
		cmocka_unit_test(test_gap),	  cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_no_bursts),
	};

	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
