// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * heap PATTERN THREADS SEED [SCALE]: heaps to look at, by seeded patterns of malloc
 * and free in one or several threads, so many times smaller. Commands on stdin, one
 * a line:
 *
 *   work   run the pattern; answers "held BYTES": the chunks still held, by
 *          their own heads
 *   info   answers "info FORDBLKS UORDBLKS HBLKHD" from mallinfo2(3)
 *   trim   malloc_trim(0); answers "trimmed"
 *   churn  go on allocating and freeing in all threads until quit
 *   quit
 *
 * Nothing but the pattern allocates: tables are mapped, output is unbuffered.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS		(1u << 17)
#define THREADS_MAX	64

struct worker {
	pthread_t thread;
	uint64_t seed;
	void **slot;		/* SLOTS of them */
	size_t used;		/* slots that were ever filled */
};

static struct worker workers[THREADS_MAX];
static size_t nworkers;
static void (*pattern)(struct worker *w);
static size_t scale = 1;
static atomic_int phase;	/* 0 wait, 1 work, 2 churn, 3 quit */
static atomic_size_t finished;

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t next_random(struct worker *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

static size_t between(struct worker *w, size_t low, size_t high)
{
	return low + next_random(w) % (high - low + 1);
}

/* Small sizes are as likely as large ones: each power of two is. */
static size_t any_size(struct worker *w, unsigned int low_bit, unsigned int high_bit)
{
	size_t top = (size_t)1 << between(w, low_bit, high_bit - 1);

	return between(w, top, 2 * top);
}

/* Memory that is never written is not resident: touch all of it. */
static void *fill(void *p, size_t size)
{
	return p ? memset(p, 0x5a, size) : p;
}

static void put(struct worker *w, size_t i, size_t size)
{
	w->slot[i] = fill(malloc(size), size);
	if (i >= w->used)
		w->used = i + 1;
}

static void drop(struct worker *w, size_t i)
{
	free(w->slot[i]);
	w->slot[i] = NULL;
}

static size_t scaled(size_t n)
{
	return n / scale;
}

static void allocate(struct worker *w, size_t n, unsigned int low_bit, unsigned int high_bit)
{
	for (size_t i = 0; i < scaled(n); i++)
		put(w, i, any_size(w, low_bit, high_bit));
}

static void free_random(struct worker *w, unsigned int percent)
{
	for (size_t i = 0; i < w->used; i++)
		if (next_random(w) % 100 < percent)
			drop(w, i);
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

static void all_freed(struct worker *w)
{
	allocate(w, 20000, 5, 12);
	for (size_t i = 0; i < w->used; i++)
		drop(w, i);
}

static void mmapped(struct worker *w)
{
	allocate(w, 60, 17, 20);
	free_random(w, 40);
}

/* One block whose mapping the kernel merges with others that are not malloc's. */
static void mmapped_merged(struct worker *w)
{
	for (int i = 0; i < 3; i++) {
		char *p;

		if (i == 1)
			put(w, 0, 500000);
		p = mmap(NULL, 200000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
		if (p != MAP_FAILED)
			memset(p, 0x5a, 200000);
	}
}

/* Free chunks in each kind of bin, and of the sizes next to where kinds meet. */
static void every_bin(struct worker *w)
{
	static const size_t sizes[] = { 1000,  1024,  3072,   3110,   10240,	10700,
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

static void realloc_heavy(struct worker *w)
{
	allocate(w, 4000, 4, 13);
	for (size_t n = 0; n < scaled(20000); n++) {
		size_t i = next_random(w) % w->used, size = any_size(w, 4, 14);
		void *grown = realloc(w->slot[i], size);

		w->slot[i] = fill(grown, size);
	}
	free_random(w, 30);
}

static void calloc_heavy(struct worker *w)
{
	for (size_t i = 0; i < scaled(8000); i++) {
		size_t size = any_size(w, 4, 14);

		w->slot[i] = fill(calloc(1, size), size);
		w->used = i + 1;
	}
	free_random(w, 50);
}

static void aligned(struct worker *w)
{
	for (size_t i = 0; i < scaled(4000); i++) {
		size_t size = any_size(w, 4, 14);

		w->slot[i] = NULL;
		if (!posix_memalign(&w->slot[i], (size_t)32 << next_random(w) % 8, size))
			fill(w->slot[i], size);
		w->used = i + 1;
	}
	free_random(w, 50);
}

/* Aligned beyond a page, and large enough for mappings of their own. */
static void aligned_mmapped(struct worker *w)
{
	for (size_t i = 0; i < scaled(24); i++) {
		size_t size = any_size(w, 18, 20);

		w->slot[i] = NULL;
		if (!posix_memalign(&w->slot[i], page_size() << next_random(w) % 9, size))
			fill(w->slot[i], size);
		w->used = i + 1;
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

static void step(struct worker *w, unsigned int high_bit)
{
	size_t i = next_random(w) % 4096;

	if (w->slot[i])
		drop(w, i);
	else
		put(w, i, any_size(w, 4, high_bit));
}

static void mixed(struct worker *w)
{
	for (size_t n = 0; n < scaled(100000); n++)
		step(w, 14);
}

static const struct {
	const char *name;
	void (*run)(struct worker *w);
} patterns[] = {
	{ "random-free", random_free },
	{ "every-second", every_second },
	{ "all-but-last", all_but_last },
	{ "all-freed", all_freed },
	{ "mmapped", mmapped },
	{ "mmapped-merged", mmapped_merged },
	{ "mmapped-split", mmapped_split },
	{ "every-bin", every_bin },
	{ "no-brk", no_brk },
	{ "foreign-sbrk", foreign_sbrk },
	{ "tcache-heavy", tcache_heavy },
	{ "fastbin-heavy", fastbin_heavy },
	{ "realloc-heavy", realloc_heavy },
	{ "calloc-heavy", calloc_heavy },
	{ "aligned", aligned },
	{ "aligned-mmapped", aligned_mmapped },
	{ "large-pieces", large_pieces },
	{ "many-heaps", many_heaps },
	{ "batches", batches },
	{ "mixed", mixed },
};

/*
 * What a block takes from the allocator, from the head before it: a mapped one
 * takes whole pages from its mapping's start on.
 */
static size_t chunk_bytes(const void *p)
{
	const size_t *head = (const size_t *)p - 2;
	size_t size = head[1] & ~(size_t)7;

	if (!(head[1] & 2))
		return size;
	return ((head[0] & ~(size_t)1) + size + page_size() - 1) & ~(page_size() - 1);
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static void report_held(void)
{
	char text[64];
	size_t sum = 0;

	for (size_t k = 0; k < nworkers; k++)
		for (size_t i = 0; i < workers[k].used; i++)
			if (workers[k].slot[i])
				sum += chunk_bytes(workers[k].slot[i]);
	snprintf(text, sizeof(text), "held %zu\n", sum);
	say(text);
}

/* struct mallinfo2 has the fields of mallinfo as size_t; 2.31 has int alone. */
typedef struct {
	size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
		keepcost;
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

/* Brings up the calling thread's arena and cache. The compiler may not drop it. */
static void touch_heap(void)
{
	void *volatile p = malloc(1);

	free(p);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	const struct timespec ms = { .tv_nsec = 1000000 };

	touch_heap();
	finished++;
	while (phase == 0)
		nanosleep(&ms, NULL);
	if (phase == 1)
		pattern(w);
	finished++;
	while (phase < 2)
		nanosleep(&ms, NULL);
	while (phase == 2)
		for (int i = 0; i < 1000; i++)
			step(w, 14);
	return NULL;
}

static void start_workers(uint64_t seed)
{
	for (size_t k = 0; k < nworkers; k++) {
		struct worker *w = &workers[k];

		w->seed = (seed + k) * 0x9e3779b97f4a7c15u + 1;
		w->slot = mmap(NULL, SLOTS * sizeof(void *), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (w->slot == MAP_FAILED)
			_exit(1);
		/* One worker is the main thread, whose arena is the main one. */
		if (nworkers > 1)
			pthread_create(&w->thread, NULL, run_worker, w);
	}
	while (nworkers > 1 && finished < nworkers)
		usleep(1000);
	touch_heap();
}

static void work(void)
{
	if (nworkers == 1) {
		pattern(&workers[0]);
	} else {
		finished = 0;
		phase = 1;
		while (finished < nworkers)
			usleep(1000);
	}
	report_held();
}

static void churn(void)
{
	say("churning\n");
	phase = 2;
	for (int i = 0; nworkers == 1; i++)
		step(&workers[0], 14);
}

static int command(const char *line)
{
	if (!strcmp(line, "work"))
		work();
	else if (!strcmp(line, "info"))
		report_info();
	else if (!strcmp(line, "trim"))
		malloc_trim(0), say("trimmed\n");
	else if (!strcmp(line, "churn"))
		churn();
	else
		return 0;
	return 1;
}

static int read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(STDIN_FILENO, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = '\0';
			return 1;
		}
		n++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char line[32];

	if (argc != 4 && argc != 5) {
		for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
			printf("%s\n", patterns[i].name);
		return argc == 1 ? 0 : 2;
	}
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (!strcmp(argv[1], patterns[i].name))
			pattern = patterns[i].run;
	nworkers = strtoul(argv[2], NULL, 10);
	if (argc == 5)
		scale = strtoul(argv[4], NULL, 10);
	if (!pattern || !scale || !nworkers || nworkers > THREADS_MAX)
		return 2;
	get_info2 = (info2(*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
	start_workers(strtoull(argv[3], NULL, 10));
	say("ready\n");
	while (read_line(line, sizeof(line)) && command(line))
		;
	_exit(0);
}
