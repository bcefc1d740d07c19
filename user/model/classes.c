// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/classes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int classes_begin(struct classes *c, struct heap *h)
{
	memset(c, 0, sizeof(*c));
	c->heap = h;
	h->nclasses = 0;
	h->classes = calloc(CLASSES_MAX, sizeof(*h->classes));
	return h->classes ? 0 : -ENOMEM;
}

/* The index of the class of @size. Should there be too many, the last one has the rest. */
static size_t index_of(struct classes *c, uint64_t size)
{
	struct heap *h = c->heap;
	size_t at = (size * 0x9e3779b97f4a7c15ull) >> 32;

	for (;; at++) {
		uint16_t *slot = &c->slot[at % CLASSES_HASH];

		if (*slot && h->classes[*slot - 1].size == size)
			return *slot - 1u;
		if (*slot)
			continue;
		if (h->nclasses == CLASSES_MAX)
			return CLASSES_MAX - 1;
		h->classes[h->nclasses].size = size;
		*slot = (uint16_t)++h->nclasses;
		return *slot - 1u;
	}
}

void classes_take(struct classes *c, const struct extent *x, uint64_t bytes, bool on_page)
{
	size_t i;

	if (!x->size)
		return;
	i = index_of(c, x->size);
	if (x->kind == EXTENT_LIVE) {
		c->heap->classes[i].live += bytes;
		return;
	}
	c->heap->classes[i].free += bytes;
	if (!on_page)
		return;
	if (!c->free[i])
		c->touched[c->ntouched++] = (uint16_t)i;
	c->free[i] += (uint32_t)bytes;
}

void classes_strand(struct classes *c, uint64_t pages)
{
	for (size_t k = 0; k < c->ntouched; k++)
		c->heap->classes[c->touched[k]].stranded +=
			c->free[c->touched[k]] * pages;
}

void classes_turn(struct classes *c)
{
	for (size_t k = 0; k < c->ntouched; k++)
		c->free[c->touched[k]] = 0;
	c->ntouched = 0;
}

static int by_size(const void *a, const void *b)
{
	const struct heap_class *x = a, *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

void classes_end(struct classes *c)
{
	struct heap *h = c->heap;

	if (h->nclasses)
		qsort(h->classes, h->nclasses, sizeof(*h->classes), by_size);
}
