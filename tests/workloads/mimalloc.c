// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mimalloc PATTERN THREADS SEED: heaps to look at under mimalloc, preloaded or
 * linked in, in seeded patterns. Commands on stdin, one a line:
 *
 *   work   run the pattern in all threads; answers "held BYTES": the usable sizes of
 *          what is still held
 *   visit  answers "visited LIVE CARVED": bytes of blocks that are in use by
 *          mi_heap_visit_blocks() in each thread, and of all blocks that pages were
 *          cut into so far
 *   purge  mi_collect(true) in the first thread; answers "purged"
 *   churn  go on allocating and freeing in all threads until quit
 *   quit
 *
 * Nothing but the pattern allocates: tables are mapped, output is unbuffered.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS	    (1u << 16)
#define THREADS_MAX 64

struct worker {
	pthread_t thread;
	uint64_t seed;
	void **slot; /* SLOTS of them */
};

/* mi_heap_area_t, as far as all versions have it. */
struct area {
	void *blocks;
	size_t reserved, committed, used, block_size, full_block_size;
};

typedef bool visit_fn(const void *heap, const struct area *area, void *block, size_t size,
		      void *arg);

static struct worker workers[THREADS_MAX];
static size_t nworkers;
static void (*pattern)(struct worker *w);
static void (*job)(struct worker *w);
static atomic_int round_number;
static atomic_size_t finished;
static atomic_size_t live, carved;

/* Of those, each version has some. */
void mi_collect(bool force) __attribute__((weak));
bool mi_heap_visit_blocks(const void *heap, bool blocks, visit_fn *fn, void *arg)
	__attribute__((weak));
bool mi_abandoned_visit_blocks(void *subproc, int tag, bool blocks, visit_fn *fn,
			       void *arg) __attribute__((weak));
void *mi_heap_get_default(void) __attribute__((weak)); /* of the calling thread */
void *mi_heap_main(void) __attribute__((weak)); /* since 3.2: of all threads */
void *mi_subproc_main(void) __attribute__((weak));

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static uint64_t next_random(struct worker *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

/* Each power of two is as likely as any other. */
static size_t any_size(struct worker *w, unsigned int low_bit, unsigned int high_bit)
{
	size_t top = (size_t)1 << (low_bit + next_random(w) % (high_bit - low_bit));

	return top + next_random(w) % top;
}

/* Memory that is never written is not resident: touch all of it. */
static void put(struct worker *w, size_t i, size_t size)
{
	w->slot[i] = malloc(size);
	if (w->slot[i])
		memset(w->slot[i], 0x5a, size);
}

static void drop(struct worker *w, size_t i)
{
	free(w->slot[i]);
	w->slot[i] = NULL;
}

static void allocate(struct worker *w, size_t n, unsigned int low_bit,
		     unsigned int high_bit)
{
	for (size_t i = 0; i < n; i++)
		put(w, i, any_size(w, low_bit, high_bit));
}

static void free_random(struct worker *w, unsigned int percent)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (w->slot[i] && next_random(w) % 100 < percent)
			drop(w, i);
}

static void small(struct worker *w)
{
	allocate(w, 20000, 3, 12);
	free_random(w, 60);
}

static void tiny(struct worker *w)
{
	allocate(w, 60000, 2, 6);
	free_random(w, 80);
}

static void every_class(struct worker *w)
{
	for (size_t i = 0; i < 9000; i++)
		put(w, i, 1 + i * 4);
	free_random(w, 40);
}

static void large(struct worker *w)
{
	allocate(w, 200, 14, 20);
	free_random(w, 50);
}

/* Some are above what comes from pages that others share. */
static void huge(struct worker *w)
{
	allocate(w, 6, 20, 26);
	free_random(w, 50);
}

static void freed(struct worker *w)
{
	allocate(w, 20000, 4, 13);
	free_random(w, 100);
}

/* All but the oldest: what is not in use is whole. */
static void shrunk(struct worker *w)
{
	allocate(w, 20000, 4, 13);
	for (size_t i = 2000; i < SLOTS; i++)
		drop(w, i);
}

static void regrown(struct worker *w)
{
	allocate(w, 3000, 4, 13);
	for (size_t n = 0; n < 12000; n++) {
		size_t i = next_random(w) % 3000, size = any_size(w, 4, 16);
		void *grown = realloc(w->slot[i], size);

		if (grown)
			w->slot[i] = memset(grown, 0x5a, size);
	}
	free_random(w, 30);
}

static void *make_some(void *arg)
{
	small(arg);
	return NULL;
}

/* What a thread held that has ended is freed by another. */
static void ended(struct worker *w)
{
	pthread_t other;

	if (pthread_create(&other, NULL, make_some, w))
		_exit(1);
	pthread_join(other, NULL);
	free_random(w, 50);
}

static void *free_some(void *arg)
{
	free_random(arg, 70);
	return NULL;
}

/* What one thread holds is freed by another. */
static void passed(struct worker *w)
{
	pthread_t other;

	allocate(w, 30000, 3, 14);
	if (pthread_create(&other, NULL, free_some, w))
		_exit(1);
	pthread_join(other, NULL);
}

static void step(struct worker *w, unsigned int high_bit)
{
	size_t i = next_random(w) % 4096;

	if (w->slot[i])
		drop(w, i);
	else
		put(w, i, any_size(w, 3, high_bit));
}

static void mixed(struct worker *w)
{
	for (size_t n = 0; n < 60000; n++)
		step(w, 16);
}

static void churn(struct worker *w)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (;; nanosleep(&ms, NULL))
		for (int i = 0; i < 500; i++)
			step(w, 16);
}

static const struct {
	const char *name;
	void (*run)(struct worker *w);
} patterns[] = {
	{ "small", small },   { "tiny", tiny },	      { "every-class", every_class },
	{ "large", large },   { "huge", huge },	      { "freed", freed },
	{ "shrunk", shrunk }, { "regrown", regrown }, { "ended", ended },
	{ "passed", passed }, { "mixed", mixed },
};

#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static void report_held(void)
{
	char text[64];
	size_t sum = 0;

	for (size_t k = 0; k < nworkers; k++)
		for (size_t i = 0; i < SLOTS; i++)
			if (workers[k].slot[i])
				sum += malloc_usable_size(workers[k].slot[i]);
	snprintf(text, sizeof(text), "held %zu\n", sum);
	say(text);
}

static bool count(const void *heap, const struct area *area, void *block, size_t size,
		  void *arg)
{
	(void)heap;
	(void)size;
	(void)arg;
	if (block)
		live += area->full_block_size;
	else
		carved += area->committed;
	return true;
}

static void visit_own(struct worker *w)
{
	(void)w;
	if (!mi_heap_main)
		mi_heap_visit_blocks(mi_heap_get_default(), true, count, NULL);
}

/*
 * Brings up the calling thread's heap. The compiler may not drop it.
 */
static void touch_heap(struct worker *w)
{
	void *volatile p = malloc(1);

	(void)w;
	free(p);
}

static void *run_worker(void *arg)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int seen = 0;; seen++) {
		while (round_number == seen)
			nanosleep(&ms, NULL);
		job(arg);
		finished++;
	}
	return NULL;
}

/* Does @todo in all threads that work. */
static void everywhere(void (*todo)(struct worker *w))
{
	if (nworkers == 1) {
		todo(&workers[0]);
		return;
	}
	job = todo;
	finished = 0;
	round_number++;
	while (finished < nworkers)
		usleep(1000);
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
		if (nworkers > 1)
			pthread_create(&w->thread, NULL, run_worker, w);
	}
	everywhere(touch_heap);
	touch_heap(NULL);
}

static void report_visit(void)
{
	char text[64];

	live = carved = 0;
	everywhere(visit_own);
	if (nworkers > 1)
		visit_own(NULL);
	if (mi_heap_main)
		mi_heap_visit_blocks(mi_heap_main(), true, count, NULL);
	else if (mi_abandoned_visit_blocks)
		mi_abandoned_visit_blocks(mi_subproc_main(), -1, true, count, NULL);
	snprintf(text, sizeof(text), "visited %zu %zu\n", live, carved);
	say(text);
}

static int command(const char *line)
{
	if (!strcmp(line, "work"))
		everywhere(pattern), report_held();
	else if (!strcmp(line, "visit"))
		report_visit();
	else if (!strcmp(line, "purge"))
		mi_collect(true), say("purged\n");
	else if (!strcmp(line, "churn"))
		say("churning\n"), everywhere(churn);
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

	if (argc != 4) {
		for (size_t i = 0; i < PATTERNS; i++)
			printf("%s\n", patterns[i].name);
		return argc == 1 ? 0 : 2;
	}
	for (size_t i = 0; i < PATTERNS; i++)
		if (!strcmp(argv[1], patterns[i].name))
			pattern = patterns[i].run;
	nworkers = strtoul(argv[2], NULL, 10);
	if (!pattern || !nworkers || nworkers > THREADS_MAX || !mi_collect ||
	    !mi_heap_visit_blocks || !(mi_heap_get_default || mi_heap_main))
		return 2;
	start_workers(strtoull(argv[3], NULL, 10));
	say("ready\n");
	while (read_line(line, sizeof(line)) && command(line))
		;
	_exit(0);
}
