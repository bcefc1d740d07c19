// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * As many threads as a machine of many CPUs has arenas for: each served a large request
 * once, and has a heap of its own with little in it since.
 *
 * Verdict: arena-sprawl
 * Env: MALLOC_ARENA_MAX=64
 * Cure: env MALLOC_ARENA_MAX=1
 * Maps: serve main
 * Cause: MALLOC_ARENA_MAX
 */
#include "scenario.h"

#include <pthread.h>

#define THREADS 64
#define BLOCKS	1500

static pthread_barrier_t all;

/* In turn, as requests come: all could have had the same memory. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void *serve(void *unused)
{
	char *block[BLOCKS];

	/* All are there: each has the arena that was its own from the start. */
	free(must(malloc(100)));
	pthread_barrier_wait(&all);
	pthread_mutex_lock(&turn);
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = must(malloc(3000));
		memset(block[i], 1, 3000);
	}
	/* The last one stays: the heap cannot shrink below it. */
	for (int i = 0; i < BLOCKS - 1; i++)
		free(block[i]);
	pthread_mutex_unlock(&turn);
	pthread_barrier_wait(&all);
	pause();
	return unused;
}

int main(void)
{
	pthread_t thread;

	pthread_barrier_init(&all, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, serve, NULL))
			return 1;
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	ready();
	wait_for_end();
	return 0;
}
