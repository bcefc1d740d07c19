// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A thread a request, that waits for what never comes: their number grows, and with it
 * the stacks.
 *
 * Verdict: stack-depth
 * After: 4s
 * Cure: tell end threads that are no longer needed
 */
#include "scenario.h"

#include <pthread.h>

#define THREADS 6000
#define FIRST	400

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static bool end;

static void *work(void *unused)
{
	volatile char answer[60 << 10];

	for (size_t i = 0; i < sizeof(answer); i += 512)
		answer[i] = 1;
	pthread_mutex_lock(&lock);
	while (!end)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
	return answer[0] ? unused : NULL;
}

int main(void)
{
	static pthread_t thread[THREADS];
	int n = 0;

	while (n < FIRST && !pthread_create(&thread[n], NULL, work, NULL))
		n++;
	ready();
	while (!told(10))
		if (n < THREADS && !pthread_create(&thread[n], NULL, work, NULL))
			n++;
	pthread_mutex_lock(&lock);
	end = true;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	while (n)
		pthread_join(thread[--n], NULL);
	wait_for_end();
	return 0;
}
