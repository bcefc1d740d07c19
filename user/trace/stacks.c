// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stack is known by its frames, a frame by its address as long as the same code is
 * mapped there. To unwind takes long, so that samples that would unwind in the same way
 * are known by their fingerprint.
 */
#include "trace/stacks.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "trace/demangle.h"

#define MEMO	 65536 /* a power of two */
#define NAME_LEN 1024 /* of a longer name, that much */

struct memo {
	uint64_t fingerprint;
	uint32_t stack;
	bool used;
};

struct address {
	uint64_t pc;
	bool returns;
	uint32_t frame;
};

static int by_frames(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	if (x->whole != y->whole)
		return x->whole ? -1 : 1;
	return memcmp(x->frame, y->frame, x->n * sizeof(x->frame[0]));
}

static int by_address(const void *a, const void *b)
{
	const struct address *x = a, *y = b;

	if (x->pc != y->pc)
		return x->pc < y->pc ? -1 : 1;
	return (int)x->returns - (int)y->returns;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep(void *node)
{
	(void)node;
}

int stacks_open(struct stacks *st, struct unwinder *u)
{
	*st = (struct stacks){ .unwinder = u };
	st->frame = calloc(FRAMES_MAX, sizeof(*st->frame));
	st->memo = calloc(MEMO, sizeof(*st->memo));
	st->stack[STACK_OTHER] = calloc(1, sizeof(struct stack));
	st->n = 1;
	if (st->frame && st->memo && st->stack[STACK_OTHER])
		return 0;
	stacks_close(st);
	return -ENOMEM;
}

void stacks_stale(struct stacks *st)
{
	tdestroy(st->by_pc, free);
	st->by_pc = NULL;
	memset(st->memo, 0, MEMO * sizeof(*st->memo));
}

void stacks_close(struct stacks *st)
{
	tdestroy(st->by_frames, keep);
	tdestroy(st->by_pc, free);
	tdestroy(st->strings, free);
	for (uint32_t i = 0; i < st->n; i++)
		free(st->stack[i]);
	free(st->frame);
	free(st->memo);
	*st = (struct stacks){ .n = 0 };
}

/* One copy of each text. NULL for NULL, and without memory. */
static const char *intern(struct stacks *st, const char *text)
{
	char *copy = text ? strndup(text, NAME_LEN) : NULL;
	char **node = copy ? tsearch(copy, &st->strings, by_text) : NULL;

	if (!node || *node != copy)
		free(copy);
	return node ? *node : NULL;
}

static const char *readable(struct stacks *st, const char *function)
{
	char name[NAME_LEN];

	return function && demangle(function, name, sizeof(name)) ? intern(st, name)
								  : NULL;
}

const char *frame_name(const struct frame *f)
{
	return f->readable ? f->readable : f->function;
}

static struct frame *new_frame(struct stacks *st, uint64_t pc, bool returns)
{
	struct frame *f;
	struct place p;

	if (st->nframes == FRAMES_MAX)
		return NULL;
	unwinder_place(st->unwinder, pc, returns, &p);
	f = &st->frame[st->nframes++];
	*f = (struct frame){ .pc = pc,
			     .returns = returns,
			     .function = intern(st, p.function),
			     .readable = readable(st, p.function),
			     .function_offset = p.function_offset,
			     .module = intern(st, p.module),
			     .has_offset = p.has_offset,
			     .offset = p.offset };
	return f;
}

static bool find_frame(struct stacks *st, uint64_t pc, bool returns, uint32_t *id)
{
	struct address key = { .pc = pc, .returns = returns }, *new;
	void *node = tfind(&key, &st->by_pc, by_address);
	struct frame *f;

	if (node) {
		*id = (*(struct address **)node)->frame;
		return true;
	}
	f = new_frame(st, pc, returns);
	new = f ? malloc(sizeof(*new)) : NULL;
	if (!new)
		return false;
	key.frame = (uint32_t)(f - st->frame);
	*new = key;
	if (!tsearch(new, &st->by_pc, by_address)) {
		free(new);
		return false;
	}
	*id = key.frame;
	return true;
}

/* The stack with these frames; @s becomes it, or is freed. */
static uint32_t find_stack(struct stacks *st, struct stack *s)
{
	struct stack **node = tsearch(s, &st->by_frames, by_frames);

	if (node && *node != s) {
		free(s);
		return (*node)->id;
	}
	if (node && st->n < STACKS_MAX) {
		s->id = st->n;
		st->stack[st->n++] = s;
		return s->id;
	}
	if (node)
		tdelete(s, &st->by_frames, by_frames);
	free(s);
	return STACK_OTHER;
}

static uint32_t unwind(struct stacks *st, const struct sample *sample)
{
	struct unwound u;
	struct stack *s;

	unwinder_unwind(st->unwinder, sample, &u);
	s = calloc(1, sizeof(*s) + u.n * sizeof(s->frame[0]));
	if (!s || !u.n) {
		free(s);
		return STACK_OTHER;
	}
	s->whole = u.whole;
	s->n = (uint32_t)u.n;
	for (size_t i = 0; i < u.n; i++) {
		if (!find_frame(st, u.pc[i], i > 0, &s->frame[i])) {
			free(s);
			return STACK_OTHER;
		}
	}
	return find_stack(st, s);
}

uint32_t stacks_find(struct stacks *st, const struct sample *s)
{
	uint64_t fingerprint = unwinder_fingerprint(st->unwinder, s);
	struct memo *m = &st->memo[fingerprint % MEMO];

	if (m->used && m->fingerprint == fingerprint)
		return m->stack;
	*m = (struct memo){ fingerprint, unwind(st, s), true };
	return m->stack;
}
