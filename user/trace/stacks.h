/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The call stacks that were seen, each once, with what is known of its frames. Their
 * number is limited: what is beyond is put to the account of stack 0, which has no frames.
 */
#ifndef FALLOW_TRACE_STACKS_H
#define FALLOW_TRACE_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/unwind.h"

#define STACKS_MAX 16384
#define FRAMES_MAX 32768

#define STACK_OTHER 0

struct frame {
	uint64_t pc; /* innermost: of the system call; else where a call returns to */
	bool returns;
	const char *function; /* raw, as the file has it; NULL: unknown */
	const char *readable; /* demangled; NULL: function is what the source has */
	uint64_t function_offset;
	const char *module; /* raw; NULL: none */
	bool has_offset;
	uint64_t offset; /* in the file's own addresses */
};

struct stack {
	/* Bytes: mapped by its calls, unmapped by its calls, of the former not unmapped. */
	uint64_t calls, mapped, unmapped;
	int64_t still;
	uint32_t id;
	bool whole;
	uint32_t n;
	uint32_t frame[]; /* innermost first */
};

struct stacks {
	struct unwinder *unwinder;
	struct stack *stack[STACKS_MAX];
	uint32_t n;
	struct frame *frame;
	uint32_t nframes;
	void *by_frames, *by_pc, *strings; /* tsearch(3) */
	struct memo *memo;
};

/* Returns 0 or -ENOMEM. */
int stacks_open(struct stacks *st, struct unwinder *u);
void stacks_close(struct stacks *st);

/* The name of its function to be shown, raw; NULL: unknown. */
const char *frame_name(const struct frame *f);

/* Which stack a sample has: STACK_OTHER if it cannot be kept. */
uint32_t stacks_find(struct stacks *st, const struct sample *s);

/* What is at an address may have become something else. */
void stacks_stale(struct stacks *st);

#endif
