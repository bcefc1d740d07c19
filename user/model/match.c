// SPDX-License-Identifier: GPL-2.0-or-later
/* Matching of regions; see match.h. Takes O(n log n), whatever the records say. */
#include "model/match.h"

#include <stdlib.h>
#include <string.h>

/* Index of the match that a region is in, plus 1; 0: in none yet. */
struct side {
	const struct record_region *v;
	size_t n;
	size_t *in;
};

struct matcher {
	struct side before, now;
	struct match *m;
	size_t n;
	bool same_process;
};

static void join(struct match_side *s, const struct record_region *r)
{
	if (!s->first)
		s->first = r;
	s->n++;
	s->end = r->end;
	s->size += r->end - r->start;
	s->resident += r->resident;
	s->swapped = count_add(s->swapped, r->swapped);
}

static struct match *new_match(struct matcher *w)
{
	return &w->m[w->n++];
}

/* By what they map; a private mapping is not a shared one. */
static int compare_backing(const struct record_region *x, const struct record_region *y)
{
	int order = strcmp(x->name, y->name);

	if (!order)
		order = strcmp(x->dev, y->dev);
	if (!order && x->inode != y->inode)
		order = x->inode < y->inode ? -1 : 1;
	return order ? order : x->perms[3] - y->perms[3];
}

/* Whether both map the same thing at the same address. */
static bool is_same_memory(const struct record_region *x, const struct record_region *y)
{
	return !compare_backing(x, y) &&
	       (!x->inode || x->offset - x->start == y->offset - y->start);
}

/* Puts a region of each record into one match: that which has either, or a new one. */
static void unite(struct matcher *w, size_t i, size_t k)
{
	size_t at = w->before.in[i] ? w->before.in[i] : w->now.in[k];

	if (!at) {
		new_match(w);
		at = w->n;
	}
	if (!w->before.in[i])
		join(&w->m[at - 1].before, &w->before.v[i]);
	if (!w->now.in[k])
		join(&w->m[at - 1].now, &w->now.v[k]);
	w->before.in[i] = w->now.in[k] = at;
}

/*
 * A map that changed while it was read may have regions that overlap: past such a one
 * there is nothing to find by address.
 */
static size_t skip_overlapped(const struct side *s, size_t i)
{
	size_t next = i + 1;

	while (next < s->n && s->v[next].start < s->v[i].end)
		next++;
	return next;
}

static void match_by_address(struct matcher *w)
{
	size_t i = 0, k = 0;

	while (i < w->before.n && k < w->now.n) {
		const struct record_region *x = &w->before.v[i], *y = &w->now.v[k];

		if (x->start < y->end && y->start < x->end && is_same_memory(x, y))
			unite(w, i, k);
		if (x->end < y->end)
			i = skip_overlapped(&w->before, i);
		else
			k = skip_overlapped(&w->now, k);
	}
}

/* How strictly regions are compared that are not at the same address, in turn. */
enum pass {
	PASS_CONTENT, /* they map the same, are as long, and as much of them is resident */
	PASS_SIZE, /* ... but for the last */
	PASS_NAME, /* ... but for the last two; not what has no name */
	PASSES
};

struct leftover {
	const struct matcher *w;
	const struct side *side;
	enum pass pass;
};

static int compare_numbers(uint64_t x, uint64_t y)
{
	return x < y ? -1 : x > y;
}

/* Of two processes files are known by name: a copy has another number. */
static int compare_identity(const struct leftover *l, const struct record_region *x,
			    const struct record_region *y)
{
	int order = l->w->same_process ? compare_backing(x, y) : strcmp(x->name, y->name);

	if (!order)
		order = strcmp(x->perms, y->perms);
	if (!order)
		order = compare_numbers(!x->inode, !y->inode);
	if (!order && x->inode)
		order = compare_numbers(x->offset, y->offset);
	if (!order && l->pass <= PASS_SIZE)
		order = compare_numbers(x->end - x->start, y->end - y->start);
	if (!order && l->pass == PASS_CONTENT)
		order = compare_numbers(x->resident, y->resident);
	if (!order && l->pass == PASS_CONTENT)
		order = compare_numbers(x->swapped, y->swapped);
	return order;
}

static int by_identity(const void *a, const void *b, void *arg)
{
	const struct leftover *l = arg;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	int order = compare_identity(l, &l->side->v[i], &l->side->v[k]);

	return order ? order : compare_numbers(i, k);
}

/* The regions that are in no match, in order of what they are. */
static size_t leftovers(struct leftover *l, size_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < l->side->n; i++)
		if (!l->side->in[i] && (l->pass < PASS_NAME || l->side->v[i].name[0]))
			out[n++] = i;
	qsort_r(out, n, sizeof(*out), by_identity, l);
	return n;
}

/* Those that are alike are paired in order of their addresses. */
static void match_by_identity(struct matcher *w, enum pass pass, size_t *a, size_t *b)
{
	struct leftover l = { w, &w->before, pass }, r = { w, &w->now, pass };
	size_t na = leftovers(&l, a), nb = leftovers(&r, b);

	for (size_t i = 0, k = 0; i < na && k < nb;) {
		int order = compare_identity(&l, &w->before.v[a[i]], &w->now.v[b[k]]);

		if (!order) {
			unite(w, a[i], b[k]);
			w->m[w->n - 1].kind = MATCH_MOVED;
		}
		i += order <= 0;
		k += order >= 0;
	}
}

static void take_rest(struct matcher *w)
{
	for (size_t i = 0; i < w->before.n; i++)
		if (!w->before.in[i])
			join(&new_match(w)->before, &w->before.v[i]);
	for (size_t k = 0; k < w->now.n; k++)
		if (!w->now.in[k])
			join(&new_match(w)->now, &w->now.v[k]);
}

static enum match_kind kind_of(const struct match *m, bool same_process)
{
	if (!m->before.n)
		return MATCH_NEW;
	if (!m->now.n)
		return MATCH_GONE;
	if (m->kind == MATCH_MOVED && same_process)
		return MATCH_MOVED;
	if (m->before.n != m->now.n)
		return m->before.n < m->now.n ? MATCH_SPLIT : MATCH_MERGED;
	if (m->before.size == m->now.size)
		return MATCH_SAME;
	return m->before.size < m->now.size ? MATCH_GREW : MATCH_SHRANK;
}

static const struct record_region *place(const struct match *m)
{
	return m->now.first ? m->now.first : m->before.first;
}

static int growth_first(const void *a, const void *b)
{
	const struct match *x = a, *y = b;

	if (x->change != y->change)
		return x->change > y->change ? -1 : 1;
	return compare_numbers(place(x)->start, place(y)->start);
}

static void settle(struct matcher *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct match *m = &w->m[i];

		m->kind = kind_of(m, w->same_process);
		m->change = (int64_t)(m->now.resident - m->before.resident);
	}
	if (w->n)
		qsort(w->m, w->n, sizeof(*w->m), growth_first);
}

struct match *match_regions(const struct record *before, const struct record *now,
			    bool same_process, size_t *n)
{
	size_t all = before->nregions + now->nregions + 1;
	size_t *in = calloc(all, sizeof(*in)), *order = calloc(all, sizeof(*order));
	struct matcher w = {
		.before = { before->regions, before->nregions, in },
		.now = { now->regions, now->nregions, in ? in + before->nregions : NULL },
		.m = calloc(all, sizeof(*w.m)),
		.same_process = same_process,
	};

	if (in && order && w.m) {
		if (same_process)
			match_by_address(&w);
		for (enum pass p = 0; p < PASSES; p++)
			match_by_identity(&w, p, order, order + before->nregions);
		take_rest(&w);
		settle(&w);
	} else {
		free(w.m);
		w.m = NULL;
	}
	free(in);
	free(order);
	*n = w.n;
	return w.m;
}

const char *match_name(enum match_kind k)
{
	static const char *const names[MATCH_KINDS] = { "same",	 "grew",   "shrank",
							"split", "merged", "moved",
							"new",	 "gone" };

	return names[k];
}

bool match_changed(const struct match *m)
{
	return m->kind != MATCH_SAME || m->change ||
	       m->before.swapped != m->now.swapped ||
	       strcmp(m->before.first->perms, m->now.first->perms) != 0;
}
