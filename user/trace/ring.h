/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf's ring buffers, one a CPU, and what the hooks put there: a call, the registers
 * and the stack of who made it (include/uapi/linux/perf_event.h).
 */
#ifndef FALLOW_TRACE_RING_H
#define FALLOW_TRACE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "trace/call.h"

/* Of a stack that much is copied, from the stack pointer up. */
#define STACK_COPY 16384

struct ring {
	int fd;
	uint32_t cpu;
	void *base; /* a page of control, then @size bytes of data */
	size_t size; /* a power of two */
};

struct rings {
	struct ring *ring;
	size_t n;
	uint32_t last_cpu;
	void *record; /* one that lies across a ring's end, put together */
};

/* The registers of x86-64 or arm64 that an unwinder begins with, by DWARF's numbers. */
#define SAMPLE_REGS 33

struct sample {
	struct call call;
	bool has_regs;
	uint64_t pc, sp;
	uint64_t regs[SAMPLE_REGS];
	const void *stack; /* from @sp on; may be unaligned */
	size_t stack_len;
};

/* The number of @regs that this machine has. */
extern const unsigned int sample_nregs;

int rings_open(struct rings *r, struct error *e);
void rings_close(struct rings *r);

/* Nothing comes into the rings any more. */
void rings_stop(struct rings *r);

/*
 * Hands over all that is in the rings by now, those of one CPU in the order in which
 * they came; @take copies what it wants to keep.
 */
void rings_read(struct rings *r, void (*take)(void *arg, const struct sample *s),
		void *arg);

#endif
