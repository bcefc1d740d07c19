// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stacks that are one mapping with their neighbours: of threads without guard pages, and of
 * threads within a region that has something else below and above each. Each thread was
 * deep once, and waits. Writes "ready START-END …", the stacks in hexadecimal, as glibc or
 * the program itself has given them; waits for end of input. With "forge", each tells the
 * kernel of a record of its own, by which its stack is all that is below, or none at all.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB    (1ul << 20)
#define EACH   4
#define DEPTH  (100ul << 10) /* bytes, times the thread's number */
#define REGION (8 * MIB) /* for each thread within: others', its stack, others' */
#define OTHER  (3 * MIB)

static pthread_barrier_t all;
static bool forge;
static uintptr_t start[2 * EACH], end[2 * EACH];

static __attribute__((noinline)) void go_deep(size_t bytes)
{
	char deep[bytes];

	memset(deep, 1, bytes);
	__asm__ volatile("" : : "r"(deep) : "memory");
}

/* Where glibc's struct pthread would be: this is above the stack pointer. */
static void tell_lies(size_t i, uint64_t record[64])
{
	uint64_t head = (uintptr_t)record;
	uint64_t lies[][4] = { { head - (1ull << 39), (1ull << 39) + MIB / 32, 0, head },
			       { head - MIB / 4, MIB / 4 + 4096, 8, head },
			       { 1ull << 63, UINT64_MAX, UINT64_MAX, head },
			       { 0, 0, 0, head + 4 },
			       { 0, 0, 0, (uintptr_t)tell_lies & ~7ull },
			       { 0, 0, 0, UINT64_MAX - 7 } };
	uint64_t *lie = lies[i % (sizeof(lies) / sizeof(lies[0]))];

	memcpy(&record[8], lie, 3 * sizeof(*lie));
	syscall(SYS_set_robust_list, lie[3], 24);
}

static void *run(void *arg)
{
	uint64_t record[64] = { 0 };
	size_t i = (size_t)arg, size = 0;
	void *address = NULL;
	pthread_attr_t attr;

	go_deep((i + 1) * DEPTH);
	if (!start[i] && !pthread_getattr_np(pthread_self(), &attr)) {
		pthread_attr_getstack(&attr, &address, &size);
		start[i] = (uintptr_t)address;
		end[i] = start[i] + size;
	}
	if (forge)
		tell_lies(i, record);
	pthread_barrier_wait(&all);
	for (;;)
		pause();
	return NULL;
}

static void begin(size_t i, pthread_attr_t *attr)
{
	pthread_t thread;

	if (pthread_create(&thread, attr, run, (void *)i))
		exit(1);
}

/* Where others have something below, and above. */
static void begin_within(size_t i, pthread_attr_t *attr, char *region)
{
	char *stack = region + OTHER;
	size_t size = REGION - 2 * OTHER;

	memset(region, 1, REGION / 4);
	memset(stack + size, 1, OTHER);
	if (pthread_attr_setstack(attr, stack, size))
		exit(1);
	start[i] = (uintptr_t)stack;
	end[i] = start[i] + size;
	begin(i, attr);
}

int main(int argc, char **argv)
{
	char *region = mmap(NULL, EACH * REGION, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_attr_t attr;

	if (region == MAP_FAILED || madvise(region, EACH * REGION, MADV_NOHUGEPAGE))
		return 1;
	forge = argc > 1 && !strcmp(argv[1], "forge");
	pthread_barrier_init(&all, NULL, 2 * EACH + 1);
	pthread_attr_init(&attr);
	pthread_attr_setguardsize(&attr, 0);
	pthread_attr_setstacksize(&attr, 2 * MIB);
	for (size_t i = 0; i < EACH; i++)
		begin(i, &attr);
	for (size_t i = 0; i < EACH; i++)
		begin_within(EACH + i, &attr, region + i * REGION);
	pthread_barrier_wait(&all);
	printf("ready");
	for (size_t i = 0; i < 2 * EACH; i++)
		printf(" %lx-%lx", start[i], end[i]);
	printf("\n");
	fflush(stdout);
	getchar();
	return 0;
}
