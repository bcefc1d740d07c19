// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disjoint ranges in a tree of tsearch(3); see spans.h. To the tree, ranges that
 * overlap are equal: a search for a range finds any that overlaps it.
 */
#include "trace/spans.h"

#include <search.h>
#include <stdlib.h>

static int by_place(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->end <= y->start)
		return -1;
	return x->start >= y->end;
}

static struct span *overlapping(const struct spans *s, uint64_t start, uint64_t end)
{
	struct span key = { .start = start, .end = end };
	void *node = tfind(&key, &s->root, by_place);

	return node ? *(struct span **)node : NULL;
}

const struct span *spans_find(const struct spans *s, uint64_t addr)
{
	return addr < UINT64_MAX ? overlapping(s, addr, addr + 1) : NULL;
}

/* A range where there is none. */
static bool insert(struct spans *s, uint64_t start, uint64_t end, uint64_t born,
		   uint32_t owner)
{
	struct span *new = s->n < SPANS_MAX ? malloc(sizeof(*new)) : NULL;

	if (!new)
		return false;
	*new = (struct span){ start, end, born, owner };
	if (!tsearch(new, &s->root, by_place)) {
		free(new);
		return false;
	}
	s->n++;
	s->changed(s->arg, owner, (int64_t)(end - start));
	return true;
}

/* @old without [start, end), of which it has a part. */
static void cut(struct spans *s, struct span *old, uint64_t start, uint64_t end)
{
	struct span was = *old;

	if (was.start >= start && was.end <= end) {
		tdelete(old, &s->root, by_place);
		free(old);
		s->n--;
		s->changed(s->arg, was.owner, -(int64_t)(was.end - was.start));
		return;
	}
	/* What becomes smaller in place stays in its place in the tree. */
	if (was.start < start)
		old->end = start;
	else
		old->start = end;
	s->changed(s->arg, was.owner,
		   (int64_t)(old->end - old->start) - (int64_t)(was.end - was.start));
	if (was.start < start && was.end > end)
		insert(s, end, was.end, was.born, was.owner);
}

/* Depth: that of the tree, for what is found is above all else of the range. */
void spans_remove(struct spans *s, uint64_t start, uint64_t end, uint64_t before)
{
	struct span *found;

	while (start < end && (found = overlapping(s, start, end))) {
		if (found->born <= before) {
			cut(s, found, start, end);
			continue;
		}
		if (found->start > start)
			spans_remove(s, start, found->start, before);
		start = found->end;
	}
}

bool spans_add(struct spans *s, uint64_t start, uint64_t end, uint64_t born,
	       uint32_t owner)
{
	if (start >= end)
		return true;
	spans_remove(s, start, end, UINT64_MAX);
	return insert(s, start, end, born, owner);
}

/* The first range in [start, end), or NULL. */
static const struct span *first_in(const struct spans *s, uint64_t start, uint64_t end)
{
	const struct span *first = NULL, *found;

	while (start < end && (found = overlapping(s, start, end))) {
		first = found;
		end = found->start;
	}
	return first;
}

bool spans_move(struct spans *s, uint64_t from, uint64_t to, uint64_t len,
		uint64_t before, uint64_t born)
{
	uint64_t at = from, end = from + len;
	const struct span *found;
	bool all = true;

	/* Kernels refuse such a move. */
	if (end < from || to + len < to || (to < end && from < to + len))
		return true;
	spans_remove(s, to, to + len, UINT64_MAX);
	while ((found = first_in(s, at, end))) {
		struct span part = *found;

		part.start = part.start > from ? part.start : from;
		part.end = part.end < end ? part.end : end;
		at = part.end;
		if (part.born > before)
			continue;
		spans_remove(s, part.start, part.end, before);
		all &= insert(s, part.start - from + to, part.end - from + to, born,
			      part.owner);
	}
	return all;
}

struct listing {
	struct span *to;
	size_t n;
};

static void list(const void *node, VISIT visit, void *arg)
{
	struct listing *l = arg;

	if (visit == postorder || visit == leaf)
		l->to[l->n++] = **(struct span *const *)node;
}

struct span *spans_list(const struct spans *s)
{
	struct listing l = { .to = malloc((s->n + 1) * sizeof(*l.to)) };

	if (l.to)
		twalk_r(s->root, list, &l);
	return l.to;
}

void spans_free(struct spans *s)
{
	tdestroy(s->root, free);
	s->root = NULL;
	s->n = 0;
}
