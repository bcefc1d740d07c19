// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where tcmalloc has its own records: the leaves of the page map, the spans' records
 * that these lead to, those that were given up included, and threads' caches. They lie
 * in regions of whole pages that hold nothing else (common.cc: MetaDataAlloc()), so
 * that a page with one record in it is tcmalloc's as a whole.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/emit.h"

#define SEEN	   65536u
#define META_MAX   (1u << 20) /* ranges */
#define CACHE_SIZE 4160u /* sizeof(ThreadCache), aligned to 64 */

struct meta {
	struct gp_visitor visitor;
	struct gperftools *g;
	uint64_t page; /* bytes in a page */
	uint64_t seen[SEEN]; /* pages with records, of which each is met many times */
};

static int by_start(const void *a, const void *b)
{
	const struct gp_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void sort_ranges(struct gperftools *g)
{
	size_t n = 0;

	if (g->nmeta)
		qsort(g->meta, g->nmeta, sizeof(*g->meta), by_start);
	for (size_t i = 0; i < g->nmeta; i++) {
		struct gp_range *last = n ? &g->meta[n - 1] : NULL, r = g->meta[i];

		if (last && r.start <= last->end)
			last->end = r.end > last->end ? r.end : last->end;
		else
			g->meta[n++] = r;
	}
	g->nmeta = n;
}

/* Takes up the pages of [start, end). */
static int take_range(struct meta *m, uint64_t start, uint64_t end)
{
	struct gperftools *g = m->g;
	struct gp_range *last = g->nmeta ? &g->meta[g->nmeta - 1] : NULL;

	start -= start % m->page;
	end = (end + m->page - 1) / m->page * m->page;
	if (last && last->start <= start && start <= last->end) {
		last->end = end > last->end ? end : last->end;
		return 0;
	}
	if (g->nmeta == META_MAX)
		sort_ranges(g);
	/* So many that do not join are forged. */
	if (g->nmeta == META_MAX) {
		heap_incomplete(g->heap, "records are all over the memory");
		return 0;
	}
	if (!grow(&g->meta, &g->meta_cap, g->nmeta, sizeof(*g->meta)))
		return -ENOMEM;
	g->meta[g->nmeta++] = (struct gp_range){ start, end };
	return 0;
}

static int take_entry(struct gp_visitor *v, const struct gp_entry *e, uint64_t last_page)
{
	struct meta *m = (struct meta *)v;
	uint64_t page = e->record / m->page;
	uint64_t last = (e->record + SPAN_SIZE - 1) / m->page;

	(void)last_page;
	if (m->seen[page % SEEN] == page && m->seen[last % SEEN] == last)
		return 0;
	m->seen[page % SEEN] = page;
	m->seen[last % SEEN] = last;
	return take_range(m, e->record, e->record + SPAN_SIZE);
}

static int take_leaf(struct gp_visitor *v, uint64_t start, uint64_t end)
{
	return take_range((struct meta *)v, start, end);
}

static bool all_agree(struct gp_visitor *v, const struct gp_page *p)
{
	(void)v;
	(void)p;
	return true;
}

static int take_absent(struct gp_visitor *v, uint64_t start, uint64_t end)
{
	(void)v;
	(void)start;
	(void)end;
	return 0;
}

int gp_find_meta(struct gperftools *g)
{
	struct meta *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->visitor = (struct gp_visitor){ false, all_agree, take_entry, take_leaf,
					  take_absent };
	m->g = g;
	m->page = g->src->target->reader.page_size;
	g->nmeta = 0;
	err = gp_walk_map(g, &m->visitor);
	for (size_t i = 0; (!err || err == -EPROTO) && i < g->ncaches; i++)
		err = take_range(m, g->caches[i], g->caches[i] + CACHE_SIZE);
	sort_ranges(g);
	free(m);
	/* That the map does not end is told by the walk that decodes it. */
	return err == -EPROTO ? 0 : err;
}
