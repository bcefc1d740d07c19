// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stack pointers from /proc/PID/task/TID/syscall (fs/proc/base.c:
 * proc_pid_syscall()): "running", or "NR ARGS… SP PC", or "-1 SP PC".
 *
 * The stack that a thread was given is in glibc's struct pthread, which is at its top. The
 * kernel knows where: each thread registers its list of robust mutexes, whose head is in
 * that struct (nptl/descr.h, nptl/pthread_create.c). Nobody else's memory says where a
 * stack ends that is one mapping with its neighbours.
 */
#include "target/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/small.h"

#define TRIES 3

/* The last but one word of the line. */
static uint64_t parse_sp(char *line)
{
	char *pc = strrchr(line, ' ');
	char *sp;

	if (!pc)
		return 0;
	*pc = '\0';
	sp = strrchr(line, ' ');
	return sp ? strtoull(sp + 1, NULL, 16) : 0;
}

/* 0: not to be had. */
static uint64_t thread_sp(int task, const char *tid)
{
	char path[300], line[256];

	snprintf(path, sizeof(path), "%s/syscall", tid);
	for (int i = 0; i < TRIES; i++) {
		if (small_read(task, path, line, sizeof(line)) <= 0)
			return 0;
		if (strncmp(line, "running", 7))
			return parse_sp(line);
	}
	return 0;
}

/*
 * What comes after the head in struct pthread (nptl/descr.h): stackblock, stackblock_size
 * and guardsize, in that order in all versions; how far behind depends on the version, and
 * is found by what they must be.
 */
#define BEHIND_HEAD  2048
#define RECORD_WORDS (BEHIND_HEAD / sizeof(uint64_t))
#define LOWEST	     (64u << 10) /* vm.mmap_min_addr */
#define LARGEST	     (1ull << 40)
#define SMALLEST     16384u /* PTHREAD_STACK_MIN */
#define ABOVE_HEAD   (64u << 10) /* the struct's rest, and what aligns it */
#define BLOCK_WORDS  3

/* The words at @block are those of a stack with @sp, at the top of which is @head. */
static bool is_block(const uint64_t *block, uint64_t head, uint64_t sp)
{
	uint64_t start = block[0], size = block[1], guard = block[2];

	return start >= LOWEST && size >= SMALLEST && size < LARGEST && guard < size &&
	       start < sp && guard < sp - start && sp < head && start + size > head &&
	       start + size - head <= ABOVE_HEAD;
}

/* What is behind @head, up to the end of its page, and beyond if that is resident. */
static void read_record(struct target *t, uint64_t head, uint64_t record[RECORD_WORDS])
{
	size_t page = t->reader.page_size, first = page - head % page;

	memset(record, 0, BEHIND_HEAD);
	if (first >= BEHIND_HEAD) {
		if (reader_read(&t->reader, head, record, BEHIND_HEAD))
			memset(record, 0, BEHIND_HEAD);
		return;
	}
	if (reader_read(&t->reader, head, record, first))
		memset(record, 0, first);
	if (reader_read(&t->reader, head + first, (char *)record + first,
			BEHIND_HEAD - first))
		memset((char *)record + first, 0, BEHIND_HEAD - first);
}

/* False: it has no such record, or none that holds. */
static bool find_block(struct target *t, long tid, uint64_t sp, struct stack_block *b)
{
	uint64_t record[RECORD_WORDS], head = 0;
	size_t len;

	if (!sp || syscall(SYS_get_robust_list, tid, &head, &len) || head < LOWEST ||
	    head % sizeof(uint64_t) || head > UINT64_MAX - LARGEST)
		return false;
	read_record(t, head, record);
	for (size_t i = 0; i + BLOCK_WORDS <= RECORD_WORDS; i++) {
		if (!is_block(&record[i], head, sp))
			continue;
		*b = (struct stack_block){ .start = record[i] + record[i + 2],
					   .end = record[i] + record[i + 1],
					   .sp = sp };
		return true;
	}
	return false;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_start(const void *a, const void *b)
{
	const struct stack_block *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Room for one more of both. */
static int grow(struct stack_pointers *s, size_t *cap)
{
	size_t grown = *cap ? 2 * *cap : 64;
	uint64_t *sp = realloc(s->sp, grown * sizeof(*sp));
	struct stack_block *block;

	if (!sp)
		return -ENOMEM;
	s->sp = sp;
	block = realloc(s->block, grown * sizeof(*block));
	if (!block)
		return -ENOMEM;
	s->block = block;
	*cap = grown;
	return 0;
}

static int add(struct stack_pointers *s, size_t *cap, struct target *t, int task,
	       const char *tid)
{
	uint64_t sp = thread_sp(task, tid);

	if (!sp) {
		s->unknown++;
		return 0;
	}
	if (s->n == *cap && grow(s, cap))
		return -ENOMEM;
	s->sp[s->n++] = sp;
	if (find_block(t, strtol(tid, NULL, 10), sp, &s->block[s->nblocks]))
		s->nblocks++;
	return 0;
}

/* Two stacks have nothing in common: records that say so are not believed, but the first. */
static void keep_apart(struct stack_pointers *s)
{
	size_t kept = 0;

	if (s->nblocks)
		qsort(s->block, s->nblocks, sizeof(*s->block), by_start);
	for (size_t i = 0; i < s->nblocks; i++)
		if (!kept || s->block[kept - 1].end <= s->block[i].start)
			s->block[kept++] = s->block[i];
	s->nblocks = kept;
}

int stack_pointers_read(struct target *t, struct stack_pointers *s)
{
	DIR *task = small_folder(t->dir, "task");
	struct dirent *d;
	size_t cap = 0;
	int err = 0;

	*s = (struct stack_pointers){ 0 };
	if (!task)
		return -ESRCH;
	while (!err && (d = readdir(task)))
		if (d->d_name[0] != '.')
			err = add(s, &cap, t, dirfd(task), d->d_name);
	closedir(task);
	if (s->n)
		qsort(s->sp, s->n, sizeof(*s->sp), by_address);
	keep_apart(s);
	return err;
}

void stack_pointers_free(struct stack_pointers *s)
{
	free(s->sp);
	free(s->block);
	*s = (struct stack_pointers){ 0 };
}
