// SPDX-License-Identifier: GPL-2.0-or-later
/* The conditions of fallow record --when, and its --keep and --rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/cmd.h"
#include "model/when.h"
#include "target/vma.h"

#define S_NS 1000000000ull
#define MIB  (1ull << 20)

static struct when_list list;
static struct when_history history;

static void want(const char *text)
{
	struct error e;

	list = (struct when_list){ .n = 0 };
	history = (struct when_history){ .n = 0 };
	assert_int_equal(when_parse(&list, text, &e), 0);
}

/* Whether it holds at a second at which its fact has this value. */
static int at(uint64_t second, uint64_t value)
{
	struct counters now = { .at_ns = second * S_NS };

	for (int i = 0; i < WHEN_FACTS; i++)
		now.fact[i] = UNKNOWN;
	now.fact[list.v[0].fact] = value;
	return when_holds(&list, &history, &now) == &list.v[0];
}

static void test_parse(void **state)
{
	static const char *const bad[] = { "",	       "rss",	     "rss>",	  "rss>x",
					   "rss<8G",   "rss>8X",     "rss>8Gx",	  "growth>1M",
					   "psi>10",   "psi>101%",   "psi>-1%",	  "psi>nan%",
					   "rss>-1G",  "memory.low", "memory.max>1", "rss>1e30",
					   "growth>1M/day", "rss>nan" };
	struct error e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		list = (struct when_list){ .n = 0 };
		assert_int_equal(when_parse(&list, bad[i], &e), -1);
		assert_int_equal(e.status, EXIT_USAGE);
	}
	want("rss>1.5G");
	assert_int_equal(list.v[0].limit, 1536 * MIB);
	want("growth>100M/min");
	assert_int_equal(list.v[0].per_ns, 60 * S_NS);
	want("cgroup-psi-full>0.5%");
	assert_int_equal(list.v[0].limit, 5);
	assert_int_equal(when_facts(&list), 1u << WHEN_CGROUP_PSI_FULL);
}

static void test_levels(void **state)
{
	(void)state;
	want("rss>8M");
	assert_false(at(0, 8 * MIB));
	assert_true(at(1, 8 * MIB + 1));
	assert_true(at(2, 9 * MIB));
	assert_false(at(3, UNKNOWN));
	want("psi>10%");
	assert_false(at(0, 100));
	assert_true(at(1, 101));
}

static void test_growth(void **state)
{
	(void)state;
	want("growth>10M/min");
	/* Before a minute has passed nothing is known. */
	for (uint64_t s = 0; s < 60; s++)
		assert_false(at(s, s * MIB));
	for (uint64_t s = 60; s < 1000; s++)
		assert_true(at(s, s * MIB));
	for (uint64_t s = 1000; s < 2000; s++)
		if (s >= 1070)
			assert_false(at(s, 1000 * MIB));
		else
			at(s, 1000 * MIB);
	/* Less of it is no growth. */
	assert_false(at(2000, 1));
	want("growth>1M/s");
	assert_false(at(0, 0));
	assert_true(at(1, 2 * MIB));
}

static void test_events(void **state)
{
	(void)state;
	want("memory.high");
	assert_false(at(0, 5)); /* they were before */
	assert_false(at(1, 5));
	assert_true(at(2, 6));
	assert_false(at(3, 6));
	assert_false(at(4, UNKNOWN));
	assert_false(at(5, 7));
	assert_true(at(6, 8));
}

static void test_keep(void **state)
{
	static const char *const bad[] = { "", "0", "x", "-1", "3M", "1Gx", "0d", "5000d", "nan" };
	struct keep keep;
	struct rate rate;
	struct error e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_keep(bad[i], &keep, &e), -1);
	assert_int_equal(parse_keep("1000", &keep, &e), 0);
	assert_true(keep.what == KEEP_LOOKS && keep.n == 1000);
	assert_int_equal(parse_keep("100M", &keep, &e), 0);
	assert_true(keep.what == KEEP_BYTES && keep.n == 100 * MIB);
	assert_int_equal(parse_keep("30m", &keep, &e), 0);
	assert_true(keep.what == KEEP_TIME && keep.n == 1800 * S_NS);
	assert_int_equal(parse_keep("7d", &keep, &e), 0);
	assert_true(keep.what == KEEP_TIME && keep.n == 7 * 86400 * S_NS);
	assert_int_equal(parse_rate("10/1h", &rate, &e), 0);
	assert_true(rate.looks == 10 && rate.ns == 3600 * S_NS);
	assert_int_equal(parse_rate("10", &rate, &e), -1);
	assert_int_equal(parse_rate("0/1h", &rate, &e), -1);
	assert_int_equal(parse_rate("-1/1h", &rate, &e), -1);
	assert_int_equal(parse_rate("10/", &rate, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),  cmocka_unit_test(test_levels),
		cmocka_unit_test(test_growth), cmocka_unit_test(test_events),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
