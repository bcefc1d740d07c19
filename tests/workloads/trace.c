// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Maps memory in several ways, each in a function of its own, and tells what each has
 * mapped still. Says "ready", waits for a line, works, and says so: a line a function,
 * its name and bytes, then "done". Lives until its input ends.
 *
 *   trace [ROUNDS]      all ways, so many times (default 1)
 *   trace churn SECONDS [THREADS]   maps and unmaps; tells how many times each tenth of
 *                                   a second, and in all, as "turns"
 */
#include <alloca.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MIB	  (1u << 20)
#define BLOCKS	  20
#define RW	  (PROT_READ | PROT_WRITE)
#define ANON	  (MAP_PRIVATE | MAP_ANONYMOUS)
#define DEEP	  (64u << 10) /* more of a stack than is copied */
#define DEPTH	  40
#define HEAP_SIZE (16u * MIB)

#define apart __attribute__((noinline, noclone))

/* Whoever follows has time to. */
static void rest(void)
{
	usleep(20000);
}

/* So that no call is the last thing that a function does. */
static volatile long sink;

/* A system call that no library sees. */
static apart void *raw_mmap(size_t len)
{
	long result;
#ifdef __aarch64__
	register long x8 __asm__("x8") = SYS_mmap;
	register long x0 __asm__("x0") = 0;
	register long x1 __asm__("x1") = (long)len;
	register long x2 __asm__("x2") = RW;
	register long x3 __asm__("x3") = ANON;
	register long x4 __asm__("x4") = -1;
	register long x5 __asm__("x5") = 0;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	result = x0;
#else
	register long r10 __asm__("r10") = ANON;
	register long r8 __asm__("r8") = -1;
	register long r9 __asm__("r9") = 0;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(SYS_mmap), "D"(0), "S"(len), "d"(RW), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
#endif
	return (void *)result;
}

/* As a communication library that hooks it and keeps what is registered. */
int munmap(void *addr, size_t len)
{
	static _Atomic size_t kept;

	(void)addr;
	kept += len;
	return 0;
}

static void real_munmap(void *addr, size_t len)
{
	if (syscall(SYS_munmap, addr, len))
		abort();
}

/* Big blocks of malloc(), each a mapping with a header of its own. */
static apart size_t keep_blocks(void)
{
	size_t bytes = 0;

	for (int i = 0; i < BLOCKS; i++) {
		char *p = malloc(MIB);

		memset(p, 1, MIB);
		bytes += malloc_usable_size(p) + 2 * sizeof(size_t);
	}
	return bytes;
}

static apart size_t register_region(void)
{
	char *p = raw_mmap(8 * MIB);

	memset(p, 1, 4096);
	munmap(p, 8 * MIB);
	sink++;
	return 8 * MIB;
}

static apart void churn(void)
{
	void *p = mmap(NULL, MIB, RW, ANON, -1, 0);

	real_munmap(p, MIB);
	sink++;
}

/* The heap by brk(2), with blocks too small to be mapped. */
static apart size_t grow_heap(void)
{
	char *before = sbrk(0);

	while ((char *)sbrk(0) - before < (long)HEAP_SIZE)
		memset(malloc(4096), 1, 4096);
	return (size_t)((char *)sbrk(0) - before);
}

static void *growing;

/* mremap(2), until what it grows has to move. */
static apart size_t extend_mapping(void)
{
	size_t size = 4 * MIB;

	for (int i = 0; i < 4; i++) {
		growing = mremap(growing, size, size + MIB, MREMAP_MAYMOVE);
		if (growing == MAP_FAILED)
			abort();
		size += MIB;
		/* In its way. */
		mmap((char *)growing + size, 4096, PROT_NONE, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	}
	return 4 * MIB + (size_t)4 * 4096;
}

static apart size_t map_then_extend(void)
{
	growing = mmap(NULL, 4 * MIB, RW, ANON, -1, 0);
	sink++;
	return 4 * MIB;
}

static apart size_t keep_ends(void)
{
	char *p = mmap(NULL, 12 * MIB, RW, ANON, -1, 0);

	real_munmap(p + 2 * MIB, 4 * MIB);
	/* And a hole that is filled by the same function. */
	real_munmap(p + 8 * MIB, MIB);
	mmap(p + 8 * MIB, MIB, RW, ANON | MAP_FIXED, -1, 0);
	sink++;
	return 8 * MIB;
}

static apart size_t attach_segment(void)
{
	int id = shmget(IPC_PRIVATE, 3 * MIB, IPC_CREAT | 0600);
	void *kept = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	void *detached = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	if (kept == (void *)-1 || detached == (void *)-1)
		return 0;
	/* So that the size of each is seen while it is there. */
	usleep(300000);
	shmdt(detached);
	sink++;
	return 3 * MIB;
}

/* More stack than is copied lies between it and its callers. */
static apart size_t map_deep(int depth)
{
	volatile char room[DEEP / DEPTH];
	size_t bytes;

	room[0] = 1;
	if (depth)
		bytes = map_deep(depth - 1);
	else
		bytes = raw_mmap(MIB) ? MIB : 0;
	sink += room[0];
	return bytes;
}

static apart size_t map_in_thread(void)
{
	void *p = mmap(NULL, 5 * MIB, RW, ANON, -1, 0);

	memset(p, 1, 4096);
	sink++;
	return 5 * MIB;
}

struct worker {
	size_t bytes;
	atomic_bool done;
};

/* Threads stay, so that their stacks do. */
static void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->bytes = map_in_thread();
	w->done = true;
	pause();
	return NULL;
}

#define THREADS	     8
#define THREAD_STACK (1u << 20)

static apart size_t run_threads(size_t *mapped)
{
	static struct worker worker[THREADS];
	pthread_attr_t attr;
	size_t stacks = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	/* How large a guard is depends on the machine. */
	pthread_attr_setguardsize(&attr, 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_t t;

		worker[i].done = false;
		if (pthread_create(&t, &attr, worker_main, &worker[i]))
			abort();
		while (!worker[i].done)
			usleep(1000);
		*mapped += worker[i].bytes;
		stacks += THREAD_STACK;
	}
	return stacks;
}

static void work(int rounds)
{
	static const char *const names[] = { "keep_blocks", "register_region", "grow_heap",
					     "map_then_extend", "extend_mapping", "keep_ends",
					     "attach_segment", "map_deep", "map_in_thread",
					     "run_threads" };
	size_t bytes[10] = { 0 };

	for (int i = 0; i < rounds; i++) {
		bytes[0] += keep_blocks();
		bytes[1] += register_region();
		rest();
		bytes[2] += grow_heap();
		rest();
		bytes[3] += map_then_extend();
		bytes[4] += extend_mapping();
		bytes[5] += keep_ends();
		bytes[6] += attach_segment();
		bytes[7] += map_deep(DEPTH);
		bytes[9] += run_threads(&bytes[8]);
		for (int k = 0; k < 100; k++) {
			churn();
			if (k % 25 == 0)
				rest();
		}
	}
	for (int i = 0; i < 10; i++)
		printf("%s %zu\n", names[i], bytes[i]);
}

static atomic_bool over;
static _Atomic unsigned long turns;

static void *churn_main(void *arg)
{
	(void)arg;
	while (!over) {
		churn();
		turns++;
	}
	return NULL;
}

static void churn_for(int seconds, int threads)
{
	pthread_t t;

	for (int i = 0; i < threads; i++)
		if (pthread_create(&t, NULL, churn_main, NULL))
			abort();
	for (int i = 0; i < 10 * seconds; i++) {
		unsigned long before = turns;

		usleep(100000);
		printf("%lu\n", turns - before);
		fflush(stdout);
	}
	over = true;
	usleep(100000);
	printf("turns %lu\n", turns);
}

static void wait_line(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	free(malloc(1));
	puts("ready");
	wait_line();
	if (argc > 2 && !strcmp(argv[1], "churn"))
		churn_for(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 1);
	else
		work(argc > 1 ? atoi(argv[1]) : 1);
	puts("done");
	wait_line();
	return 0;
}
