/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One system call that changed the target's mappings, as the kernel tells it. Calls
 * that failed are not told.
 */
#ifndef FALLOW_TRACE_CALL_H
#define FALLOW_TRACE_CALL_H

#include <stdint.h>

enum call_kind {
	CALL_MMAP,
	CALL_MUNMAP,
	CALL_MREMAP,
	CALL_BRK,
	CALL_SHMAT,
	CALL_SHMDT,
	CALL_EXEC, /* its arguments are not told */
};

#define CALL_ARGS 6

struct call {
	uint64_t entered, left; /* CLOCK_MONOTONIC, ns */
	uint64_t arg[CALL_ARGS];
	uint64_t result;
	uint32_t kind; /* enum call_kind */
	uint32_t tid; /* in the target's own pid namespace */
};

#endif
