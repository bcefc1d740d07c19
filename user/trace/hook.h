/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks in the kernel's tracepoints of system calls: small BPF programs that let one
 * process alone through, whichever of its threads calls, and hand each call to perf's
 * ring buffers with the caller's registers and a copy of its stack.
 *
 * A program sees the calls of all CPUs and of threads that do not exist yet, so that
 * what is open does not grow with the target. Other users of the same tracepoints
 * notice nothing.
 */
#ifndef FALLOW_TRACE_HOOK_H
#define FALLOW_TRACE_HOOK_H

#include <stdint.h>

#include "error.h"
#include "target/target.h"
#include "trace/ring.h"

#define HOOKS_MAX 48

struct hooks {
	int calls; /* map: calls that were entered, by thread */
	int output; /* map: a ring a CPU */
	int lost; /* map: one number */
	struct hook {
		int event, program;
		unsigned int point; /* several may be at the same tracepoint */
	} hook[HOOKS_MAX];
	unsigned int n;
};

/*
 * From its return on, calls of @t arrive in @rings. EXIT_DENIED if the kernel does not
 * let the caller, or has no such tracepoints.
 */
int hooks_open(struct hooks *h, const struct target *t, const struct rings *rings,
	       struct error *e);

void hooks_close(struct hooks *h);

/* Calls until now that did not get into a ring, because it was full or its CPU has none. */
uint64_t hooks_lost(const struct hooks *h);

/*
 * How many more may have been lost, at most: the kernel runs no program on a CPU while
 * another is under way there. Calls of other processes count also.
 */
uint64_t hooks_missed(const struct hooks *h);

#endif
