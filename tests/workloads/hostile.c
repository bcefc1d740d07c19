// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hostile MODE SEED: builds a heap, then forges its records, says "ready" and
 * sleeps without touching the heap again. For glibc up to 2.42; under another
 * one, the forgery hits other fields, which is as good.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 4000

/* Offsets in struct malloc_state of glibc 2.27 to 2.42. */
#define UNSORTED 0x60
#define FASTBINS 0x10
#define TOP	 0x60
#define NEXT	 0x870
#define STATE	 0x898

static uint64_t *blocks[BLOCKS];
static uint64_t seed;
static uint8_t *arena;
static uint64_t *thread_block;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void *thread(void *arg)
{
	/* Stays, so that its arena does. */
	thread_block = malloc(5000);
	memset(thread_block, 1, 5000);
	pthread_barrier_wait(arg);
	pause();
	return NULL;
}

/* A free chunk in the unsorted bin points to the bin: so main_arena is found. */
static void find_arena(void)
{
	uint64_t *a = malloc(5000), *volatile guard = malloc(32);
	uintptr_t freed = (uintptr_t)a, bin;

	memset(a, 1, 5000);
	guard[0] = 1;
	free(a);
	/* On purpose: what free() left there is what is wanted. */
	__asm__ volatile("" : "+r"(freed) : : "memory");
	bin = *(const uintptr_t *)freed;
	arena = (uint8_t *)bin - UNSORTED;
}

static void build(void)
{
	static pthread_barrier_t barrier;
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&t, NULL, thread, &barrier);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < BLOCKS; i++) {
		size_t size = 16 + next_random() % 2000;

		blocks[i] = malloc(size);
		memset(blocks[i], 0x5a, size);
	}
	for (int i = 0; i < BLOCKS; i += 1 + next_random() % 3)
		free(blocks[i]);
	/* Last: nothing may take it out of the unsorted bin again. */
	find_arena();
}

/* A number that a decoder would rather not meet. */
static uint64_t nasty(void)
{
	static const uint64_t odd[] = { 0, 1, 0x10, 0x11, 0x18, 0x20, 0x21, 7, UINT64_MAX,
					UINT64_MAX - 15, 1ull << 63, 1ull << 47, 0x290 | 1 };

	switch (next_random() % 4) {
	case 0:
		return odd[next_random() % (sizeof(odd) / sizeof(odd[0]))];
	case 1:
		return (uintptr_t)blocks[next_random() % BLOCKS];
	case 2:
		return (uintptr_t)blocks[next_random() % BLOCKS] - 16;
	default:
		return next_random();
	}
}

static void set(void *where, uint64_t value)
{
	memcpy(where, &value, sizeof(value));
}

static void forge_sizes(void)
{
	for (int i = 0; i < 200; i++)
		set(blocks[next_random() % BLOCKS] - 1, nasty());
}

static void forge_words(void)
{
	for (int i = 0; i < 2000; i++)
		blocks[next_random() % BLOCKS][(int)(next_random() % 4) - 2] = nasty();
}

static void forge_state(void)
{
	for (int i = 0; i < 40; i++)
		set(arena + next_random() % (STATE / 8) * 8, nasty());
}

static void forge_top(void)
{
	set(arena + TOP, next_random() % 2 ? nasty() : (uintptr_t)arena);
}

static void forge_ring(void)
{
	/* A ring that never comes back, or leads nowhere. */
	uint64_t first;

	memcpy(&first, arena + NEXT, 8);
	if (next_random() % 2)
		set(arena + NEXT, nasty());
	else if (first != (uintptr_t)arena)
		set((uint8_t *)(uintptr_t)first + NEXT, first);
}

static void forge_fastbins(void)
{
	/* A chunk that follows itself, as safe-linking writes that. */
	uint64_t chunk = (uintptr_t)blocks[10] - 16;

	set(blocks[10] - 1, 0x21);
	set(blocks[10], chunk ^ ((uintptr_t)blocks[10] >> 12));
	set(arena + FASTBINS, chunk);
}

static void forge_bins(void)
{
	/* A bin whose chunks go round without it. */
	uint64_t a = (uintptr_t)blocks[20] - 16, b = (uintptr_t)blocks[30] - 16;

	for (int bin = 0; bin < 20; bin++) {
		set(arena + 0x70 + (uint64_t)bin * 16, a);
		set(arena + 0x78 + (uint64_t)bin * 16, b);
	}
	set(blocks[20], b);
	set(blocks[30], a);
	set(blocks[40] - 1, 0x7);
}

/* The first block of a heap is its thread's cache. */
static void forge_tcache(void)
{
	uint8_t *cache = (uint8_t *)((uintptr_t)blocks[0] & ~0xfffull);

	for (int i = 0; i < 80; i++)
		set(cache + 0x10 + (uint64_t)i * 8, next_random() % 2 ? nasty() : 0);
}

static void forge_heap_info(void)
{
	uint64_t *info = (uint64_t *)((uintptr_t)thread_block & ~((64ull << 20) - 1));

	info[1] = next_random() % 2 ? (uintptr_t)info : nasty();
	info[2] = next_random() % 2 ? 1ull << 46 : nasty() & ~0xfffull;
}

static void forge_mmapped(void)
{
	for (int i = 0; i < 8; i++) {
		uint64_t *p = malloc(300000);

		memset(p, 1, 300000);
		p[-1] = next_random() % 2 ? nasty() | 2 : 1ull << 40 | 2;
		p[-2] = next_random() % 2 ? nasty() : 0;
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "sizes", forge_sizes },   { "words", forge_words },	{ "state", forge_state },
	{ "top", forge_top },	    { "ring", forge_ring },	{ "fastbins", forge_fastbins },
	{ "bins", forge_bins },	    { "tcache", forge_tcache }, { "heap-info", forge_heap_info },
	{ "mmapped", forge_mmapped },
};

int main(int argc, char **argv)
{
	if (argc != 3) {
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			printf("%s\n", modes[i].name);
		return argc == 1 ? 0 : 2;
	}
	seed = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	build();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			modes[i].run();
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		_exit(1);
	while (read(STDIN_FILENO, &seed, 1) > 0)
		;
	_exit(0);
}
