// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * changes: memory that changes by known amounts in known places. Says "ready", waits for
 * a line, changes all of it, says "done", and waits for end of input.
 *
 * Mappings are a GiB apart from SLOTS on, so that the kernel merges none of them.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MIB   (1ul << 20)
#define SLOTS 0x1000000000ul
#define SLOT  (1ul << 30)

/* Which is where. */
enum { GONE, MOVED, ELSEWHERE, GROWN, SPLIT, MERGED, NEW, SHMEM, EMPTIED, RESERVED };

#define FREED	     4096 /* every second of them is freed */
#define FREED_SIZE   1000
#define GROWTH	     8192
#define GROWTH_SIZE  2000

static char *freed[FREED];

static char *place(int slot)
{
	return (char *)(SLOTS + (unsigned long)slot * SLOT);
}

static void check(const void *p, const char *what)
{
	if (p == MAP_FAILED || !p) {
		perror(what);
		exit(1);
	}
}

static void map(int slot, size_t size, size_t touched, int flags)
{
	char *p = mmap(place(slot), size, PROT_READ | PROT_WRITE,
		       flags | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	check(p, "mmap");
	memset(p, 1, touched);
}

static void protect(int slot, int prot)
{
	if (mprotect(place(slot) + 2 * MIB, 2 * MIB, prot))
		check(NULL, "mprotect");
}

static void prepare(void)
{
	char *volatile first = malloc(24);

	/* So that the thread's cache is there, and found, from the beginning. */
	free(first);
	map(GONE, 8 * MIB, 6 * MIB, MAP_PRIVATE);
	map(MOVED, 12 * MIB, 5 * MIB, MAP_PRIVATE);
	map(GROWN, 4 * MIB, 4 * MIB, MAP_PRIVATE);
	map(SPLIT, 6 * MIB, 6 * MIB, MAP_PRIVATE);
	map(MERGED, 6 * MIB, 6 * MIB, MAP_PRIVATE);
	protect(MERGED, PROT_READ);
	map(SHMEM, 8 * MIB, 2 * MIB, MAP_SHARED);
	map(EMPTIED, 9 * MIB, 9 * MIB, MAP_PRIVATE);
	for (int i = 0; i < FREED; i++) {
		freed[i] = malloc(FREED_SIZE);
		check(freed[i], "malloc");
		memset(freed[i], 1, FREED_SIZE);
	}
}

static void change_heap(void)
{
	for (int i = 0; i < FREED; i += 2)
		free(freed[i]);
	for (int i = 0; i < GROWTH; i++) {
		char *p = malloc(GROWTH_SIZE);

		check(p, "malloc");
		memset(p, 1, GROWTH_SIZE);
	}
	mallopt(M_TRIM_THRESHOLD, 1 * MIB);
}

static void change(void)
{
	munmap(place(GONE), 8 * MIB);
	check(mremap(place(MOVED), 12 * MIB, 12 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
		     place(ELSEWHERE)),
	      "mremap");
	check(mremap(place(GROWN), 4 * MIB, 8 * MIB, 0), "mremap");
	memset(place(GROWN) + 4 * MIB, 1, 4 * MIB);
	protect(SPLIT, PROT_READ);
	protect(MERGED, PROT_READ | PROT_WRITE);
	map(NEW, 10 * MIB, 7 * MIB, MAP_PRIVATE);
	memset(place(SHMEM) + 2 * MIB, 1, 3 * MIB);
	madvise(place(EMPTIED), 4 * MIB, MADV_DONTNEED);
	map(RESERVED, 64 * MIB, 0, MAP_PRIVATE);
	change_heap();
}

static int say(const char *word)
{
	return write(STDOUT_FILENO, word, strlen(word)) == (ssize_t)strlen(word);
}

int main(void)
{
	char byte;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	prepare();
	if (!say("ready\n"))
		return 1;
	if (read(STDIN_FILENO, &byte, 1) == 1) {
		change();
		if (!say("done\n"))
			return 1;
	}
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
