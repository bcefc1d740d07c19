// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The account against what is mapped at the end; see account.h. The look at the mappings
 * takes its time, and so does the process: what it maps and unmaps meanwhile is known.
 */
#include "trace/account.h"

#include <stdlib.h>

void known_add(struct known *k, uint64_t start, uint64_t end)
{
	if (!k->cap || start >= end)
		return;
	if (k->n == k->cap) {
		struct span *grown = realloc(k->range, 2 * k->cap * sizeof(*grown));

		if (!grown)
			return;
		k->range = grown;
		k->cap *= 2;
	}
	k->range[k->n++] = (struct span){ .start = start, .end = end };
}

void known_free(struct known *k)
{
	free(k->range);
	*k = (struct known){ .n = 0 };
}

void account_keep(struct account *a, const struct vma_list *then)
{
	struct span *list = spans_list(&a->spans);
	size_t n = list ? a->spans.n : 0;

	a->known.cap = then->n + n + 1;
	a->known.range = calloc(a->known.cap, sizeof(*a->known.range));
	if (!a->known.range)
		a->known.cap = 0;
	for (size_t i = 0; i < n; i++)
		known_add(&a->known, list[i].start, list[i].end);
	for (size_t i = 0; i < then->n; i++)
		known_add(&a->known, then->v[i].start, then->v[i].end);
	free(list);
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* By address, and disjoint. */
static void put_in_order(struct known *k)
{
	size_t n = 0;

	if (k->n)
		qsort(k->range, k->n, sizeof(*k->range), by_start);
	for (size_t i = 0; i < k->n; i++) {
		struct span *last = n ? &k->range[n - 1] : NULL;

		if (!last || k->range[i].start > last->end)
			k->range[n++] = k->range[i];
		else if (k->range[i].end > last->end)
			last->end = k->range[i].end;
	}
	k->n = n;
}

/*
 * How much of [start, end) no range of @r has, which are in order; *@i is where to begin,
 * and is moved on for a later @start.
 */
static uint64_t without(const struct span *r, size_t n, size_t *i, uint64_t start,
			uint64_t end)
{
	uint64_t sum = 0;

	while (*i < n && r[*i].end <= start)
		++*i;
	for (size_t k = *i; k < n && start < end && r[k].start < end; k++) {
		sum += r[k].start > start ? r[k].start - start : 0;
		start = r[k].end;
	}
	return sum + (start < end ? end - start : 0);
}

static void correct(struct account *a, const struct known *now, uint64_t looked)
{
	struct span *list = spans_list(&a->spans);
	size_t at = 0;

	for (size_t i = 0; list && i < a->spans.n; i++) {
		uint64_t gone =
			without(now->range, now->n, &at, list[i].start, list[i].end);

		if (list[i].born >= looked)
			continue;
		a->stacks->stack[list[i].owner]->still -= (int64_t)gone;
		a->corrected += gone;
	}
	free(list);
}

void account_settle(struct account *a, const struct vma_list *now, uint64_t looked)
{
	struct known mapped = { .cap = now->n + 1 };
	size_t at = 0;

	mapped.range = calloc(mapped.cap, sizeof(*mapped.range));
	if (!mapped.range)
		return;
	for (size_t i = 0; i < now->n; i++)
		known_add(&mapped, now->v[i].start, now->v[i].end);
	put_in_order(&a->known);
	for (size_t i = 0; i < mapped.n; i++)
		a->unseen += without(a->known.range, a->known.n, &at,
				     mapped.range[i].start, mapped.range[i].end);
	correct(a, &mapped, looked);
	known_free(&mapped);
}
