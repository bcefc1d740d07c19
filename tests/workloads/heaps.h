/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs have in common that make heaps to look at: NAME PATTERN THREADS SEED [SCALE],
 * where patterns are seeded malloc and free in one or several threads, so many times smaller.
 * Without arguments they list their patterns. Commands on stdin, one a line; all have
 *
 *   work   run the pattern in all threads; answers "held BYTES" of what is still held
 *   churn  go on allocating and freeing in all threads until quit
 *   quit
 *
 * Nothing but the pattern allocates: tables are mapped, output is unbuffered.
 */
#ifndef HEAPS_H
#define HEAPS_H

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS	    (1u << 17)
#define THREADS_MAX 64

struct worker {
	pthread_t thread;
	uint64_t seed;
	void **slot; /* SLOTS of them */
	size_t used; /* slots that were ever filled */
};

struct pattern {
	const char *name;
	void (*run)(struct worker *w);
};

struct command {
	const char *name;
	void (*run)(void);
};

/* What one of those programs has of its own; lists end with a name that is NULL. */
struct program {
	const struct pattern *patterns;
	const struct command *commands;
	size_t (*held)(
		void *p); /* bytes that a block takes; by default its usable size */
	size_t touch; /* of so many bytes is the block that brings up a thread's heap */
	unsigned int low_bit, high_bit; /* sizes of churn and mixed */
	int rests; /* churn does so, now and then */
};

static const struct program *this_program;
static struct worker workers[THREADS_MAX];
static size_t nworkers;
static size_t scale = 1;
static void (*pattern)(struct worker *w);
static void (*job)(struct worker *w);
static atomic_int round_number;
static atomic_size_t finished;

static inline void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static inline uint64_t next_random(struct worker *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

/* Each power of two is as likely as any other. */
static inline size_t any_size(struct worker *w, unsigned int low_bit,
			      unsigned int high_bit)
{
	size_t top = (size_t)1 << (low_bit + next_random(w) % (high_bit - low_bit));

	return top + next_random(w) % top;
}

static inline size_t scaled(size_t n)
{
	return n / scale;
}

/* Memory that is never written is not resident: touch all of it. */
static inline void keep(struct worker *w, size_t i, void *p, size_t size)
{
	w->slot[i] = p ? memset(p, 0x5a, size) : NULL;
	if (i >= w->used)
		w->used = i + 1;
}

static inline void put(struct worker *w, size_t i, size_t size)
{
	keep(w, i, malloc(size), size);
}

static inline void drop(struct worker *w, size_t i)
{
	free(w->slot[i]);
	w->slot[i] = NULL;
}

static inline void allocate(struct worker *w, size_t n, unsigned int low_bit,
			    unsigned int high_bit)
{
	for (size_t i = 0; i < scaled(n); i++)
		put(w, i, any_size(w, low_bit, high_bit));
}

static inline void free_random(struct worker *w, unsigned int percent)
{
	for (size_t i = 0; i < w->used; i++)
		if (w->slot[i] && next_random(w) % 100 < percent)
			drop(w, i);
}

static inline void small(struct worker *w)
{
	allocate(w, 20000, 3, 12);
	free_random(w, 60);
}

static inline void tiny(struct worker *w)
{
	allocate(w, 60000, 2, 6);
	free_random(w, 80);
}

static inline void every_class(struct worker *w)
{
	for (size_t i = 0; i < 9000; i++)
		put(w, i, 1 + i * 4);
	free_random(w, 40);
}

static inline void large(struct worker *w)
{
	allocate(w, 200, 14, 20);
	free_random(w, 50);
}

static inline void freed(struct worker *w)
{
	allocate(w, 20000, 4, 13);
	free_random(w, 100);
}

/* What stays in the thread's cache. */
static inline void cached(struct worker *w)
{
	for (size_t i = 0; i < scaled(6000); i++)
		put(w, i, 16 + i % 2200 * 16);
	for (size_t i = 0; i < scaled(6000); i += 7)
		drop(w, i);
}

static inline void regrown(struct worker *w)
{
	allocate(w, 3000, 4, 13);
	for (size_t n = 0; n < scaled(12000); n++) {
		size_t i = next_random(w) % w->used, size = any_size(w, 4, 16);

		keep(w, i, realloc(w->slot[i], size), size);
	}
	free_random(w, 30);
}

static inline void aligned(struct worker *w)
{
	for (size_t i = 0; i < scaled(3000); i++) {
		size_t size = any_size(w, 4, 15);
		void *p = NULL;

		if (!posix_memalign(&p, (size_t)32 << next_random(w) % 10, size))
			keep(w, i, p, size);
	}
	free_random(w, 50);
}

static inline void in_another_thread(void *(*run)(void *), struct worker *w)
{
	pthread_t other;

	if (pthread_create(&other, NULL, run, w))
		_exit(1);
	pthread_join(other, NULL);
}

static inline void *make_some(void *arg)
{
	small(arg);
	return NULL;
}

/* What a thread held that has ended is freed by another. */
static inline void ended(struct worker *w)
{
	in_another_thread(make_some, w);
	free_random(w, 50);
}

static inline void step(struct worker *w)
{
	size_t i = next_random(w) % 4096;

	if (w->slot[i])
		drop(w, i);
	else
		put(w, i, any_size(w, this_program->low_bit, this_program->high_bit));
}

static inline void mixed(struct worker *w)
{
	for (size_t n = 0; n < scaled(60000); n++)
		step(w);
}

static inline void step_on(struct worker *w)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (;;) {
		for (int i = 0; i < 500; i++)
			step(w);
		if (this_program->rests)
			nanosleep(&ms, NULL);
	}
}

static inline void *run_worker(void *arg)
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

/* Begins @todo in all threads that work; one worker is the main thread itself. */
static inline void begin_everywhere(void (*todo)(struct worker *w))
{
	finished = 0;
	job = todo;
	round_number++;
	if (nworkers == 1) {
		todo(&workers[0]);
		finished++;
	}
}

static inline void everywhere(void (*todo)(struct worker *w))
{
	begin_everywhere(todo);
	while (finished < nworkers)
		usleep(1000);
}

/*
 * Brings up the calling thread's heap and cache, and what large blocks are of. The compiler
 * may not drop it.
 */
static inline void touch_heap(struct worker *w)
{
	void *volatile p = malloc(1), *volatile q = malloc(this_program->touch);

	(void)w;
	free(p);
	free(q);
}

static inline void start_workers(uint64_t seed)
{
	for (size_t k = 0; k < nworkers; k++) {
		struct worker *w = &workers[k];

		w->seed = (seed + k) * 0x9e3779b97f4a7c15u + 1;
		w->slot = mmap(NULL, SLOTS * sizeof(void *), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (w->slot == MAP_FAILED)
			_exit(1);
		if (nworkers > 1 && pthread_create(&w->thread, NULL, run_worker, w))
			_exit(1);
	}
	everywhere(touch_heap);
	if (nworkers > 1)
		touch_heap(NULL);
}

static inline void work(void)
{
	char text[64];
	size_t sum = 0;

	everywhere(pattern);
	for (size_t k = 0; k < nworkers; k++)
		for (size_t i = 0; i < workers[k].used; i++) {
			void *p = workers[k].slot[i];

			if (p)
				sum += this_program->held ? this_program->held(p)
							  : malloc_usable_size(p);
		}
	snprintf(text, sizeof(text), "held %zu\n", sum);
	say(text);
}

static inline int command(const char *line)
{
	const struct command *c = this_program->commands;

	if (!strcmp(line, "work")) {
		work();
		return 1;
	}
	if (!strcmp(line, "churn")) {
		say("churning\n");
		begin_everywhere(step_on);
		return 1;
	}
	while (c->name && strcmp(line, c->name))
		c++;
	if (c->name)
		c->run();
	return c->name != NULL;
}

static inline int read_line(char *line, size_t size)
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

static inline int heaps_main(int argc, char **argv, const struct program *program)
{
	const struct pattern *p = program->patterns;
	char line[32];

	if (argc != 4 && argc != 5) {
		for (; p->name; p++)
			printf("%s\n", p->name);
		return argc == 1 ? 0 : 2;
	}
	while (p->name && strcmp(argv[1], p->name))
		p++;
	pattern = p->run;
	nworkers = strtoul(argv[2], NULL, 10);
	if (argc == 5)
		scale = strtoul(argv[4], NULL, 10);
	if (!pattern || !scale || !nworkers || nworkers > THREADS_MAX)
		return 2;
	this_program = program;
	start_workers(strtoull(argv[3], NULL, 10));
	say("ready\n");
	while (read_line(line, sizeof(line)) && command(line))
		;
	_exit(0);
}

#endif
