/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a process' threads have their stacks, and their stack pointers. */
#ifndef FALLOW_THREADS_H
#define FALLOW_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "target/target.h"

/* The stack of a thread, by its own record: [start, end), without its guard. */
struct stack_block {
	uint64_t start, end;
	uint64_t sp; /* start < sp < end */
};

struct stack_pointers {
	uint64_t *sp; /* ascending */
	size_t n;
	size_t unknown; /* threads that were running on a CPU each time they were asked */
	struct stack_block *block; /* of threads of which it is known; ascending, apart */
	size_t nblocks;
};

/*
 * Reads /proc/PID/task/TID/syscall of every thread, which tells the stack
 * pointer of one that is not running; and of glibc's threads, which stack they have.
 * Returns 0 or -errno.
 */
int stack_pointers_read(struct target *t, struct stack_pointers *s);
void stack_pointers_free(struct stack_pointers *s);

#endif
