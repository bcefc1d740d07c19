// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gperftools' tcmalloc: joins what the other gperftools_*.c find into extents, and
 * foretells MallocExtension's ReleaseFreeMemory() to the page: it gives back the spans
 * that are free and mapped still (page_heap.cc: ReleaseAtLeastNPages()), and nothing
 * that lies within spans in use.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/decoder.h"
#include "heap/emit.h"

#define WHOSE "tcmalloc's"

#define LOOKS_MAX 3 /* at what made no sense */

/* Of a quick look: what the spans of a class have, of which no objects are known. */
struct doubt {
	uint64_t used; /* objects that are not on a span's list: some are in caches */
	uint64_t free; /* bytes */
	uint64_t pages; /* bytes of pages that these may fill */
};

/* The walk's result on its way to the sink. */
struct join {
	struct gp_visitor visitor;
	struct gperftools *g;
	struct emitter out;
	uint64_t page; /* bytes in a page of the system's */
	uint64_t at; /* all below is told */
	uint64_t next; /* number of the page at which the last span ends */
	uint64_t lost, lost_end; /* pages whose record made no sense; equal: none */
	bool lost_torn; /* because it changed */
	bool missed; /* what is before was not resident: see take_entry() */
	size_t meta; /* the first range of records that is not told */
	size_t mark; /* the first cached object that is not below the walk */
	uint64_t start; /* what data begins with */
	size_t len;
	uint8_t data[READER_WINDOW];
	uint8_t present[READER_WINDOW_PAGES];
	uint8_t kind[GP_OBJECTS_MAX]; /* of a span's objects */
	bool quick; /* no list of objects is followed */
	struct doubt doubt[GP_CLASSES_MAX];
};

static int emit_as(struct join *k, enum extent_kind kind, uint64_t start, uint64_t end)
{
	if (start < k->at)
		start = k->at;
	if (start >= end)
		return 0;
	k->at = end;
	return emit(&k->out, 0, kind, start, end);
}

/* Records that are below @addr. */
static int emit_meta(struct join *k, uint64_t addr)
{
	const struct gperftools *g = k->g;
	int err = 0;

	for (; !err && k->meta < g->nmeta && g->meta[k->meta].start < addr; k->meta++) {
		const struct gp_range *r = &g->meta[k->meta];

		err = emit_as(k, EXTENT_META, r->start, r->end < addr ? r->end : addr);
		/* The rest is for when what is at @addr is told. */
		if (r->end > addr)
			break;
	}
	return err;
}

/* [start, end), as far as it is mapped and not told yet. */
static int emit_unread(struct join *k, uint64_t start, uint64_t end)
{
	const struct gperftools *g = k->g;
	int err = emit_meta(k, start);

	for (size_t i = gp_run_above(g, start);
	     !err && i < g->nruns && g->runs[i].start < end; i++) {
		const struct gp_range *r = &g->runs[i];

		err = emit_as(k, EXTENT_UNREAD, r->start > start ? r->start : start,
			      r->end < end ? r->end : end);
	}
	return err;
}

static int emit_lost(struct join *k)
{
	const unsigned int shift = k->g->map.shift;
	uint64_t start = k->lost << shift, end = k->lost_end << shift;

	if (start == end)
		return 0;
	if (k->lost_torn) {
		heap_incomplete(k->g->heap, "the heap changed while it was read");
		k->g->heap->torn += end - start;
	} else {
		heap_absent(k->g->heap);
	}
	k->lost = k->lost_end = 0;
	k->lost_torn = false;
	return emit_unread(k, start, end);
}

/* The system's pages may be larger than tcmalloc's: only whole ones are given back. */
static int emit_free(struct join *k, uint64_t start, uint64_t end)
{
	uint64_t from = (start + k->page - 1) / k->page * k->page;
	uint64_t to = end - end % k->page;
	int err;

	k->g->heap->own_free += end - start;
	if (from >= to)
		return emit_as(k, EXTENT_FREE, start, end);
	err = emit_as(k, EXTENT_FREE, start, from);
	if (!err)
		err = emit_as(k, EXTENT_RETURNABLE, from, to);
	return err ? err : emit_as(k, EXTENT_FREE, to, end);
}

/* Reads [start, end) and what is behind it, for the next spans. */
static int fill(struct join *k, uint64_t start, uint64_t end)
{
	const struct gp_range *r;
	ssize_t got;

	if (start >= k->start && end <= k->start + k->len)
		return 0;
	/* A span that was decoded is in one. */
	r = &k->g->runs[gp_run_above(k->g, start)];
	k->start = start - start % k->page;
	k->len = r->end - k->start < READER_WINDOW ? r->end - k->start : READER_WINDOW;
	got = reader_window(&k->g->src->target->reader, k->start, k->len, k->data,
			    k->present);
	return got < 0 ? (int)got : 0;
}

/* The word at @addr of a span; the largest ones are not in the window as a whole. */
static int word_at(struct join *k, uint64_t addr, uint64_t *word)
{
	if (addr < k->start || addr - k->start >= k->len)
		return peek_read(&k->g->peek, addr, word, sizeof(*word));
	if (!page_is_resident(k->present[(addr - k->start) / k->page]))
		return -ENODATA;
	*word = get64(k->data, addr - k->start);
	return 0;
}

/*
 * Follows the list of @s, whose free objects are those that are not counted as used. 0;
 * -ENODATA if some of it is not resident; -EPROTO if it is no such list; -errno.
 */
static int follow(struct join *k, const struct span *s)
{
	const struct gperftools *g = k->g;
	uint64_t start = s->start << g->map.shift, size = g->size[s->class];
	uint32_t n = gp_objects(g, s), left = n - s->refcount;
	int err = 0;

	memset(k->kind, EXTENT_LIVE, n);
	if (s->objects)
		err = fill(k, start, start + n * size);
	for (uint64_t at = s->objects; !err && at; left--) {
		uint64_t i = (at - start) / size;

		if (at < start || i >= n || (at - start) % size || !left ||
		    k->kind[i] != EXTENT_LIVE)
			return -EPROTO;
		k->kind[i] = EXTENT_FREE;
		err = word_at(k, at, &at);
	}
	if (err)
		return err;
	return left ? -EPROTO : 0;
}

/* The objects of a span that are in caches. */
static void mark_cached(struct join *k, const struct span *s)
{
	const struct gperftools *g = k->g;
	uint64_t start = s->start << g->map.shift, size = g->size[s->class];
	uint64_t end = start + gp_objects(g, s) * size;

	while (k->mark < g->ncached && g->cached[k->mark] >> 8 < start)
		k->mark++;
	for (; k->mark < g->ncached && g->cached[k->mark] >> 8 < end; k->mark++) {
		uint64_t offset = (g->cached[k->mark] >> 8) - start;

		if ((g->cached[k->mark] & 0xff) == s->class && offset % size == 0 &&
		    k->kind[offset / size] == EXTENT_LIVE)
			k->kind[offset / size] = EXTENT_CACHED;
	}
}

static int emit_objects(struct join *k, const struct span *s)
{
	const struct gperftools *g = k->g;
	uint64_t at = s->start << g->map.shift, end = (s->start + s->length)
						      << g->map.shift;
	uint64_t size = g->size[s->class];
	uint32_t n = gp_objects(g, s), next;
	int err = 0;

	mark_cached(k, s);
	err = emit_unit(&k->out, 0, at, end);
	k->out.size = size;
	for (uint32_t i = 0; !err && i < n; i = next) {
		for (next = i + 1; next < n && k->kind[next] == k->kind[i];)
			next++;
		if (k->kind[i] != EXTENT_LIVE)
			g->heap->own_free += (next - i) * size;
		err = emit_as(k, k->kind[i], at, at + (next - i) * size);
		at += (next - i) * size;
	}
	k->out.size = 0;
	/* What is too short for an object; the allocator counts it as free, too. */
	g->heap->own_free += end - at;
	return err ? err : emit_as(k, EXTENT_FREE, at, end);
}

/*
 * A span by its count of objects alone. It is not told as a unit: which of its objects
 * keep it is not known.
 */
static int tell_objects(struct join *k, const struct span *s)
{
	const struct gperftools *g = k->g;
	uint64_t at = s->start << g->map.shift, end = (s->start + s->length)
						      << g->map.shift;
	uint64_t size = g->size[s->class], live = s->refcount * size;
	struct mixed m = { at, at + gp_objects(g, s) * size, live, k->page };
	uint64_t free = end - at - live;
	struct doubt *d = &k->doubt[s->class];
	int err = 0;

	d->used += s->refcount;
	d->free += free;
	if (s->refcount < gp_objects(g, s))
		d->pages += free - free % k->page;
	g->heap->own_free += free;
	k->out.size = size;
	for (struct mixed_part p; !err && mixed_next(&m, &p);) {
		err = emit_as(k, EXTENT_LIVE, p.start, p.mid);
		if (!err)
			err = emit_as(k, EXTENT_FREE, p.mid, p.end);
	}
	k->out.size = 0;
	return err ? err : emit_as(k, EXTENT_FREE, m.end, end);
}

/* The same span's record as it is now. */
static int read_again(struct join *k, const struct gp_entry *e, struct span *s)
{
	struct gperftools *g = k->g;
	uint8_t raw[SPAN_SIZE];
	uint64_t page = s->start, length = s->length;
	int err = reader_read(&g->src->target->reader, e->record, raw, sizeof(raw));

	k->len = 0;
	gp_forget(g);
	if (err)
		return err;
	if (!gp_span_decode(g, raw, page, s) || s->length != length)
		return -EPROTO;
	return 0;
}

static int emit_unread_span(struct join *k, const struct span *s, bool torn)
{
	const unsigned int shift = k->g->map.shift;

	if (torn) {
		heap_incomplete(k->g->heap, "the heap changed while it was read");
		k->g->heap->torn += s->length << shift;
	} else {
		heap_absent(k->g->heap);
	}
	return emit_as(k, EXTENT_UNREAD, s->start << shift,
		       (s->start + s->length) << shift);
}

static int emit_span(struct join *k, const struct gp_entry *e, const struct span *first)
{
	const unsigned int shift = k->g->map.shift;
	struct span s = *first;
	uint64_t start = s.start << shift, end = (s.start + s.length) << shift;
	int err = s.class && !k->quick ? follow(k, &s) : 0;

	for (int i = 1; err == -EPROTO && i < LOOKS_MAX; i++) {
		struct span now = s;

		err = read_again(k, e, &now);
		if (!err && now.class)
			err = follow(k, &now);
		if (!err)
			s = now;
	}
	if (err == -EPROTO || err == -ENODATA || err == -EFAULT)
		return emit_unread_span(k, &s, err == -EPROTO);
	if (err)
		return err;
	if (s.class)
		return k->quick ? tell_objects(k, &s) : emit_objects(k, &s);
	if (s.location == SPAN_FREE)
		return emit_free(k, start, end);
	if (s.location == SPAN_RETURNED)
		return emit_as(k, EXTENT_FREE, start, end);
	k->out.size = emit_class(end - start);
	err = emit_as(k, EXTENT_LIVE, start, end);
	k->out.size = 0;
	return err;
}

/*
 * Pages [page, end) lead to a record that is not theirs, or not resident: torn or not.
 * What lies between such pages is lost as well, if it is one piece of memory.
 */
static int take_lost(struct join *k, uint64_t page, uint64_t end, bool torn)
{
	const unsigned int shift = k->g->map.shift;
	int err = 0;

	if (k->lost < k->lost_end && page > k->lost_end &&
	    !gp_mapped_all(k->g, k->lost_end << shift, page << shift))
		err = emit_lost(k);
	if (k->lost == k->lost_end)
		k->lost = page;
	k->lost_end = end;
	k->lost_torn = k->lost_torn || torn;
	return err;
}

/*
 * Within a span elements may be anything, for only its first and last page, or all of
 * one with a size class, are kept up (page_heap.h: RecordSpan()). Behind its end begins
 * another one, or nothing. Where that cannot be read, it is not known what ends where:
 * elements that make no sense are then no sign of change.
 */
static int take_entry(struct gp_visitor *v, const struct gp_entry *e, uint64_t last_page)
{
	struct join *k = (struct join *)v;
	uint64_t page = e->page > k->next ? e->page : k->next;
	struct span s;
	int err;

	if (last_page < k->next)
		return 0;
	k->missed |= !e->raw;
	if (!e->raw || !gp_span_decode(k->g, e->raw, page, &s))
		return take_lost(k, page, last_page + 1, !k->missed);
	k->missed = false;
	k->next = s.start + s.length;
	err = emit_lost(k);
	if (!err)
		err = emit_meta(k, s.start << k->g->map.shift);
	return err ? err : emit_span(k, e, &s);
}

static bool entries_agree(struct gp_visitor *v, const struct gp_page *p)
{
	const struct join *k = (const struct join *)v;
	uint64_t next = k->next;

	for (size_t i = 0; i < p->n; i++) {
		const struct gp_entry *e = &p->entries[i];
		uint64_t last = e->page + (e->last - e->at) / sizeof(uint64_t);
		struct span s;

		if (last < next || !e->raw)
			continue;
		if (!gp_span_decode(k->g, e->raw, e->page > next ? e->page : next, &s))
			return false;
		next = s.start + s.length;
	}
	return true;
}

static int take_leaf(struct gp_visitor *v, uint64_t start, uint64_t end)
{
	(void)v;
	(void)start;
	(void)end;
	return 0;
}

static int take_absent(struct gp_visitor *v, uint64_t start, uint64_t end)
{
	struct join *k = (struct join *)v;
	int err = emit_lost(k);

	heap_absent(k->g->heap);
	k->missed = true;
	if (start < k->next)
		start = k->next;
	return err || start >= end
		       ? err
		       : emit_unread(k, start << k->g->map.shift, end << k->g->map.shift);
}

static int emit_all(struct join *k)
{
	int err = gp_walk_map(k->g, &k->visitor);

	if (err == -EPROTO) {
		heap_incomplete(k->g->heap, "the map of pages does not end");
		err = 0;
	}
	if (!err)
		err = emit_lost(k);
	if (!err)
		err = emit_meta(k, UINT64_MAX);
	return err ? err : emit_end(&k->out);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * An object in a cache is free, though its span does not know, and may be the last on
 * as many pages as it could fill.
 */
static void bound_error(struct heap *h, const struct join *k)
{
	const struct heap_arena *a = &h->arenas[0];

	for (uint32_t i = 1; i < k->g->nclasses; i++) {
		const struct doubt *d = &k->doubt[i];
		uint64_t size = k->g->size[i], n = least(k->g->counted[i], d->used);
		uint64_t fills = (size + k->page - 1) / k->page * k->page;

		h->error.live += n * size;
		h->error.held += least(d->free + n * size, d->pages + n * fills);
	}
	h->own_free += h->error.live;
	if (gp_caches_missing(k->g)) {
		h->error.live = a->bytes[EXTENT_LIVE];
		h->error.held = a->mapped;
	}
	h->error.held = least(h->error.held, a->mapped - a->bytes[EXTENT_RETURNABLE]);
	h->quick = h->error.live || h->error.held;
	if (h->quick)
		heap_incomplete(h, "a quick look: which objects of a span are free was "
				   "not looked at; what caches hold counts as in use");
}

static struct join *join_new(struct gperftools *g, struct extent_sink *sink)
{
	struct join *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->visitor = (struct gp_visitor){ true, entries_agree, take_entry, take_leaf,
					  take_absent };
	k->g = g;
	k->out = (struct emitter){ .heap = g->heap, .sink = sink };
	k->page = g->src->target->reader.page_size;
	/* Where they are larger than tcmalloc's, a page may have objects of many spans. */
	k->quick = g->src->quick && k->page >> g->map.shift <= 1;
	return k;
}

static int gperftools_walk(struct heap *h, const struct heap_source *src,
			   struct extent_sink *sink, struct error *e)
{
	struct gperftools *g = h->priv;
	struct join *k;
	int err, answer;

	g->src = src;
	k = join_new(g, sink);
	err = k ? gp_find_runs(g) : -ENOMEM;
	if (!err)
		err = gp_find_caches(g);
	if (!err)
		err = gp_find_settings(g);
	if (!err)
		err = gp_find_meta(g);
	/* Late, for what threads' caches hold changes faster than all else. */
	if (!err)
		err = k->quick ? gp_count_caches(g) : gp_read_caches(g);
	if (!err)
		err = emit_all(k);
	if (!err && k->quick)
		bound_error(h, k);
	answer = k ? k->out.answer : 0;
	free(k);
	if (answer)
		return answer;
	return err ? decoder_failed(src, WHOSE, err, e) : 0;
}

static void gperftools_free(struct heap *h)
{
	struct gperftools *g = h->priv;

	peek_free(&g->peek);
	free(g->runs);
	free(g->caches);
	free(g->cached);
	free(g->meta);
	decoder_free(h);
}

static void fill_version(struct heap *h, const struct gperftools *g)
{
	if (g->layout)
		snprintf(h->version, sizeof(h->version), "%s", g->layout->versions);
	else
		snprintf(h->version, sizeof(h->version), "%s",
			 g->min_span ? "2.11-2.18" : gp_layouts[0].versions);
}

/* 1: found; 0: not there; -errno. */
static int detect(struct gperftools *g)
{
	struct heap *h = g->heap;
	int found = peek_init(&g->peek, &g->src->target->reader);

	if (!found)
		found = gp_find_runs(g);
	if (!found)
		found = gp_find_map(g);
	if (found <= 0)
		return found;
	found = gp_find_tables(g);
	if (found < 0)
		return found;
	if (!found) {
		h->status = HEAP_UNSUPPORTED;
		snprintf(
			h->reason, sizeof(h->reason),
			"tcmalloc's map of pages is there, but its size classes are of a "
			"layout that is not known");
		return 1;
	}
	found = gp_find_caches(g);
	if (found)
		return found;
	h->arenas = calloc(1, sizeof(*h->arenas));
	if (!h->arenas)
		return -ENOMEM;
	h->narenas = 1;
	h->arenas[0] = (struct heap_arena){ .kind = ARENA_PLAIN };
	fill_version(h, g);
	return 1;
}

static struct heap *heap_new(const struct heap_source *src)
{
	struct heap *h = decoder_heap(&heap_gperftools, sizeof(struct gperftools));
	struct gperftools *g = h ? h->priv : NULL;

	if (!h)
		return NULL;
	g->heap = h;
	g->src = src;
	return h;
}

static int gperftools_detect(const struct heap_source *src, struct heap **out,
			     struct error *e)
{
	struct heap *h = heap_new(src);
	int found = h ? detect(h->priv) : -ENOMEM;

	return decoder_found(h, found, src, WHOSE, out, e);
}

const struct heap_ops heap_gperftools = {
	.name = "gperftools",
	.versions = "2.8 to 2.18",
	.counts = true,
	.purge = "MallocExtension::ReleaseFreeMemory()",
	.detect = gperftools_detect,
	.walk = gperftools_walk,
	.free = gperftools_free,
};
