// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gperftools PATTERN THREADS SEED: heaps to look at under tcmalloc, preloaded or
 * linked in, in seeded patterns. Commands on stdin, one a line:
 *
 *   work      run the pattern in all threads; answers "held BYTES": the usable sizes of
 *             what is still held
 *   stats     answers "stats ALLOCATED HEAP FREE UNMAPPED CENTRAL TRANSFER THREAD" by
 *             tcmalloc's own statistics, in bytes
 *   settings  answers "settings MAX_TOTAL_THREAD_CACHE_BYTES AGGRESSIVE_DECOMMIT"
 *   release   MallocExtension_ReleaseFreeMemory(); answers "released"
 *   churn     go on allocating and freeing in all threads until quit
 *   quit
 *
 * Nothing but the pattern allocates: tables are mapped, output is unbuffered.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS	    (1u << 16)
#define THREADS_MAX 64
#define HUGE	    (16u << 20)

struct worker {
	pthread_t thread;
	uint64_t seed;
	void **slot; /* SLOTS of them */
};

int MallocExtension_GetNumericProperty(const char *name, size_t *value)
	__attribute__((weak));
void MallocExtension_ReleaseFreeMemory(void) __attribute__((weak));

static struct worker workers[THREADS_MAX];
static size_t nworkers;
static void (*pattern)(struct worker *w);
static atomic_int phase; /* 0 wait, 1 work, 2 churn */
static atomic_size_t finished;

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
	allocate(w, 200, 14, 19);
	free_random(w, 50);
}

static void huge(struct worker *w)
{
	allocate(w, 4, 20, 24);
	free_random(w, 50);
}

static void freed(struct worker *w)
{
	allocate(w, 20000, 4, 13);
	free_random(w, 100);
}

/* What stays in the thread's cache. */
static void cached(struct worker *w)
{
	for (size_t i = 0; i < 6000; i++)
		put(w, i, 16 + i % 2200 * 16);
	for (size_t i = 0; i < 6000; i += 7)
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

static void aligned(struct worker *w)
{
	for (size_t i = 0; i < 3000; i++) {
		size_t size = any_size(w, 4, 15);

		if (!posix_memalign(&w->slot[i], (size_t)32 << next_random(w) % 10, size))
			memset(w->slot[i], 0x5a, size);
	}
	free_random(w, 50);
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

static void *make_some(void *arg)
{
	allocate(arg, 3000, 4, 12);
	return NULL;
}

/* The cache of a thread that has ended is kept, unlinked, for one that begins. */
static void ended(struct worker *w)
{
	pthread_t other;

	if (pthread_create(&other, NULL, make_some, w))
		_exit(1);
	pthread_join(other, NULL);
	free_random(w, 50);
}

static const struct {
	const char *name;
	void (*run)(struct worker *w);
} patterns[] = {
	{ "small", small },   { "tiny", tiny },	      { "every-class", every_class },
	{ "large", large },   { "huge", huge },	      { "freed", freed },
	{ "cached", cached }, { "regrown", regrown }, { "aligned", aligned },
	{ "mixed", mixed },   { "ended", ended },
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

static size_t number(const char *name)
{
	size_t n = 0;

	return MallocExtension_GetNumericProperty(name, &n) ? n : 0;
}

static void report_stats(void)
{
	char text[256];

	snprintf(text, sizeof(text), "stats %zu %zu %zu %zu %zu %zu %zu\n",
		 number("generic.current_allocated_bytes"), number("generic.heap_size"),
		 number("tcmalloc.pageheap_free_bytes"),
		 number("tcmalloc.pageheap_unmapped_bytes"),
		 number("tcmalloc.central_cache_free_bytes"),
		 number("tcmalloc.transfer_cache_free_bytes"),
		 number("tcmalloc.thread_cache_free_bytes"));
	say(text);
}

static void report_setting(void)
{
	char text[64];

	snprintf(text, sizeof(text), "settings %zu %zu\n",
		 number("tcmalloc.max_total_thread_cache_bytes"),
		 number("tcmalloc.aggressive_memory_decommit"));
	say(text);
}

/*
 * Brings up the calling thread's cache. The compiler may not drop it.
 */
static void touch_heap(void)
{
	void *volatile p = malloc(1), *volatile q = malloc(HUGE);

	free(p);
	free(q);
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
	for (;; nanosleep(&ms, NULL))
		for (int i = 0; i < 500; i++)
			step(w, 16);
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
	while (nworkers == 1)
		step(&workers[0], 16);
}

static int command(const char *line)
{
	if (!strcmp(line, "work"))
		work();
	else if (!strcmp(line, "stats"))
		report_stats();
	else if (!strcmp(line, "settings"))
		report_setting();
	else if (!strcmp(line, "release"))
		MallocExtension_ReleaseFreeMemory(), say("released\n");
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

	if (argc != 4) {
		for (size_t i = 0; i < PATTERNS; i++)
			printf("%s\n", patterns[i].name);
		return argc == 1 ? 0 : 2;
	}
	for (size_t i = 0; i < PATTERNS; i++)
		if (!strcmp(argv[1], patterns[i].name))
			pattern = patterns[i].run;
	nworkers = strtoul(argv[2], NULL, 10);
	if (!pattern || !nworkers || nworkers > THREADS_MAX ||
	    !MallocExtension_GetNumericProperty)
		return 2;
	start_workers(strtoull(argv[3], NULL, 10));
	say("ready\n");
	while (read_line(line, sizeof(line)) && command(line))
		;
	_exit(0);
}
