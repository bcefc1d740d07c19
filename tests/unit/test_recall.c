// SPDX-License-Identifier: GPL-2.0-or-later
/* What is remembered from look to look, and when it is not believed any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "heap/recall.h"

#define MIB 1048576ull

/* A program, its data, a library, and a heap. */
static struct vma mapped[4];
static struct vma_list list = { .v = mapped, .n = 4 };
static const int who, other;

static int begin(void **state)
{
	(void)state;
	memset(mapped, 0, sizeof(mapped));
	for (uint64_t i = 0; i < 4; i++) {
		mapped[i].start = (i + 1) << 20;
		mapped[i].end = mapped[i].start + 65536;
		mapped[i].flags = VMA_READ | (i % 2 ? VMA_WRITE : VMA_EXEC);
		mapped[i].inode = i < 3 ? 7 + i : 0;
	}
	return 0;
}

/* One that was told of after a look that searched all. */
static struct recall *told(void)
{
	struct recall *r = recall_new();

	assert_non_null(r);
	recall_begin(r, &list);
	assert_false(recall_known(r));
	recall_note(r, &who, mapped[1].start, 4096);
	recall_note(r, &who, mapped[1].start + 4096, 8192);
	recall_note(r, &who, 0, 0);
	recall_note_plain(r, &mapped[0]);
	recall_note_plain(r, &mapped[2]);
	recall_note_decoder(r, 3);
	recall_note_version(r, 42, "2.36");
	recall_note_keepers(r, 5);
	assert_false(recall_missed(r, 5 * MIB));
	return r;
}

static void assert_forgot(struct recall *r)
{
	uint32_t keepers;

	recall_begin(r, &list);
	assert_false(recall_known(r));
	assert_false(recall_searched(r, &who));
	assert_null(recall_place(r, &who, NULL));
	assert_false(recall_plain(r, &mapped[0]));
	assert_false(recall_keepers(r, &keepers));
	assert_string_equal(recall_version(r, 42), "");
	recall_free(r);
}

static void test_is_told(void **state)
{
	struct recall *r = told();
	const struct recalled *p;
	uint32_t keepers;

	(void)state;
	recall_begin(r, &list);
	assert_true(recall_known(r));
	p = recall_place(r, &who, NULL);
	assert_true(p && p->at == mapped[1].start && p->len == 4096);
	p = recall_place(r, &who, p);
	assert_true(p && p->at == mapped[1].start + 4096 && p->len == 8192);
	assert_null(recall_place(r, &who, p));
	assert_null(recall_place(r, &other, NULL));
	assert_true(recall_searched(r, &who));
	assert_false(recall_searched(r, &other));
	assert_true(recall_plain(r, &mapped[0]) && recall_plain(r, &mapped[2]));
	assert_false(recall_plain(r, &mapped[1]));
	assert_true(recall_had_decoder(r, 3) && !recall_had_decoder(r, 2));
	assert_true(recall_keepers(r, &keepers) && keepers == 5);
	assert_string_equal(recall_version(r, 42), "2.36");
	assert_string_equal(recall_version(r, 43), "");
	recall_free(r);
}

static void test_mappings_change(void **state)
{
	struct recall *r;

	/* A heap may. */
	r = told();
	mapped[3].end += 65536;
	recall_begin(r, &list);
	assert_true(recall_known(r));
	recall_free(r);
	/* A library goes away. */
	r = told();
	list.n = 2;
	assert_forgot(r);
	list.n = 4;
	/* Another program is where this one was. */
	r = told();
	mapped[0].inode++;
	assert_forgot(r);
	begin(state);
	/* All is somewhere else. */
	r = told();
	for (int i = 0; i < 4; i++) {
		mapped[i].start += 4096;
		mapped[i].end += 4096;
	}
	assert_forgot(r);
	/* A file that is no program, and comes and goes. */
	begin(state);
	r = told();
	mapped[3].inode = 99;
	mapped[3].flags = VMA_READ;
	recall_begin(r, &list);
	assert_true(recall_known(r));
	recall_free(r);
}

static void test_growth(void **state)
{
	struct recall *r = told();

	(void)state;
	recall_begin(r, &list);
	assert_false(recall_missed(r, 6 * MIB));
	recall_begin(r, &list);
	assert_true(recall_known(r));
	assert_true(recall_missed(r, 7 * MIB));
	recall_begin(r, &list);
	assert_false(recall_known(r));
	assert_false(recall_missed(r, 7 * MIB));
	recall_begin(r, &list);
	assert_true(recall_known(r));
	assert_false(recall_missed(r, 0));
	recall_free(r);
}

static void test_not_for_ever(void **state)
{
	struct recall *r = told();
	int known = 0;

	(void)state;
	for (recall_begin(r, &list); recall_known(r); recall_begin(r, &list)) {
		assert_false(recall_missed(r, 5 * MIB));
		assert_true(++known < 1000);
	}
	assert_true(known > 1);
	recall_free(r);
}

static void test_doubt(void **state)
{
	struct recall *r = told();

	(void)state;
	recall_begin(r, &list);
	recall_doubt(r);
	recall_missed(r, 5 * MIB);
	assert_forgot(r);
}

/* What failed before it had searched all says nothing of what is not there. */
static void test_not_ended(void **state)
{
	struct recall *r = recall_new();

	(void)state;
	recall_begin(r, &list);
	recall_note(r, &who, 0, 0);
	assert_forgot(r);
}

static void test_without(void **state)
{
	(void)state;
	recall_begin(NULL, &list);
	recall_note(NULL, &who, 1, 1);
	recall_note_plain(NULL, &mapped[0]);
	assert_false(recall_known(NULL) || recall_searched(NULL, &who) ||
		     recall_plain(NULL, &mapped[0]) || recall_missed(NULL, MIB));
	recall_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_is_told, begin),
		cmocka_unit_test_setup(test_mappings_change, begin),
		cmocka_unit_test_setup(test_growth, begin),
		cmocka_unit_test_setup(test_not_for_ever, begin),
		cmocka_unit_test_setup(test_doubt, begin),
		cmocka_unit_test_setup(test_not_ended, begin),
		cmocka_unit_test_setup(test_without, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
