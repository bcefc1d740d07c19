// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A target whose pages are accessed when it is told to: lines on stdin, each
 * answered by a line. Two regions are accessed by a thread all the time: one that
 * fits every TLB, and one huge page.
 *
 *   touch NAME      reads each page of a region once
 *   remap NAME      moves it; the answer is its new address
 *   split NAME      breaks up its huge pages by protecting every second page
 *   fork            a child that exits at once
 *   exec            the program anew
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB  (1ul << 20)
#define HUGE (2 * MIB)

static struct region {
	const char *name;
	size_t size;
	bool huge;
	volatile char *mem;
} regions[] = {
	{ "hot", 16 * 4096, false, NULL }, { "hothuge", HUGE, true, NULL },
	{ "a", 4 * MIB, false, NULL },	   { "b", 4 * MIB, false, NULL },
	{ "c", 4 * MIB, false, NULL },	   { "huge", 4 * HUGE, true, NULL },
	{ "never", 8 * MIB, false, NULL },
};

#define REGIONS (sizeof(regions) / sizeof(regions[0]))

static size_t page_size;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void map(struct region *r)
{
	char *mem = mmap(NULL, r->size + 2 * HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	/* Each in a huge page's worth of its own, so that regions do not merge. */
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
	madvise(mem, r->size, r->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	mprotect(mem + r->size, page_size, PROT_NONE);
	memset(mem, 1, r->size);
	r->mem = mem;
}

static void touch(const struct region *r)
{
	for (size_t at = 0; at < r->size; at += page_size)
		(void)r->mem[at];
}

static void *keep_hot(void *unused)
{
	size_t at = 0;

	(void)unused;
	for (;;) {
		touch(&regions[0]);
		(void)regions[1].mem[at];
		at = (at + page_size) % HUGE;
	}
	return NULL;
}

static void remap(struct region *r)
{
	char *to = mmap(NULL, r->size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		die("mmap");
	to = (char *)(((uintptr_t)to + HUGE - 1) & ~(HUGE - 1));
	r->mem = mremap((void *)r->mem, r->size, r->size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (r->mem == MAP_FAILED)
		die("mremap");
	printf("%#lx\n", (unsigned long)r->mem);
}

static void split(struct region *r)
{
	for (size_t at = 0; at < r->size; at += HUGE)
		if (mprotect((char *)r->mem + at, page_size, PROT_READ))
			die("mprotect");
	puts("ok");
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	puts("ok");
}

static void obey(char *line, char **argv)
{
	char *verb = strtok(line, " \n"), *name = strtok(NULL, " \n");

	if (!strcmp(verb, "fork"))
		do_fork();
	else if (!strcmp(verb, "exec"))
		execv("/proc/self/exe", argv);
	for (size_t i = 0; name && i < REGIONS; i++) {
		if (strcmp(regions[i].name, name))
			continue;
		if (!strcmp(verb, "remap")) {
			remap(&regions[i]);
		} else if (!strcmp(verb, "split")) {
			split(&regions[i]);
		} else {
			touch(&regions[i]);
			puts("ok");
		}
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[64];
	pthread_t t;

	(void)argc;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < REGIONS; i++)
		map(&regions[i]);
	if (pthread_create(&t, NULL, keep_hot, NULL))
		die("pthread_create");
	for (size_t i = 0; i < REGIONS; i++)
		printf("%s %#lx %zu\n", regions[i].name, (unsigned long)regions[i].mem,
		       regions[i].size);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		obey(line, argv);
	return 0;
}
