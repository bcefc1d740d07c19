// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that freed all that they had: their caches keep some blocks of each size.
 *
 * Verdict: thread-caches
 * Env: LD_PRELOAD=LIB(libjemalloc.so.2) MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0
 * Cure: env tcache:false
 * Maps: main work
 * Cause: tcache
 */
#include "scenario.h"

#include <pthread.h>

#define THREADS 32
#define BLOCKS	20

static pthread_barrier_t all;

static void *work(void *unused)
{
	char *block[BLOCKS];

	for (size_t size = 4096; size <= 32 << 10; size += 4096) {
		for (int i = 0; i < BLOCKS; i++)
			block[i] = memset(must(malloc(size)), 1, size);
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
