// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranges and their owners, against an array that has the owner of each page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/spans.h"

#define PAGES  64
#define OWNERS 5
#define STEPS  20000

struct page {
	uint32_t owner; /* 0: nobody */
	uint64_t born;
};

struct model {
	struct page page[PAGES];
	int64_t has[OWNERS];
};

static void changed(void *arg, uint32_t owner, int64_t bytes)
{
	struct model *m = arg;

	m->has[owner] += bytes;
}

/* What is under way when @before is asked for is younger than that. */
static void model_remove(struct model *m, uint64_t start, uint64_t end, uint64_t before)
{
	for (uint64_t i = start; i < end; i++)
		if (m->page[i].born <= before)
			m->page[i] = (struct page){ 0 };
}

static void model_move(struct model *m, uint64_t from, uint64_t to, uint64_t len,
		       uint64_t born)
{
	for (uint64_t i = 0; i < len; i++) {
		m->page[to + i] = m->page[from + i];
		if (m->page[to + i].owner)
			m->page[to + i].born = born;
		m->page[from + i] = (struct page){ 0 };
	}
}

static void compare(const struct spans *s, const struct model *m)
{
	int64_t has[OWNERS] = { 0 };

	for (uint64_t i = 0; i < PAGES; i++) {
		const struct span *found = spans_find(s, i);

		assert_int_equal(found ? found->owner : 0, m->page[i].owner);
		if (found)
			assert_int_equal(found->born, m->page[i].born);
		has[m->page[i].owner] += m->page[i].owner != 0;
	}
	assert_memory_equal(has, m->has, sizeof(has));
}

static void one_step(struct spans *s, struct model *m, uint64_t now)
{
	uint64_t start = (uint64_t)rand() % PAGES, len = 1 + (uint64_t)rand() % (PAGES - start);
	uint32_t owner = 1 + (uint32_t)rand() % (OWNERS - 1);
	uint64_t before = now - (uint64_t)rand() % 8;

	switch (rand() % 3) {
	case 0:
		len = 1 + len % 8;
		len = start + len > PAGES ? PAGES - start : len;
		assert_true(spans_add(s, start, start + len, now, owner));
		for (uint64_t i = start; i < start + len; i++)
			m->page[i] = (struct page){ owner, now };
		break;
	case 1:
		spans_remove(s, start, start + len, before);
		model_remove(m, start, start + len, before);
		break;
	default:
		start %= PAGES / 2;
		len = 1 + len % (PAGES / 2 - start);
		if (rand() % 2) {
			assert_true(spans_move(s, start, start + PAGES / 2, len, now, now));
			model_move(m, start, start + PAGES / 2, len, now);
		} else {
			assert_true(spans_move(s, start + PAGES / 2, start, len, now, now));
			model_move(m, start + PAGES / 2, start, len, now);
		}
	}
}

static void test_against_pages(void **state)
{
	struct model m = { 0 };
	struct spans s = { .changed = changed, .arg = &m };

	(void)state;
	srand(1);
	for (uint64_t now = 8; now < STEPS; now++) {
		one_step(&s, &m, now);
		compare(&s, &m);
	}
	spans_free(&s);
}

/* One thread unmaps; another gets the address before the first is told so. */
static void test_younger_stays(void **state)
{
	struct model m = { 0 };
	struct spans s = { .changed = changed, .arg = &m };

	(void)state;
	spans_add(&s, 10, 20, 100, 1);
	spans_add(&s, 12, 14, 210, 2);
	spans_remove(&s, 5, 30, 200);
	assert_int_equal(m.has[1], 0);
	assert_int_equal(m.has[2], 2);
	assert_int_equal(s.n, 1);
	/* And likewise where the first moves its own away. */
	spans_add(&s, 10, 12, 100, 1);
	spans_add(&s, 14, 20, 100, 1);
	spans_move(&s, 10, 50, 10, 200, 220);
	assert_int_equal(spans_find(&s, 13)->owner, 2);
	assert_null(spans_find(&s, 53));
	assert_int_equal(spans_find(&s, 55)->owner, 1);
	assert_int_equal(m.has[1], 8);
	spans_free(&s);
}

static void test_limit(void **state)
{
	struct model m = { 0 };
	struct spans s = { .changed = changed, .arg = &m };

	(void)state;
	for (uint64_t i = 0; i < SPANS_MAX; i++)
		assert_true(spans_add(&s, 2 * i, 2 * i + 1, 1, 1));
	assert_false(spans_add(&s, 2 * SPANS_MAX, 2 * SPANS_MAX + 1, 1, 1));
	assert_int_equal(m.has[1], SPANS_MAX);
	spans_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_pages),
		cmocka_unit_test(test_younger_stays),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
