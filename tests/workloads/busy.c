// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * busy MIB: reads each page of its memory, again and again. A line on stdin is
 * answered by how many pages were read so far.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile unsigned long done;
static volatile char *mem;
static size_t size, page_size;

static void *read_all(void *unused)
{
	(void)unused;
	for (;;) {
		for (size_t at = 0; at < size; at += page_size) {
			/* A line of each, and some work on it. */
			for (size_t i = 0; i < 256; i++)
				(void)mem[at + i];
			done++;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;
	char line[16];

	if (argc != 2)
		return 2;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	size = strtoul(argv[1], NULL, 10) << 20;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return 1;
	madvise((void *)mem, size, MADV_NOHUGEPAGE);
	memset((void *)mem, 1, size);
	if (pthread_create(&t, NULL, read_all, NULL))
		return 1;
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%lu\n", done);
		fflush(stdout);
	}
	return 0;
}
