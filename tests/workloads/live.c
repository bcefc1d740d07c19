// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * live MIB: a heap of that size in blocks of 64 to 4096 bytes, of which a thread frees
 * and allocates one after the other, at random. A line on stdin is answered by how many
 * it did so far.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 4096
#define SMALLEST 64

static volatile unsigned long done;
static char **block;
static size_t blocks;
static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 33;
}

static char *allocate(void)
{
	size_t size = SMALLEST + next_random() % (LARGEST - SMALLEST);
	char *p = malloc(size);

	if (!p)
		exit(1);
	memset(p, 1, size);
	return p;
}

static void *work(void *unused)
{
	(void)unused;
	for (;;) {
		size_t i = next_random() % blocks;

		free(block[i]);
		block[i] = allocate();
		done++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t total = argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	pthread_t t;
	char line[16];

	blocks = total / ((LARGEST + SMALLEST) / 2);
	block = calloc(blocks, sizeof(*block));
	if (!blocks || !block)
		return 2;
	for (size_t i = 0; i < blocks; i++)
		block[i] = allocate();
	if (pthread_create(&t, NULL, work, NULL))
		return 1;
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%lu\n", done);
		fflush(stdout);
	}
	return 0;
}
