// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mappings that their process has named, which not every kernel lets it do: a list of
 * mappings of this very process is given names here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "heap/known.h"

#define LEN 0x10000

struct told {
	struct extent_sink sink;
	struct extent x[8];
	size_t n;
};

static int take(struct extent_sink *sink, const struct extent *x)
{
	struct told *t = (struct told *)sink;

	assert_true(t->n < 8);
	assert_int_equal(x->kind, EXTENT_UNREAD);
	t->x[t->n++] = *x;
	return 0;
}

static struct target target;
static uint64_t memory;

static int open_self(void **state)
{
	struct error e;

	(void)state;
	memory = (uint64_t)mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return target_open(&target, getpid(), false, &e);
}

static int close_self(void **state)
{
	(void)state;
	target_close(&target);
	return munmap((void *)memory, LEN);
}

/* What is found if the memory, and as much behind it, is called so. */
static size_t find(char *name, char *next, struct heap **heaps, struct told *told)
{
	struct vma vma[2] = { { .start = memory,
				.end = memory + LEN,
				.flags = VMA_READ | VMA_WRITE,
				.name = name,
				.st.rss = LEN },
			      { .start = memory + LEN,
				.end = memory + 2 * LEN,
				.flags = VMA_READ | VMA_WRITE,
				.name = next,
				.st.rss = LEN } };
	struct vma_list l = { .v = vma, .n = 2 };
	struct heap_source src = { .target = &target, .vmas = &l };
	struct error e;
	size_t n = 0;

	*told = (struct told){ .sink.extent = take };
	assert_int_equal(known_detect(&src, heaps, &n, &e), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(heaps[i]->status, HEAP_UNSUPPORTED);
		assert_true(heaps[i]->reason[0] != '\0');
		if (heaps[i]->narenas)
			assert_int_equal(
				heaps[i]->ops->walk(heaps[i], &src, &told->sink, &e), 0);
	}
	return n;
}

static void expect(char *name, const char *owner)
{
	struct heap *heaps[32];
	struct told told;
	size_t n = find(name, "", heaps, &told);

	assert_int_equal(n, owner ? 1 : 0);
	if (!owner)
		return;
	assert_string_equal(heaps[0]->ops->name, owner);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.x[0].start, memory);
	assert_int_equal(told.x[0].end, memory + LEN);
	heaps[0]->ops->free(heaps[0]);
}

static void test_names(void **state)
{
	(void)state;
	expect("[anon:tcmalloc_region_NORMAL]", "google-tcmalloc");
	expect("[anon:tcmalloc_region_COLD_page_8192_lfr_240]", "google-tcmalloc");
	expect("[anon: Go: heap]", "go");
	expect("[anon: Go: page alloc]", "go");
	expect("[anon:malloc slab region gap]", "hardened_malloc");
	expect("[anon:malloc 131072]", "hardened_malloc");
	expect("[anon:scudo:primary]", "scudo");
}

static void test_other_names(void **state)
{
	(void)state;
	expect("", NULL);
	expect("[heap]", NULL);
	expect("[anon:]", NULL);
	expect("[anon:Go: heap]", NULL);
	expect("[anon: glibc: malloc arena]", NULL);
	expect("[anon:\033[2Jtcmalloc_region_]", NULL);
	expect("/tmp/[anon: Go: heap]", NULL);
	expect("tcmalloc_region_NORMAL", NULL);
}

static void test_several(void **state)
{
	struct heap *heaps[32];
	struct told told;

	(void)state;
	/* Neighbours of one owner are one extent, of two owners two. */
	assert_int_equal(find("[anon: Go: heap]", "[anon: Go: heap]", heaps, &told), 1);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.x[0].end - told.x[0].start, 2 * LEN);
	heaps[0]->ops->free(heaps[0]);
	assert_int_equal(find("[anon: Go: heap]", "[anon:scudo:secondary]", heaps, &told),
			 2);
	assert_int_equal(told.n, 2);
	heaps[0]->ops->free(heaps[0]);
	heaps[1]->ops->free(heaps[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_names),
		cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, open_self, close_self);
}
