// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * heap PATTERN THREADS SEED [SCALE]: heaps to look at under glibc. "held" is that of the
 * chunks, by their own heads. Commands besides those of heaps.h:
 *
 *   info   answers "info FORDBLKS UORDBLKS HBLKHD" from mallinfo2(3)
 *   trim   malloc_trim(0); answers "trimmed"
 */
#include <dlfcn.h>

#include "heaps.h"

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t between(struct worker *w, size_t low, size_t high)
{
	return low + next_random(w) % (high - low + 1);
}

static void random_free(struct worker *w)
{
	allocate(w, 20000, 4, 12);
	free_random(w, 60);
}

static void every_second(struct worker *w)
{
	allocate(w, 20000, 5, 12);
	for (size_t i = 0; i < w->used; i += 2)
		drop(w, i);
}

static void all_but_last(struct worker *w)
{
	allocate(w, 20000, 5, 12);
	for (size_t i = 0; i + 1 < w->used; i++)
		drop(w, i);
}

static void mmapped(struct worker *w)
{
	allocate(w, 60, 17, 20);
	free_random(w, 40);
}

/* Blocks with mappings of their own that are moved, made smaller and larger. */
static void mremapped(struct worker *w)
{
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	allocate(w, 60, 18, 20);
	for (size_t n = 0; n < scaled(200); n++) {
		size_t i = next_random(w) % w->used, size = any_size(w, 18, 21);

		keep(w, i, realloc(w->slot[i], size), size);
	}
	free_random(w, 40);
}

/* One block whose mapping the kernel merges with others that are not malloc's. */
static void mmapped_merged(struct worker *w)
{
	for (int i = 0; i < 3; i++) {
		char *p;

		if (i == 1)
			put(w, 0, 500000);
		p = mmap(NULL, 200000, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED)
			memset(p, 0x5a, 200000);
	}
}

/* Free chunks in each kind of bin, and of the sizes next to where kinds meet. */
static void every_bin(struct worker *w)
{
	static const size_t sizes[] = { 1000,  1024,  3072,   3110,   10240,  10700,
					36864, 40900, 131072, 160000, 786432, 1500000 };
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);

	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	for (size_t i = 0; i < n; i++) {
		put(w, 2 * i, sizes[i]);
		put(w, 2 * i + 1, 2000);
	}
	for (size_t i = 0; i < n; i++)
		drop(w, 2 * i);
	/* More than any has: what was just freed is sorted. */
	put(w, 2 * n, 4 << 20);
}

/* madvise() for the inside of a block splits its mapping, as numpy has it. */
static void mmapped_split(struct worker *w)
{
	for (size_t i = 0; i < 4; i++) {
		uintptr_t from, to;

		put(w, i, 4u << 20);
		from = ((uintptr_t)w->slot[i] + page_size()) & ~(page_size() - 1);
		to = ((uintptr_t)w->slot[i] + (i % 2 ? 3u << 20 : 4u << 20)) &
		     ~(page_size() - 1);
		madvise((void *)from, to - from, MADV_DONTDUMP);
	}
}

/* Something in the way of brk: the main arena goes on in mappings. */
static void no_brk(struct worker *w)
{
	uintptr_t end = ((uintptr_t)sbrk(0) + page_size() - 1) & ~(page_size() - 1);

	mmap((void *)end, page_size(), PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	allocate(w, 6000, 5, 13);
	free_random(w, 50);
}

/* Somebody else calls sbrk in between: the brk heap is in two pieces. */
static void foreign_sbrk(struct worker *w)
{
	char *p;

	allocate(w, 3000, 5, 12);
	p = sbrk(20000);
	if (p != (char *)-1)
		memset(p, 0x5a, 20000);
	for (size_t i = scaled(3000); i < scaled(9000); i++)
		put(w, i, any_size(w, 5, 12));
	free_random(w, 50);
}

static void tcache_heavy(struct worker *w)
{
	for (size_t i = 0; i < scaled(40000); i++)
		put(w, i, 24 + i % 64 * 16);
	/* Up to seven of each size stay in the thread's cache. */
	for (size_t i = 0; i < scaled(64 * 6); i++)
		drop(w, i * 7);
}

static void fastbin_heavy(struct worker *w)
{
	allocate(w, 100000, 4, 6);
	free_random(w, 80);
}

static void calloc_heavy(struct worker *w)
{
	for (size_t i = 0; i < scaled(8000); i++) {
		size_t size = any_size(w, 4, 14);

		keep(w, i, calloc(1, size), size);
	}
	free_random(w, 50);
}

/* Aligned beyond a page, and large enough for mappings of their own. */
static void aligned_mmapped(struct worker *w)
{
	for (size_t i = 0; i < scaled(24); i++) {
		size_t size = any_size(w, 18, 20);
		void *p = NULL;

		if (!posix_memalign(&p, page_size() << next_random(w) % 9, size))
			keep(w, i, p, size);
	}
	free_random(w, 30);
}

static void large_pieces(struct worker *w)
{
	allocate(w, 800, 12, 16);
	free_random(w, 60);
}

/* More than a thread arena's first heap holds: 64 MiB. */
static void many_heaps(struct worker *w)
{
	allocate(w, 6000, 12, 15);
	free_random(w, 70);
}

/* Batches of varying size, of each of which a little stays. */
static void batches(struct worker *w)
{
	size_t kept = 0;

	for (int batch = 0; batch < 40; batch++) {
		size_t from = SLOTS / 2, n = scaled(between(w, 100, 600));

		for (size_t i = 0; i < n; i++)
			put(w, from + i, any_size(w, 8, 15));
		for (size_t i = 0; i < n; i++)
			drop(w, from + i);
		put(w, kept++, any_size(w, 5, 9));
	}
}

/*
 * What a block takes from the allocator, from the head before it: a mapped one
 * takes whole pages from its mapping's start on.
 */
static size_t chunk_bytes(void *p)
{
	const size_t *head = (const size_t *)p - 2;
	size_t size = head[1] & ~(size_t)7;

	if (!(head[1] & 2))
		return size;
	return ((head[0] & ~(size_t)1) + size + page_size() - 1) & ~(page_size() - 1);
}

/* struct mallinfo2 has the fields of mallinfo as size_t; 2.31 has int alone. */
typedef struct {
	size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks,
		fordblks, keepcost;
} info2;

/* Looked up at the start, for a failing dlsym() allocates. */
static info2 (*get_info2)(void);

static void report_info(void)
{
	char text[128];

	if (get_info2) {
		info2 m = get_info2();

		snprintf(text, sizeof(text), "info %zu %zu %zu\n", m.fordblks, m.uordblks,
			 m.hblkhd);
	} else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
		struct mallinfo m = mallinfo();
#pragma GCC diagnostic pop
		snprintf(text, sizeof(text), "info %d %d %d\n", m.fordblks, m.uordblks,
			 m.hblkhd);
	}
	say(text);
}

static void trim(void)
{
	malloc_trim(0);
	say("trimmed\n");
}

static const struct pattern patterns[] = {
	{ "random-free", random_free },
	{ "every-second", every_second },
	{ "all-but-last", all_but_last },
	{ "all-freed", freed },
	{ "mmapped", mmapped },
	{ "mremapped", mremapped },
	{ "mmapped-merged", mmapped_merged },
	{ "mmapped-split", mmapped_split },
	{ "every-bin", every_bin },
	{ "no-brk", no_brk },
	{ "foreign-sbrk", foreign_sbrk },
	{ "tcache-heavy", tcache_heavy },
	{ "fastbin-heavy", fastbin_heavy },
	{ "realloc-heavy", regrown },
	{ "calloc-heavy", calloc_heavy },
	{ "aligned", aligned },
	{ "aligned-mmapped", aligned_mmapped },
	{ "large-pieces", large_pieces },
	{ "many-heaps", many_heaps },
	{ "batches", batches },
	{ "mixed", mixed },
	{},
};

static const struct command commands[] = {
	{ "info", report_info },
	{ "trim", trim },
	{},
};

int main(int argc, char **argv)
{
	static const struct program program = { .patterns = patterns,
						.commands = commands,
						.held = chunk_bytes,
						.touch = 1,
						.low_bit = 4,
						.high_bit = 14 };

	get_info2 = (info2(*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
	return heaps_main(argc, argv, &program);
}
