// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that end, and that nobody joins: what is left of each stack is never used again.
 *
 * Verdict: off-heap-growth
 * After: 2s
 * Idle: anon.other
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <pthread.h>

/* How much of its stack each has touched. */
#define DEPTH (32 << 10)

static void *work(void *unused)
{
	volatile char frame[DEPTH];

	for (size_t at = 0; at < DEPTH; at += 4096)
		frame[at] = 1;
	return frame[0] ? unused : NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	ready();
	while (!told(20))
		for (int i = 0; i < 10; i++)
			if (pthread_create(&thread, &attr, work, NULL))
				told(-1);
	wait_for_end();
	return 0;
}
