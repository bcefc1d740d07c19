// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server of batches whose sizes vary, at a steady pace: of each batch a few small
 * results are kept, in place of older ones, and all else is freed. What it holds is the
 * same at all times, but for the batches under way. For 5 seconds of 20 batches are large.
 *
 *   batch-server SECONDS [TRIM]   TRIM: calls malloc_trim(0) every so many seconds
 *
 * Each second it prints: seconds, bytes held, batches done, processor time in ms. When all
 * are done, it holds its results until its input ends.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS	   4
#define PACE	   10 /* batches a second and thread */
#define RESULTS	   20000
#define ITEMS	   3200
#define SMALL	   400
#define CYCLE	   20
#define BURST	   5
#define NS_PER_SEC 1000000000ull

struct item {
	size_t size;
	unsigned char data[];
};

struct worker {
	pthread_t thread;
	uint64_t seed;
	struct item *items[ITEMS];
};

static struct worker workers[THREADS];
static _Atomic(struct item *) results[RESULTS];
static _Atomic size_t held, done;
static struct timespec begun;
static unsigned int seconds;

static uint64_t next_random(struct worker *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

static struct item *new_item(size_t size)
{
	struct item *item = malloc(sizeof(*item) + size);

	if (!item) {
		perror("batch-server");
		exit(1);
	}
	item->size = size;
	memset(item->data, 1, size);
	held += size;
	return item;
}

static void free_item(struct item *item)
{
	if (!item)
		return;
	held -= item->size;
	free(item);
}

/* As many small ones as large ones, by powers of two: 64 bytes to 64 KiB. */
static size_t item_size(struct worker *w)
{
	size_t base = 64ul << next_random(w) % 10;

	return base + next_random(w) % base;
}

static void keep_result(struct worker *w, size_t at)
{
	struct item *result = new_item(200 + next_random(w) % 1600);

	free_item(atomic_exchange(&results[at], result));
}

static void run_batch(struct worker *w, unsigned int most)
{
	unsigned int n = most / 32 << next_random(w) % 6;

	for (unsigned int i = 0; i < n; i++) {
		w->items[i] = new_item(item_size(w));
		if (i % 8 == 0)
			keep_result(w, next_random(w) % RESULTS);
	}
	for (unsigned int i = 0; i < n; i++)
		free_item(w->items[i]);
	done++;
}

/* Batch N of a thread begins when its time has come, late or not. */
static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int i = 0; i < seconds * PACE; i++) {
		struct timespec when = begun;

		when.tv_sec += i / PACE;
		when.tv_nsec += (long)(i % PACE * (NS_PER_SEC / PACE));
		when.tv_sec += when.tv_nsec / (long)NS_PER_SEC;
		when.tv_nsec %= (long)NS_PER_SEC;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
		run_batch(w, i / PACE % CYCLE < BURST ? ITEMS : SMALL);
	}
	return NULL;
}

static void tell(unsigned int second)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("%u %zu %zu %ld\n", second, held, done,
	       (long)cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int trim = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;

	seconds = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 60;
	for (int i = 0; i < THREADS; i++)
		workers[i].seed = 88172645463325252u + (uint64_t)i;
	for (size_t at = 0; at < RESULTS; at++)
		keep_result(workers, at);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	for (unsigned int s = 1; done < (size_t)seconds * PACE * THREADS; s++) {
		sleep(1);
		if (trim && s % trim == 0)
			malloc_trim(0);
		tell(s);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	while (getchar() != EOF)
		;
	return 0;
}
