// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that locks all its memory, as programs that must not wait do: each thread's
 * stack is resident down to its end, though none is deep.
 *
 * Verdict: stack-depth
 * Cure: tell MCL_ONFAULT
 * Maps: main
 */
#include "scenario.h"

#include <pthread.h>
#include <sys/mman.h>

#define THREADS 8

static pthread_barrier_t all;

static void *work(void *unused)
{
	pthread_barrier_wait(&all);
	pause();
	return unused;
}

int main(int argc, char **argv)
{
	bool cured = argc > 1;
	pthread_t thread;

	if (mlockall(MCL_CURRENT | MCL_FUTURE | (cured ? MCL_ONFAULT : 0)))
		return 1;
	pthread_barrier_init(&all, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, work, NULL))
			return 1;
	pthread_barrier_wait(&all);
	ready();
	if (told(-1))
		execl("/proc/self/exe", argv[0], "cured", NULL);
	return 1;
}
