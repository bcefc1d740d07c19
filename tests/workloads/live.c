// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * live MIB [THREADS]: a heap of that size in blocks of 64 to 4096 bytes, of which each
 * thread (one, if it is not said) has its part, and frees and allocates one after the
 * other, at random. A line on stdin is answered by how many they did so far.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 4096
#define SMALLEST 64

#define THREADS_MAX 1024

struct part {
	char **block;
	size_t blocks;
	uint64_t seed;
	_Alignas(64) atomic_ulong done; /* on a line of its own */
};

static struct part part[THREADS_MAX];
static pthread_barrier_t ready;

static uint64_t next_random(struct part *p)
{
	p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
	return p->seed >> 33;
}

static char *allocate(struct part *p)
{
	size_t size = SMALLEST + next_random(p) % (LARGEST - SMALLEST);
	char *block = malloc(size);

	if (!block)
		exit(1);
	memset(block, 1, size);
	return block;
}

static void *work(void *arg)
{
	struct part *p = arg;

	p->block = calloc(p->blocks, sizeof(*p->block));
	if (!p->block)
		exit(1);
	for (size_t i = 0; i < p->blocks; i++)
		p->block[i] = allocate(p);
	pthread_barrier_wait(&ready);
	for (;;) {
		size_t i = next_random(p) % p->blocks;

		free(p->block[i]);
		p->block[i] = allocate(p);
		atomic_fetch_add_explicit(&p->done, 1, memory_order_relaxed);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t total = argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	size_t threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	size_t blocks = total / ((LARGEST + SMALLEST) / 2);
	pthread_t t;
	char line[16];

	if (!threads || threads > THREADS_MAX || blocks < threads ||
	    pthread_barrier_init(&ready, NULL, (unsigned int)threads + 1))
		return 2;
	for (size_t i = 0; i < threads; i++) {
		part[i].blocks = blocks / threads;
		part[i].seed = 0x9e3779b97f4a7c15u * (i + 1);
		if (pthread_create(&t, NULL, work, &part[i]))
			return 1;
	}
	pthread_barrier_wait(&ready);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long done = 0;

		for (size_t i = 0; i < threads; i++)
			done += atomic_load_explicit(&part[i].done, memory_order_relaxed);
		printf("%lu\n", done);
		fflush(stdout);
	}
	return 0;
}
