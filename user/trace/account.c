// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What each system call does to the mappings, by its arguments and result (mmap(2),
 * mremap(2), brk(2), shmat(2), Linux 6.12).
 *
 * A call is told when it ends, which is some time after it took effect, and others may
 * have got its addresses meanwhile. They were born after it began: what unmaps, takes
 * nothing from those.
 */
#include "trace/account.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif

#define HUGE_SHIFT 26 /* MAP_HUGE_SHIFT */
#define HUGE_MASK  0x3f

static void changed(void *arg, uint32_t owner, int64_t bytes)
{
	struct stacks *st = arg;

	st->stack[owner]->still += bytes;
}

void account_open(struct account *a, struct stacks *stacks, uint64_t page_size)
{
	*a = (struct account){ .stacks = stacks,
			       .page_size = page_size,
			       .huge_size = page_size,
			       .spans = { .changed = changed, .arg = stacks } };
}

void account_close(struct account *a)
{
	known_free(&a->known);
	spans_free(&a->spans);
}

static uint64_t round_up(uint64_t n, uint64_t size)
{
	return (n + size - 1) & ~(size - 1);
}

static void add(struct account *a, uint64_t start, uint64_t len, const struct call *c,
		uint32_t stack)
{
	a->stacks->stack[stack]->mapped += len;
	a->mapped += len;
	known_add(&a->known, start, start + len);
	if (!spans_add(&a->spans, start, start + len, c->left, stack))
		a->unplaced += len;
}

static void take(struct account *a, uint64_t start, uint64_t len, const struct call *c,
		 uint32_t stack)
{
	a->stacks->stack[stack]->unmapped += len;
	a->unmapped += len;
	spans_remove(&a->spans, start, start + len, c->entered);
}

static uint64_t mmap_size(const struct account *a, const struct call *c)
{
	uint64_t flags = c->arg[3], shift = flags >> HUGE_SHIFT & HUGE_MASK;

	if (!(flags & MAP_HUGETLB) || !(flags & MAP_ANONYMOUS))
		return round_up(c->arg[1], a->page_size);
	return round_up(c->arg[1], shift ? 1ull << shift : a->huge_size);
}

static void on_mremap(struct account *a, const struct call *c, uint32_t stack)
{
	uint64_t from = c->arg[0], to = c->result;
	uint64_t was = round_up(c->arg[1], a->page_size);
	uint64_t is = round_up(c->arg[2], a->page_size);
	uint64_t kept = was < is ? was : is;

	/* The old mapping stays, of old the one that is shared, and there is another. */
	if (!was || c->arg[3] & MREMAP_DONTUNMAP) {
		add(a, to, is, c, stack);
		return;
	}
	if (is < was)
		take(a, from + is, was - is, c, stack);
	if (to != from) {
		known_add(&a->known, to, to + kept);
		if (!spans_move(&a->spans, from, to, kept, c->entered, c->left))
			a->unplaced += kept;
	}
	if (is > was)
		add(a, to + was, is - was, c, stack);
}

/* Returns the break that there is, changed or not. */
static void on_brk(struct account *a, const struct call *c, uint32_t stack)
{
	uint64_t now = round_up(c->result, a->page_size), was = a->brk;

	a->brk = now;
	if (was && now > was)
		add(a, was, now - was, c, stack);
	else if (now < was)
		take(a, now, was - now, c, stack);
}

static void on_shmat(struct account *a, const struct call *c, uint32_t stack)
{
	if (c->arg[1])
		add(a, c->result, c->arg[1], c, stack);
	else
		a->unsized++;
}

static void on_shmdt(struct account *a, const struct call *c, uint32_t stack)
{
	const struct span *s = spans_find(&a->spans, c->arg[0]);

	if (s && s->start == c->arg[0])
		take(a, s->start, s->end - s->start, c, stack);
}

/* Another program has begun; nothing of the old one is left. */
static void on_exec(struct account *a, const struct call *c)
{
	spans_remove(&a->spans, 0, UINT64_MAX, c->left);
	a->brk = 0;
}

void account_call(struct account *a, const struct call *c, uint32_t stack)
{
	uint64_t len;

	a->calls++;
	a->stacks->stack[stack]->calls++;
	switch (c->kind) {
	case CALL_MMAP:
		len = mmap_size(a, c);
		add(a, c->result, len, c, stack);
		break;
	case CALL_MUNMAP:
		len = round_up(c->arg[1], a->page_size);
		take(a, c->arg[0], len, c, stack);
		break;
	case CALL_MREMAP:
		on_mremap(a, c, stack);
		break;
	case CALL_BRK:
		on_brk(a, c, stack);
		break;
	case CALL_SHMAT:
		on_shmat(a, c, stack);
		break;
	case CALL_SHMDT:
		on_shmdt(a, c, stack);
		break;
	default:
		on_exec(a, c);
	}
}
