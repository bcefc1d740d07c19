// SPDX-License-Identifier: GPL-2.0-or-later
/* Verdicts of looks of which the truth is known, for they are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap/keepers.h"
#include "model/mappers.h"
#include "model/verdict.h"

#define MIB    (1ull << 20)
#define SECOND 1000000000ull
#define LOOKS  12

/* Two looks, half a minute or more apart, at a process with one heap, and those between. */
struct story {
	struct heap heap[2], *heaps[2];
	struct snapshot before, now;
	struct growth growth;
};

static void begin(struct story *st)
{
	struct snapshot *both[] = { &st->before, &st->now };

	*st = (struct story){ .growth.n = 0 };
	for (size_t i = 0; i < 2; i++) {
		st->heap[i].ops = &heap_glibc;
		st->heaps[i] = &st->heap[i];
		both[i]->heaps = &st->heaps[i];
		both[i]->nheaps = 1;
		both[i]->process.exe = "/bin/x";
		both[i]->pinned = both[i]->lazyfree = both[i]->huge_zero = UNKNOWN;
		both[i]->ledger[LEDGER_HEAP_USED].resident = 100 * MIB;
		both[i]->live_bytes = 90 * MIB;
		both[i]->monotonic_ns = 1000 * SECOND + i * 5 * (LOOKS - 1) * SECOND;
	}
	st->now.process.pid = 4242;
}

static void sum_up(struct snapshot *s)
{
	s->rss = 0;
	for (int c = 0; c < LEDGER_CLASSES; c++)
		s->rss += s->ledger[c].resident;
}

/* The looks between go straight from one end to the other. */
static uint64_t part(uint64_t from, uint64_t to, size_t i)
{
	if (from == UNKNOWN || to == UNKNOWN)
		return UNKNOWN;
	return from + (uint64_t)((int64_t)(to - from) * (int64_t)i / (LOOKS - 1));
}

static void add_look(struct story *st, size_t i, uint64_t torn)
{
	const struct snapshot *a = &st->before, *b = &st->now;
	struct growth_look look = { .when_ns = a->monotonic_ns + i * 5 * SECOND,
				    .torn = torn };

	look.bytes[SERIES_RSS] = part(a->rss, b->rss, i);
	look.bytes[SERIES_LIVE] = part(a->live_bytes, b->live_bytes, i) - torn;
	look.bytes[SERIES_PINNED] = part(a->pinned, b->pinned, i);
	for (int c = 0; c < LEDGER_CLASSES; c++)
		look.bytes[SERIES_CLASS + c] =
			part(a->ledger[c].resident, b->ledger[c].resident, i);
	look.groups = calloc(1, sizeof(*look.groups));
	assert_non_null(look.groups);
	look.groups[0].class = LEDGER_SHMEM;
	look.groups[0].bytes = look.bytes[SERIES_CLASS + LEDGER_SHMEM];
	strcpy(look.groups[0].name, "/memfd:ring (deleted)");
	look.ngroups = 1;
	assert_int_equal(growth_add_look(&st->growth, &look), 0);
}

static struct verdicts judge(struct story *st, const uint64_t torn[LOOKS])
{
	struct verdicts v;

	sum_up(&st->before);
	sum_up(&st->now);
	for (size_t i = 0; i < LOOKS; i++)
		add_look(st, i, torn ? torn[i] : 0);
	assert_int_equal(growth_fit(&st->growth), 0);
	verdicts_judge_growth(&v, &st->now, &st->before, &st->growth);
	growth_free(&st->growth);
	return v;
}

static const struct verdict *find(const struct verdicts *all, enum verdict_id id)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].id == id)
			return &all->v[i];
	return NULL;
}

static bool says(const struct verdict *v, const char *words)
{
	for (size_t i = 0; i < v->nevidence; i++)
		if (strstr(v->evidence[i], words))
			return true;
	for (size_t i = 0; i < v->nadvice; i++)
		if (strstr(v->advice[i].text, words))
			return true;
	return false;
}

static void grow_live(struct story *st, uint64_t bytes)
{
	st->now.ledger[LEDGER_HEAP_USED].resident += bytes;
	st->now.live_bytes += bytes;
}

static void test_live(void **state)
{
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	grow_live(&st, 50 * MIB);
	v = judge(&st, NULL);
	assert_int_equal(v.v[0].id, VERDICT_LIVE_GROWTH);
	assert_int_equal(v.v[0].confidence, CONFIDENCE_CERTAIN);
	assert_true(says(&v.v[0], "fallow trace 4242"));
	assert_false(says(&v.v[0], "while they were read"));
}

/* One look that is badly torn is left out; where all are torn, less is certain, or nothing. */
static void test_torn(void **state)
{
	uint64_t one[LOOKS] = { [5] = 40 * MIB }, all[LOOKS];
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	grow_live(&st, 50 * MIB);
	v = judge(&st, one);
	assert_int_equal(v.v[0].id, VERDICT_LIVE_GROWTH);
	assert_int_equal(v.v[0].confidence, CONFIDENCE_CERTAIN);
	for (size_t i = 0; i < LOOKS; i++)
		all[i] = (2 + i % 3) * MIB;
	begin(&st);
	grow_live(&st, 50 * MIB);
	v = judge(&st, all);
	assert_int_equal(v.v[0].id, VERDICT_LIVE_GROWTH);
	assert_int_not_equal(v.v[0].confidence, CONFIDENCE_CERTAIN);
	assert_true(says(&v.v[0], "8.0 MiB of what is live or free between two looks"));
	begin(&st);
	grow_live(&st, 50 * MIB);
	st.heap[1].torn = st.now.torn = 15 * MIB;
	v = judge(&st, NULL);
	assert_null(find(&v, VERDICT_LIVE_GROWTH));
}

/* What was on swap is live again: there is no more of it. */
static void test_swapped_in(void **state)
{
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	grow_live(&st, 50 * MIB);
	st.before.ledger[LEDGER_HEAP_USED].swapped = 60 * MIB;
	v = judge(&st, NULL);
	assert_null(find(&v, VERDICT_LIVE_GROWTH));
	assert_null(find(&v, VERDICT_UNDETERMINED));
}

/* What could not be decoded at first is not new. */
static void test_decoded_later(void **state)
{
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	grow_live(&st, 50 * MIB);
	st.before.ledger[LEDGER_HEAP_UNREAD].resident = 50 * MIB;
	v = judge(&st, NULL);
	assert_null(find(&v, VERDICT_LIVE_GROWTH));
}

static void test_shmem(void **state)
{
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	st.before.ledger[LEDGER_SHMEM].resident = 10 * MIB;
	st.now.ledger[LEDGER_SHMEM].resident = 43 * MIB;
	v = judge(&st, NULL);
	assert_int_equal(v.v[0].id, VERDICT_SHMEM_GROWTH);
	assert_true(says(&v.v[0],
			 "/memfd:ring (deleted) grows by 36.0 MiB/min, to 43.0 MiB"));
}

/* Several verdicts see the same memory: the first counts, and the others say so. */
static void test_pinned(void **state)
{
	const struct verdict *other;
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	st.before.pinned = 0;
	st.now.pinned = st.now.ledger[LEDGER_ANON_OTHER].resident = 200 * MIB;
	v = judge(&st, NULL);
	assert_int_equal(v.v[0].id, VERDICT_PINNED_GROWTH);
	assert_int_equal(v.v[0].same_as, VERDICT_IDS);
	other = find(&v, VERDICT_OFF_HEAP_GROWTH);
	assert_non_null(other);
	assert_int_equal(other->same_as, VERDICT_PINNED_GROWTH);
	assert_int_equal(other->nadvice, 0);
	other = find(&v, VERDICT_UNDETERMINED);
	assert_non_null(other);
	assert_int_equal(other->same_as, VERDICT_PINNED_GROWTH);
}

/* Growth that no rule explains is not healthy. */
static void test_unexplained(void **state)
{
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	st.now.ledger[LEDGER_HEAP_UNREAD].resident = 30 * MIB;
	v = judge(&st, NULL);
	assert_int_equal(v.v[0].id, VERDICT_UNDETERMINED);
	assert_int_equal(v.v[0].bytes, 30 * MIB);
	assert_true(says(&v.v[0], "heap.unread grew by 30.0 MiB"));
	begin(&st);
	st.now.ledger[LEDGER_STACK_LIVE].resident = 60 * MIB;
	v = judge(&st, NULL);
	assert_int_equal(v.v[0].id, VERDICT_STACK_DEPTH);
	assert_null(find(&v, VERDICT_UNDETERMINED));
	/* It is none of what another speaks of. */
	begin(&st);
	st.now.ledger[LEDGER_ANON_OTHER].resident = 50 * MIB;
	st.now.ledger[LEDGER_FILE_CLEAN].resident = 50 * MIB;
	v = judge(&st, NULL);
	assert_non_null(find(&v, VERDICT_OFF_HEAP_GROWTH));
	assert_non_null(find(&v, VERDICT_UNDETERMINED));
	assert_int_equal(find(&v, VERDICT_UNDETERMINED)->same_as, VERDICT_IDS);
}

static void test_healthy(void **state)
{
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	v = judge(&st, NULL);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.v[0].id, VERDICT_HEALTHY);
	assert_int_equal(v.v[0].confidence, CONFIDENCE_CERTAIN);
}

/* All that there is to say of growth is said. */
static void test_all_said(void **state)
{
	struct mapper m[] = { { "a", "", { 90 * MIB } },
			      { "b", "", { 60 * MIB } },
			      { "c", "", { 50 * MIB } } };
	struct mappers mappers = { .m = m, .n = 3, .traced_ns = 5 * SECOND };
	struct piece piece = { .start = 1 << 20, .end = 1 << 30, .bytes = 200 * MIB };
	uint64_t torn[LOOKS];
	struct verdicts v;
	struct story st;

	(void)state;
	for (size_t i = 0; i < LOOKS; i++)
		torn[i] = (2 + i % 3) * MIB;
	begin(&st);
	st.now.ledger[LEDGER_ANON_OTHER].resident = 200 * MIB;
	st.now.pieces = &piece;
	st.now.npieces = 1;
	st.now.mappers = &mappers;
	st.now.keepers = 1;
	v = judge(&st, torn);
	assert_int_equal(v.v[0].id, VERDICT_OFF_HEAP_GROWTH);
	assert_true(says(&v.v[0], "while they were read"));
	assert_true(says(&v.v[0], "1 mapping grew"));
	assert_true(says(&v.v[0], "50.0 MiB of that (25 %) by c"));
	assert_true(says(&v.v[0], "possible owners"));
	assert_true(says(&v.v[0], keepers[0].keeps));
}

/* A file may have more of a part than of the whole. */
static void test_forged_parts(void **state)
{
	struct heap_arena arena = { .kind = ARENA_PLAIN,
				    .returnable = 50 * MIB,
				    .held = 1,
				    .held_unit = UINT64_MAX / 2 };
	struct verdicts v;
	struct story st;

	(void)state;
	begin(&st);
	st.heap[1].ops = &heap_jemalloc;
	st.heap[1].arenas = &arena;
	st.heap[1].narenas = 1;
	st.now.ledger[LEDGER_HEAP_RETURNABLE].resident = 50 * MIB;
	v = judge(&st, NULL);
	for (size_t i = 0; i < v.n; i++)
		for (size_t k = 0; k < v.v[i].nadvice; k++)
			assert_true(v.v[i].advice[k].bytes == UNKNOWN ||
				    v.v[i].advice[k].bytes <= 51 * MIB);
	assert_non_null(find(&v, VERDICT_RETENTION));
}

/* Nothing is resident, nothing is known, and no time has passed. */
static void test_nothing(void **state)
{
	struct snapshot now = { .pinned = UNKNOWN,
				.lazyfree = UNKNOWN,
				.huge_zero = UNKNOWN,
				.process.exe = "" };
	struct verdicts v;

	(void)state;
	verdicts_judge(&v, &now, NULL);
	assert_int_equal(v.v[0].id, VERDICT_HEALTHY);
	verdicts_judge(&v, &now, &now);
	assert_int_equal(v.v[0].id, VERDICT_HEALTHY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live),	    cmocka_unit_test(test_torn),
		cmocka_unit_test(test_swapped_in),  cmocka_unit_test(test_decoded_later),
		cmocka_unit_test(test_shmem),	    cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_unexplained), cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_all_said),    cmocka_unit_test(test_forged_parts),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
