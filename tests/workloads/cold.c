// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A heap and mappings of which some are touched all the time and others never
 * again, each of the size that its line says: "NAME BYTES", then "ready". Ends with
 * its input. The line "exec" on it becomes another program.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE	((size_t)getpagesize())
#define BLOCK	(64ul << 10)	/* below the threshold of mmap */
#define MIB	(1ul << 20)

#define HOT	(8 * MIB)
#define COLD	(24 * MIB)
#define FREED	(12 * MIB)
#define MAPPED	(8 * MIB)

static volatile char *hot_blocks[HOT / BLOCK];
static volatile char *hot_mapping;

static char *fill(size_t size)
{
	char *p = malloc(size);

	if (!p)
		exit(1);
	return memset(p, 0x5a, size);
}

/* Between guards, so that the kernel merges it with nobody's: a stack lies beside it. */
static char *map(size_t size)
{
	char *p = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, size, PROT_READ | PROT_WRITE))
		exit(1);
	return memset(p + PAGE, 1, size);
}

static void *keep_hot(void *unused)
{
	(void)unused;
	for (;;) {
		for (size_t i = 0; i < HOT / BLOCK; i++)
			for (size_t at = 0; at < BLOCK; at += PAGE)
				(void)hot_blocks[i][at];
		for (size_t at = 0; at < MAPPED; at += PAGE)
			(void)hot_mapping[at];
		usleep(20000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static char *freed[FREED / BLOCK];
	char line[16];
	pthread_t t;

	(void)argc;
	/* Of a huge page, all is as hot as its hottest part: sizes would be as it lies. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		return 1;
	/* What is cold lies between what is hot and what is free. */
	for (size_t i = 0; i < HOT / BLOCK; i++)
		hot_blocks[i] = fill(BLOCK);
	for (size_t i = 0; i < COLD / BLOCK; i++)
		fill(BLOCK);
	for (size_t i = 0; i < FREED / BLOCK; i++)
		freed[i] = fill(BLOCK);
	fill(BLOCK);
	for (size_t i = 0; i < FREED / BLOCK; i++)
		free(freed[i]);
	hot_mapping = map(MAPPED);
	map(MAPPED);
	if (pthread_create(&t, NULL, keep_hot, NULL))
		return 1;
	printf("hot %lu\ncold %lu\nfreed %lu\nmapped %lu\nready\n", HOT, COLD, FREED, MAPPED);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		execv("/proc/self/exe", argv);
	return 0;
}
