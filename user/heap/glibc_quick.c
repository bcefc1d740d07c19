// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A quick look: what the lists of free chunks say, without a walk from chunk to chunk.
 * What no list has counts as in use. All lists are followed side by side, so that a
 * call to the kernel brings a step of each; a list that is too long, or that changes
 * meanwhile, is left where it is, and what it may still hold goes to the heap's bounds
 * of error.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/emit.h"

#define BATCH	      512u
#define LARGE_MAX     (1u << 17) /* chunks that are looked at: 3 MiB, and some 100 ms */
#define SMALL_MORE    (1u << 16)
#define UNSORTED      1u
#define TRIES_MAX     16u
#define TCACHE_SMALL  0x410u /* the largest chunk in a cache before 2.42 */
#define TCACHE_STRUCT 0x300u
#define POSTS	      48u /* at the end of a segment */

/* A list, and how far it was followed. */
struct cursor {
	uint64_t at; /* the chunk that is next; @end: no more */
	uint64_t end; /* 0 for fastbins */
	uint64_t slot; /* where the address of the first chunk is */
	uint32_t arena;
	uint8_t bin;
	bool fast, mangled, broken;
	bool large; /* one of its chunks may have a whole page */
	uint8_t tries; /* it changed while it was followed, and was begun again */
};

/* The end of a chunk's head, and what follows it. */
struct piece {
	uint64_t size, fd;
};

struct quick {
	struct glibc *g;
	struct cursor *cursors;
	size_t ncursors, cap;
	struct free_chunk *chunks; /* by address, once all are there */
	size_t nchunks, chunks_cap;
	/* One step of some of the lists. */
	struct cursor *who[BATCH];
	uint64_t addr[BATCH];
	struct piece piece[BATCH];
	uint8_t ok[BATCH];
	size_t n;
};

/* The bin of free chunks of @size: smallbin_index(), largebin_index_64(). */
static unsigned int bin_of(uint64_t size)
{
	static const struct {
		unsigned int shift, max, add;
	} steps[] = { { 6, 48, 48 },
		      { 9, 20, 91 },
		      { 12, 10, 110 },
		      { 15, 4, 119 },
		      { 18, 2, 124 } };

	if (size < 1024)
		return (unsigned int)(size >> 4);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (size >> steps[i].shift <= steps[i].max)
			return steps[i].add + (unsigned int)(size >> steps[i].shift);
	return NBINS - 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int add_cursor(struct quick *q, const struct cursor *c)
{
	if (!c->at || c->at == c->end)
		return 0;
	if (!grow(&q->cursors, &q->cap, q->ncursors, sizeof(*q->cursors)))
		return -ENOMEM;
	q->cursors[q->ncursors++] = *c;
	return 0;
}

/* Whether one of its chunks may have room for a page. */
static bool has_pages(const struct glibc *g, unsigned int bin)
{
	return bin == UNSORTED || bin >= bin_of(g->page);
}

/* The heads of an arena's lists. */
static int add_arena(struct quick *q, uint32_t arena)
{
	struct glibc *g = q->g;
	struct arena *a = &g->arenas[arena];
	uint64_t bins[2 * NBINS], at = a->addr + g->layout->bins;
	int err = peek_read(&g->peek, at, bins, sizeof(bins));

	if (err == -ESRCH || err == -EPERM)
		return err;
	if (err) {
		heap_absent(g->heap);
		a->hides = HIDES_PAGES;
		return 0;
	}
	for (unsigned int i = 0; !err && i < NBINS; i++)
		err = add_cursor(q, &(struct cursor){ .at = bins[2 * i],
						      .slot = at + 16ull * i,
						      .end = at + 16ull * i - 16,
						      .arena = arena,
						      .bin = (uint8_t)(i + 1),
						      .large = has_pages(g, i + 1) });
	for (unsigned int i = 0; !err && i < NFASTBINS; i++)
		err = add_cursor(q, &(struct cursor){ .at = a->fastbins[i],
						      .slot = a->addr +
							      g->layout->fastbins + 8 * i,
						      .arena = arena,
						      .bin = (uint8_t)i,
						      .fast = true,
						      .large = true,
						      .mangled = glibc_fastbin_mangled(
							      g, a->fastbins[i], i) });
	return err;
}

static bool size_fits(const struct cursor *c, uint64_t size)
{
	if (size < CHUNK_MIN || size % CHUNK_ALIGN || size > UINT64_MAX / 2 - c->at)
		return false;
	if (c->fast)
		return size == CHUNK_MIN + c->bin * 16ull;
	if (c->bin == UNSORTED)
		return true;
	return bin_of(size) == c->bin;
}

/*
 * What is there is none of the list's chunks: the target has taken it out meanwhile.
 * From the start, then; what was seen before is seen twice.
 */
static int begin_again(struct quick *q, struct cursor *c)
{
	int err = ++c->tries < TRIES_MAX ? reader_read(&q->g->src->target->reader,
						       c->slot, &c->at, sizeof(c->at))
					 : -EFAULT;

	c->broken = err != 0;
	return err == -ESRCH || err == -EPERM ? err : 0;
}

/* Takes what a list's next chunk says. */
static int take(struct quick *q, struct cursor *c, const struct piece *p)
{
	uint64_t size = p->size & ~(uint64_t)SIZE_FLAGS;

	if (!size_fits(c, size))
		return begin_again(q, c);
	if (!grow(&q->chunks, &q->chunks_cap, q->nchunks, sizeof(*q->chunks)))
		return -ENOMEM;
	q->chunks[q->nchunks++] = (struct free_chunk){ c->at, c->at + size, c->arena };
	if (c->fast)
		q->g->arenas[c->arena].fast_bytes += size;
	c->at = c->mangled ? p->fd ^ ((c->at + 16) >> 12) : p->fd;
	return 0;
}

static int take_batch(struct quick *q)
{
	int err = reader_gather(&q->g->src->target->reader, q->addr, q->n,
				sizeof(q->piece[0]), q->piece, q->ok);

	for (size_t i = 0; !err && i < q->n; i++) {
		err = q->ok[i] ? take(q, q->who[i], &q->piece[i])
			       : begin_again(q, q->who[i]);
	}
	q->n = 0;
	return err;
}

/* The next chunk of @c, to be read with those of others. */
static int ask(struct quick *q, struct cursor *c)
{
	struct glibc *g = q->g;
	struct piece p;
	int err;

	if (!plausible_chunk(g, c->at))
		return begin_again(q, c);
	if ((c->at + 8) % g->page <= g->page - sizeof(p)) {
		q->who[q->n] = c;
		q->addr[q->n++] = c->at + 8;
		return q->n == BATCH ? take_batch(q) : 0;
	}
	/* It lies across two pages. */
	err = peek_read(&g->peek, c->at + 8, &p, sizeof(p));
	if (err == -ESRCH || err == -EPERM)
		return err;
	return err ? begin_again(q, c) : take(q, c, &p);
}

static bool is_done(const struct cursor *c)
{
	return c->broken || !c->at || c->at == c->end;
}

/* All lists of a kind at once, a step of each in turn, up to @max chunks. */
static int follow_all(struct quick *q, bool large, size_t max)
{
	size_t open;
	int err = 0;

	do {
		open = 0;
		for (size_t i = 0; !err && i < q->ncursors; i++) {
			struct cursor *c = &q->cursors[i];

			if (c->large != large || is_done(c) || q->nchunks + q->n >= max)
				continue;
			open++;
			err = ask(q, c);
		}
		if (!err && q->n)
			err = take_batch(q);
	} while (!err && open);
	return err;
}

/* What lists that were not followed to their ends may hide. */
static void note_rest(struct quick *q)
{
	for (size_t i = 0; i < q->ncursors; i++) {
		const struct cursor *c = &q->cursors[i];
		struct arena *a = &q->g->arenas[c->arena];

		if (!c->at || c->at == c->end)
			continue;
		if (c->large)
			a->hides = HIDES_PAGES;
		else if (a->hides == HIDES_NOTHING)
			a->hides = HIDES_SMALL;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct free_chunk *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Drops what was seen more than once; how many are left. */
static size_t unique(struct free_chunk *c, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!kept || c[i].start != c[kept - 1].start)
			c[kept++] = c[i];
	return kept;
}

int glibc_find_free(struct glibc *g)
{
	struct quick *q = calloc(1, sizeof(*q));
	int err = q ? 0 : -ENOMEM;

	if (!q)
		return err;
	q->g = g;
	for (uint32_t i = 0; !err && i < g->narenas; i++)
		err = add_arena(q, i);
	if (!err)
		err = follow_all(q, true, LARGE_MAX);
	if (!err)
		err = follow_all(q, false, q->nchunks + SMALL_MORE);
	if (!err)
		note_rest(q);
	if (q->nchunks)
		qsort(q->chunks, q->nchunks, sizeof(*q->chunks), by_start);
	g->free = q->chunks;
	g->nfree = unique(q->chunks, q->nchunks);
	free(q->cursors);
	free(q);
	return err;
}

static int visit(struct chunk_visitor *v, const struct segment *s, enum chunk_kind kind,
		 uint64_t start, uint64_t end)
{
	return start < end ? v->chunk(v, s, kind, start, end, BREAK_NONE) : 0;
}

int glibc_tell_free(struct glibc *g, const struct segment *s, struct chunk_visitor *v)
{
	uint64_t top = g->arenas[s->arena].top, end = s->end, p = s->first;
	int err = visit(v, s, CHUNK_META, s->start, s->first);

	if (top >= p && top < end)
		end = top;
	for (; !err && g->next_free < g->nfree; g->next_free++) {
		const struct free_chunk *c = &g->free[g->next_free];

		if (c->start >= end)
			break;
		/* What is in no segment came after the mappings were read. */
		if (c->end <= s->start)
			continue;
		/* Of two that overlap, one was read a moment too late. */
		if (c->start < p || c->end > end || c->arena != s->arena) {
			g->arenas[c->arena].unsure +=
				least(c->end - c->start, s->end - s->start) + 2 * g->page;
			continue;
		}
		err = visit(v, s, CHUNK_INUSE, p, c->start);
		if (!err)
			err = visit(v, s, CHUNK_FREE, c->start, c->end);
		p = c->end;
	}
	if (!err)
		err = visit(v, s, CHUNK_INUSE, p, end);
	return err ? err : visit(v, s, CHUNK_TOP, end, s->end);
}

/*
 * What a thread's cache holds at most, by mp_: tcache_init() and, since 2.42, some
 * larger sizes, each up to the double of the one before.
 */
static uint64_t cache_max(const struct malloc_par *p)
{
	uint64_t largest = p->tcache_max_bytes + 16, sum = 0;

	if (!p->found)
		return 1ull << 32; /* more than any has, and products with it fit */
	for (uint64_t size = CHUNK_MIN; size <= largest && size <= TCACHE_SMALL;
	     size += 16)
		sum += size;
	if (largest > TCACHE_SMALL)
		sum += 4 * largest;
	return sum * p->tcache_count + TCACHE_STRUCT;
}

/*
 * Free chunks never lie side by side, or they would be one. Those of less than a page
 * can cover one only with chunks of fastbins and thread caches between them, of
 * CHUNK_MIN at least, each of which may lie across two pages: for each byte of those, so
 * many of pages at most.
 */
static uint64_t cover(const struct glibc *g)
{
	return 2 * g->page / CHUNK_MIN + 1;
}

void glibc_bound_error(struct glibc *g)
{
	struct heap *h = g->heap;
	uint64_t threads = g->src->target->threads, live = 0, mapped = 0;
	uint64_t caches = cache_max(&g->par) * threads;

	for (size_t i = 0; i < g->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];
		uint64_t rest = a->mapped - a->bytes[EXTENT_RETURNABLE];

		live += a->bytes[EXTENT_LIVE];
		mapped += rest;
		h->error.live += g->arenas[i].unsure;
		h->error.returnable += least(rest, g->arenas[i].unsure);
		if (g->arenas[i].hides == HIDES_NOTHING)
			continue;
		h->error.live += a->bytes[EXTENT_LIVE];
		h->error.returnable +=
			g->arenas[i].hides == HIDES_SMALL
				? least(rest, cover(g) * g->arenas[i].fast_bytes)
				: rest;
	}
	h->error.live = least(live, h->error.live + caches + POSTS * g->nsegments);
	h->error.held = least(mapped, h->error.returnable + cover(g) * caches);
}
