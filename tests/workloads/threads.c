// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * threads N: so many threads, each of which takes some blocks and frees half of them,
 * which its cache keeps. Writes "ready HELD CACHED BLOCKS IN-USE", the usable bytes of
 * what is held and of what was freed, the number of these, and, of jemalloc, what it
 * counts as allocated; waits for end of input.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK  (64u << 10)
#define BLOCKS 6 /* of a size: half of them are fewer than any cache takes */

int mallctl(const char *name, void *old, size_t *len, void *new, size_t size)
	__attribute__((weak));

static const size_t sizes[] = { 24, 200, 1000 };

static atomic_size_t finished, held, cached, blocks;

static void take_and_free(size_t size)
{
	char *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(size);
		if (!block[i])
			_exit(1);
		memset(block[i], 1, size);
	}
	for (int i = 0; i < BLOCKS; i++) {
		size_t usable = malloc_usable_size(block[i]);

		*(i % 2 ? &cached : &held) += usable;
		if (i % 2)
			free(block[i]);
		blocks += i % 2;
	}
}

static void *run(void *arg)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		take_and_free(sizes[i]);
	finished++;
	for (;;)
		pause();
	return arg;
}

static size_t allocated(void)
{
	uint64_t epoch = 1;
	size_t n = 0, size = sizeof(n);

	if (mallctl && (mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) ||
			mallctl("stats.allocated", &n, &size, NULL, 0)))
		_exit(1);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	pthread_attr_t attr;
	pthread_t thread;
	char text[128], byte;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&thread, &attr, run, NULL))
			return 1;
	while (finished < n)
		usleep(1000);
	snprintf(text, sizeof(text), "ready %zu %zu %zu %zu\n", (size_t)held,
		 (size_t)cached, (size_t)blocks, allocated());
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
