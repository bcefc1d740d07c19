// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks tcmalloc's page map, which has an element for each page of address space. A
 * leaf is read by the page, where it is resident, and the records that it leads to
 * right after it. A page whose records do not agree with it is read again.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD	     sizeof(uint64_t)
#define RECORD_ALIGN 16u
#define RETRIES	     4
#define RETRIES_MAX  8192u /* pages that are read again, in all */
#define SLACK	     4096u /* pages that may have become resident since they were counted */

/* span.h: struct Span. */
#define SPAN_START    0u
#define SPAN_LENGTH   8u
#define SPAN_OBJECTS  32u
#define SPAN_BITS     40u
#define CLASS_SHIFT   16u
#define CLASS_MASK    0xffu
#define PLACE_SHIFT   24u
#define PLACE_MASK    3u
#define REFCOUNT_MASK 0xffffu

int gp_page_init(struct gp_page *p, struct gperftools *g)
{
	size_t size = g->src->target->reader.page_size, n = size / WORD;

	*p = (struct gp_page){
		.g = g,
		.size = size,
		.words = malloc(size),
		.entries = malloc(n * sizeof(*p->entries)),
		.places = malloc(n * sizeof(*p->places)),
		.raw = malloc(n * SPAN_SIZE),
		.ok = malloc(n),
	};
	return p->words && p->entries && p->places && p->raw && p->ok ? 0 : -ENOMEM;
}

void gp_page_free(struct gp_page *p)
{
	free(p->words);
	free(p->entries);
	free(p->places);
	free(p->raw);
	free(p->ok);
}

static bool straddles(const struct gp_page *p, uint64_t record)
{
	return record % p->size > p->size - SPAN_SIZE;
}

/* All at once; of what lies across two pages some of the first, at first. */
static int gather_records(struct gp_page *p)
{
	struct reader *r = &p->g->src->target->reader;
	int err;

	for (size_t i = 0; i < p->n; i++) {
		uint64_t record = p->entries[i].record;

		p->places[i] = straddles(p, record) ? record - SPAN_SIZE : record;
	}
	err = reader_gather(r, p->places, p->n, SPAN_SIZE, p->raw, p->ok);
	for (size_t i = 0; !err && i < p->n; i++) {
		struct gp_entry *e = &p->entries[i];
		uint8_t *raw = p->raw + i * SPAN_SIZE;

		if (straddles(p, e->record)) {
			err = reader_read(r, e->record, raw, SPAN_SIZE);
			p->ok[i] = !err;
			err = err == -ESRCH || err == -EPERM ? err : 0;
		}
		if (p->ok[i])
			e->raw = raw;
	}
	return err;
}

static void take_word(struct gp_page *p, uint64_t at, uint64_t word)
{
	struct gp_entry *last = p->n ? &p->entries[p->n - 1] : NULL;

	if (last && last->record == word && last->last + WORD == at)
		last->last = at;
	else if (word % RECORD_ALIGN || !gp_mapped_all(p->g, word, word + SPAN_SIZE))
		p->bad++;
	else
		p->entries[p->n++] = (struct gp_entry){ at, at, 0, word, NULL };
}

int gp_page_read(struct gp_page *p, uint64_t from, uint64_t to, bool records)
{
	uint64_t start = from - from % p->size;
	uint8_t present;
	ssize_t got = reader_window(&p->g->src->target->reader, start, p->size, p->words,
				    &present);
	int err = 0;

	p->n = p->bad = 0;
	if (got <= 0)
		return (int)got;
	for (uint64_t at = from; at < to; at += WORD) {
		uint64_t word = get64(p->words, at - start);

		if (word)
			take_word(p, at, word);
	}
	if (records && p->n)
		err = gather_records(p);
	return err ? err : 1;
}

void gp_span_fields(const uint8_t *raw, struct span *s)
{
	uint32_t bits = get32(raw, SPAN_BITS);

	*s = (struct span){
		.start = get64(raw, SPAN_START),
		.length = get64(raw, SPAN_LENGTH),
		.objects = get64(raw, SPAN_OBJECTS),
		.refcount = bits & REFCOUNT_MASK,
		.class = bits >> CLASS_SHIFT & CLASS_MASK,
		.location = bits >> PLACE_SHIFT & PLACE_MASK,
	};
}

uint32_t gp_objects(const struct gperftools *g, const struct span *s)
{
	return (uint32_t)((s->length << g->map.shift) / g->size[s->class]);
}

bool gp_span_decode(const struct gperftools *g, const uint8_t *raw, uint64_t page,
		    struct span *s)
{
	const unsigned int shift = g->map.shift;

	gp_span_fields(raw, s);
	if (s->start != page || !s->length || s->location > SPAN_RETURNED ||
	    s->length > (1ull << (GP_ADDRESS_BITS - shift)) - page ||
	    !gp_mapped_all(g, page << shift, (page + s->length) << shift))
		return false;
	if (!s->class)
		return true;
	return s->location == SPAN_IN_USE && s->class < g->nclasses &&
	       s->length == g->pages[s->class] && s->refcount <= gp_objects(g, s);
}

struct map_walk {
	struct gperftools *g;
	struct gp_visitor *v;
	struct gp_page page;
	uint64_t budget; /* pages of leaves that may still be read */
	unsigned int retries; /* that are left */
};

/* An element of the root. */
struct leaf {
	uint64_t addr;
	uint64_t first; /* number of the page that its first element is for */
};

static uint64_t page_of(const struct leaf *l, uint64_t at)
{
	return l->first + (at - l->addr) / WORD;
}

static int read_entries(struct map_walk *w, const struct leaf *l, uint64_t from,
			uint64_t to)
{
	int got = gp_page_read(&w->page, from, to, w->v->records);

	for (size_t i = 0; i < w->page.n; i++)
		w->page.entries[i].page = page_of(l, w->page.entries[i].at);
	return got < 0 ? got : 0;
}

static int walk_page(struct map_walk *w, const struct leaf *l, uint64_t from, uint64_t to)
{
	int err = read_entries(w, l, from, to);

	for (int i = 0; !err && i < RETRIES && w->retries; i++, w->retries--) {
		if (w->v->agree(w->v, &w->page))
			break;
		err = read_entries(w, l, from, to);
	}
	for (size_t i = 0; !err && i < w->page.n; i++) {
		const struct gp_entry *e = &w->page.entries[i];

		err = w->v->entry(w->v, e, page_of(l, e->last));
	}
	return err;
}

static int walk_pages(struct map_walk *w, const struct leaf *l, uint64_t at, size_t n,
		      uint64_t end)
{
	uint8_t present[READER_WINDOW_PAGES];
	int err = reader_presence(&w->g->src->target->reader, at, n, present);

	for (size_t i = 0; !err && i < n; i++, at += w->page.size) {
		uint64_t from = at < l->addr ? l->addr : at;
		uint64_t to = at + w->page.size < end ? at + w->page.size : end;

		if (present[i] == PAGE_SWAPPED)
			err = w->v->absent(w->v, page_of(l, from), page_of(l, to));
		if (!page_is_resident(present[i]))
			continue;
		/* Leaves that overlap are forged, and more than is resident. */
		if (!w->budget--)
			return -EPROTO;
		err = walk_page(w, l, from, to);
	}
	return err;
}

/* What is not where a leaf could be is none. */
static int walk_leaf(struct map_walk *w, const struct leaf *l)
{
	uint64_t end = l->addr + (WORD << w->g->map.leaf_bits);
	uint64_t at = l->addr - l->addr % w->page.size;
	int err;

	if (l->addr % WORD || !gp_mapped_all(w->g, l->addr, end))
		return 0;
	err = w->v->leaf(w->v, l->addr, end);
	for (uint64_t n; !err && at < end; at += n * w->page.size) {
		n = (end - at + w->page.size - 1) / w->page.size;
		n = n < READER_WINDOW_PAGES ? n : READER_WINDOW_PAGES;
		err = walk_pages(w, l, at, n, end);
	}
	return err;
}

/* The elements of the root that are in a window of it, [from, to) of @start. */
static int walk_root_part(struct map_walk *w, uint64_t start, const uint8_t *data,
			  uint64_t from, uint64_t to)
{
	int err = 0;

	for (uint64_t at = from; !err && at < to; at += WORD) {
		uint64_t index = (at - w->g->root) / WORD;
		struct leaf l = { get64(data, at - start), index << w->g->map.leaf_bits };

		if (l.addr && gp_any_mapped(w->g, w->g->map, index))
			err = walk_leaf(w, &l);
	}
	return err;
}

/* Whether a page of the root may hide leaves. */
static bool any_swapped(const uint8_t *present, size_t n)
{
	return memchr(present, PAGE_SWAPPED, n);
}

static int walk_root(struct map_walk *w)
{
	struct gperftools *g = w->g;
	uint64_t end = g->root + (WORD << g->map.root_bits);
	uint64_t at = g->root - g->root % w->page.size;
	uint8_t present[READER_WINDOW_PAGES];
	uint8_t *data = malloc(READER_WINDOW);
	int err = data ? 0 : -ENOMEM;

	for (uint64_t len; !err && at < end; at += len) {
		uint64_t to;
		ssize_t got;

		len = (end - at + w->page.size - 1) / w->page.size * w->page.size;
		len = len < READER_WINDOW ? len : READER_WINDOW;
		to = at + len < end ? at + len : end;
		got = reader_window(&g->src->target->reader, at, len, data, present);
		err = got < 0 ? (int)got : 0;
		if (!err && any_swapped(present, len / w->page.size))
			err = w->v->absent(w->v, 0, 0);
		if (!err && got)
			err = walk_root_part(w, at, data, at < g->root ? g->root : at,
					     to);
	}
	free(data);
	return err;
}

int gp_walk_map(struct gperftools *g, struct gp_visitor *v)
{
	struct map_walk w = { .g = g, .v = v, .budget = SLACK, .retries = RETRIES_MAX };
	int err = gp_page_init(&w.page, g);

	for (size_t i = 0; i < g->src->vmas->n; i++)
		w.budget += g->src->vmas->v[i].st.rss / w.page.size;
	if (!err)
		err = walk_root(&w);
	gp_page_free(&w.page);
	return err;
}
