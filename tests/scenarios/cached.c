// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that freed what they had: their caches of small blocks keep it.
 *
 * Verdict: thread-caches
 * Env: LD_PRELOAD=LIB(libtcmalloc_minimal.so.4) TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=1073741824
 * Cure: env TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=1048576
 */
#include "scenario.h"

#include <pthread.h>

#define THREADS 16
#define BLOCKS	40000

static pthread_barrier_t all;

static void *work(void *unused)
{
	static __thread char *block[BLOCKS];

	/* A cache's bounds rise with use. */
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < BLOCKS; i++)
			block[i] = memset(must(malloc(256)), 1, 256);
		for (int i = 0; i < BLOCKS; i++)
			free(block[i]);
	}
	pthread_barrier_wait(&all);
	pause();
	return unused;
}

int main(void)
{
	pthread_t thread;

	pthread_barrier_init(&all, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, work, NULL))
			return 1;
	pthread_barrier_wait(&all);
	ready();
	wait_for_end();
	return 0;
}
