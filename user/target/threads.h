/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a process' threads have their stack pointers. */
#ifndef FALLOW_THREADS_H
#define FALLOW_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "target/target.h"

struct stack_pointers {
	uint64_t *sp; /* ascending */
	size_t n;
	size_t unknown; /* threads that were running on a CPU each time they were asked */
};

/*
 * Reads /proc/PID/task/TID/syscall of every thread, which tells the stack
 * pointer of one that is not running. Returns 0 or -errno.
 */
int stack_pointers_read(const struct target *t, struct stack_pointers *s);
void stack_pointers_free(struct stack_pointers *s);

#endif
