/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which call stacks of a process map memory that stays mapped: each system call that
 * changes its mappings is followed for some time, whatever makes it.
 */
#ifndef FALLOW_TRACE_TRACE_H
#define FALLOW_TRACE_TRACE_H

#include <signal.h>
#include <time.h>

#include "error.h"
#include "target/target.h"
#include "trace/account.h"
#include "trace/stacks.h"
#include "trace/unwind.h"

#define TRACE_WARNINGS 8

enum trace_end {
	TRACE_TIME, /* was up */
	TRACE_SIGNAL,
	TRACE_TARGET, /* ended; what it had mapped then is what is mapped still */
};

struct trace {
	struct timespec time; /* of the begin */
	uint64_t duration_ns;
	enum trace_end end;
	struct unwinder unwinder;
	struct stacks stacks;
	struct account account;
	uint64_t lost; /* calls that were made, and not seen */
	uint64_t missed; /* at most so many more of them; mostly of other processes */
	uint64_t cut; /* calls of which the stack is not whole */
	uint64_t execs; /* other programs that the process has begun to run */
	uint32_t *order; /* stacks but STACK_OTHER, most still mapped first */
	uint32_t norder;
	char *warnings[TRACE_WARNINGS];
	size_t nwarnings;
};

/* How long, and what ends it before; @tick, if not NULL, is called now and then. */
struct trace_how {
	uint64_t for_ns;
	const volatile sig_atomic_t *stop;
	void (*tick)(uint64_t passed_ns, uint64_t for_ns, uint64_t calls);
	void (*begun)(void *arg); /* calls are followed from now on; may be NULL */
	void *arg;
};

/*
 * Takes a trace of @t, which is freed by trace_free() if this returned 0. @t must
 * outlive it. EXIT_DENIED where the kernel does not permit it.
 */
int trace_take(struct trace *tr, const struct target *t, const struct trace_how *how,
	       struct error *e);
void trace_free(struct trace *tr);

/* Something is known to be missing from its sums. */
bool trace_is_partial(const struct trace *tr);

#endif
