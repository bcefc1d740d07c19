// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stack pointers from /proc/PID/task/TID/syscall (fs/proc/base.c:
 * proc_pid_syscall()): "running", or "NR ARGS… SP PC", or "-1 SP PC".
 */
#include "target/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int add(struct stack_pointers *s, size_t *cap, uint64_t sp)
{
	if (!sp) {
		s->unknown++;
		return 0;
	}
	if (s->n == *cap) {
		size_t grown = *cap ? 2 * *cap : 64;
		uint64_t *p = realloc(s->sp, grown * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->sp = p;
		*cap = grown;
	}
	s->sp[s->n++] = sp;
	return 0;
}

int stack_pointers_read(const struct target *t, struct stack_pointers *s)
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
			err = add(s, &cap, thread_sp(dirfd(task), d->d_name));
	closedir(task);
	if (s->n)
		qsort(s->sp, s->n, sizeof(*s->sp), by_address);
	return err;
}

void stack_pointers_free(struct stack_pointers *s)
{
	free(s->sp);
	*s = (struct stack_pointers){ 0 };
}
