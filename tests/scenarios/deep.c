// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that once recursed deep: what their stacks touched is still there.
 *
 * Verdict: stack-depth
 * Cure: tell when its thread ends
 * Maps: main
 */
#include "scenario.h"

#include <pthread.h>

#define THREADS 16
#define DEPTH	6500

static pthread_barrier_t all;
static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) int recurse(int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return depth ? recurse(depth - 1) + frame[0] : 0;
}

static void *work(void *unused)
{
	volatile int sum = recurse(DEPTH);

	pthread_barrier_wait(&all);
	pthread_mutex_lock(&hold);
	pthread_mutex_unlock(&hold);
	return sum == 12345 ? unused : NULL;
}

int main(void)
{
	pthread_t thread[THREADS];

	pthread_mutex_lock(&hold);
	pthread_barrier_init(&all, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, NULL))
			return 1;
	pthread_barrier_wait(&all);
	ready();
	if (told(-1)) {
		pthread_mutex_unlock(&hold);
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
	}
	wait_for_end();
	return 0;
}
