// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of addresses, against an array that has a byte for each. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap/marks.h"

#define BASE   0x7f0000000000ull
#define BLOCKS 300u
#define SLOTS  (BLOCKS * MARKS_SLOTS)
#define ANY    SIZE_MAX

static uint64_t address(size_t slot)
{
	return BASE + (uint64_t)slot * MARKS_ALIGN;
}

static void compare(const struct marks *m, const uint8_t *in, size_t n)
{
	uint8_t slots[MARKS_SLOTS];

	assert_int_equal(m->n, n);
	for (size_t b = 0; b < BLOCKS; b++) {
		memset(slots, 0, sizeof(slots));
		marks_spread(m, address(b * MARKS_SLOTS), 1, slots);
		assert_memory_equal(slots, in + b * MARKS_SLOTS, MARKS_SLOTS);
	}
}

/* Block b gets about b * b / 30 of its slots: from none at all to most of them. */
static size_t pick(void)
{
	size_t b = (size_t)rand() % BLOCKS, many = b * b / 30 + 1;

	return b * MARKS_SLOTS + (size_t)rand() % many * 7 % MARKS_SLOTS;
}

static void test_against_array(void **state)
{
	uint8_t *in = calloc(SLOTS, 1);
	struct marks m = { 0 };
	size_t n = 0;

	(void)state;
	assert_non_null(in);
	srand(1);
	for (int i = 0; i < 400000; i++) {
		size_t slot = pick();

		assert_int_equal(marks_add(&m, address(slot), ANY), !in[slot]);
		n += !in[slot];
		in[slot] = 1;
	}
	compare(&m, in, n);
	marks_free(&m);
	free(in);
}

/* Half of the places of a heap of 1 GiB, every second one of them taken. */
static void test_dense(void **state)
{
	struct marks m = { 0 };
	const size_t n = (1u << 30) / 64;

	(void)state;
	for (size_t i = n; i-- > 0;)
		assert_int_equal(marks_add(&m, BASE + 64ull * i, ANY), 1);
	assert_int_equal(m.n, n);
	assert_true(m.bytes < 10u << 20);
	marks_free(&m);
}

static void test_sparse(void **state)
{
	struct marks m = { 0 };
	const size_t n = 100000;

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(marks_add(&m, BASE + (uint64_t)i * (1u << 20), ANY), 1);
	assert_true(m.bytes < n * 128);
	marks_free(&m);
}

static void test_limit(void **state)
{
	struct marks m = { 0 };
	int added;

	(void)state;
	for (size_t i = 0; (added = marks_add(&m, address(i), 100000)) == 1; i++)
		assert_true(i < 8 * 100000);
	assert_int_equal(added, -ENOSPC);
	assert_true(m.bytes <= 100000);
	/* What is there stays, and is known. */
	assert_int_equal(marks_add(&m, address(0), 100000), 0);
	marks_free(&m);
}

static void test_empty(void **state)
{
	uint8_t slots[MARKS_SLOTS] = { 0 };
	struct marks m = { 0 };

	(void)state;
	marks_spread(&m, BASE, 1, slots);
	assert_null(memchr(slots, 1, sizeof(slots)));
	marks_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_array), cmocka_unit_test(test_dense),
		cmocka_unit_test(test_sparse),	      cmocka_unit_test(test_limit),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
