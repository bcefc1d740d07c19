// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two thousand threads that wait, each some calls deep.
 *
 * Verdict: stack-depth
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <pthread.h>

#define THREADS 2000
#define STACK	(256 << 10)

static pthread_barrier_t all;

static void *work(void *unused)
{
	volatile char request[24 << 10];

	memset((char *)request, 1, sizeof(request));
	pthread_barrier_wait(&all);
	pause();
	return request[0] ? unused : NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_barrier_init(&all, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, &attr, work, NULL))
			return 1;
	pthread_barrier_wait(&all);
	ready();
	wait_for_end();
	return 0;
}
