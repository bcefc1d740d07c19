// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CPython's small-object allocator: tells of each pool which blocks are free, by its
 * list and by what was never carved. An arena is unmapped when all its pools are free,
 * and no call does more: nothing is ever returnable. The vector of records lies in the
 * memory of the allocator below, which tells of it.
 */
#include "heap/pymalloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/decoder.h"
#include "heap/emit.h"

#define WHOSE "Python's"

#define SETTINGS 3
#define HEADS	 64u /* of pools, that are read at once: an arena's */

/* An arena on its way to the sink. */
struct pool_walk {
	struct pymalloc *p;
	struct emitter out;
	const struct pool_arena *arena;
	const struct pool_layout *layout;
	struct arena_record record;
	uint32_t nfree; /* free pools that were met */
	bool broken; /* not all pools could be read */
	/* Of a quick look. */
	uint64_t at[HEADS];
	struct pool_head head[HEADS];
	uint8_t there[HEADS];
	uint8_t present[READER_WINDOW_PAGES];
	uint8_t data[READER_WINDOW];
};

/* The blocks of a pool; free is a bit a block. */
struct pool_blocks {
	uint32_t size, n;
	uint32_t carved; /* all behind are free */
	uint8_t free[BLOCKS_MAX / 8];
};

static bool is_free(const struct pool_blocks *b, uint32_t i)
{
	return i >= b->carved || b->free[i / 8] & (1u << i % 8);
}

/* Whether all of [addr, addr + len) of the window that begins at @start is there. */
static bool is_present(const struct pool_walk *k, uint64_t start, uint64_t addr,
		       uint64_t len)
{
	uint64_t last = (addr + len - 1 - start) / k->p->page;

	for (uint64_t i = (addr - start) / k->p->page; i <= last; i++)
		if (!page_is_resident(k->present[i]))
			return false;
	return true;
}

/*
 * Follows the list of free blocks of the pool at @pool, whose head is @h. 0; -ENODATA
 * if some of it is not resident; -EPROTO if it is no such list.
 */
static int follow(const struct pool_walk *k, uint64_t start, uint64_t pool,
		  const struct pool_head *h, struct pool_blocks *b)
{
	uint32_t left = b->carved - h->count;

	if (h->count > b->carved)
		return -EPROTO;
	for (uint64_t at = h->freeblock; at; left--) {
		uint64_t distance = at - pool - POOL_HEAD;
		uint32_t off = (uint32_t)distance, i = off / b->size;

		if (distance >= k->layout->pool || off % b->size || i >= b->carved ||
		    !left || is_free(b, i))
			return -EPROTO;
		if (!is_present(k, start, at, sizeof(at)))
			return -ENODATA;
		b->free[i / 8] |= (uint8_t)(1u << i % 8);
		at = get64(k->data, at - start);
	}
	return left ? -EPROTO : 0;
}

/* What a pool's head tells of its blocks: none of them is marked free. */
static void measure(const struct pool_walk *k, const struct pool_head *h,
		    struct pool_blocks *b)
{
	memset(b, 0, sizeof(*b));
	b->size = block_size(h->szidx);
	b->n = (k->layout->pool - (uint32_t)POOL_HEAD) / b->size;
	b->carved = (h->nextoffset - (uint32_t)POOL_HEAD) / b->size;
}

/* What the pool at @pool of the window that begins at @start holds; as follow(). */
static int decode(const struct pool_walk *k, uint64_t start, uint64_t pool,
		  struct pool_head *h, struct pool_blocks *b)
{
	if (!is_present(k, start, pool, sizeof(*h)))
		return -ENODATA;
	memcpy(h, k->data + (pool - start), sizeof(*h));
	if (!pool_holds(k->layout, k->arena->index, h))
		return -EPROTO;
	measure(k, h, b);
	return h->count ? follow(k, start, pool, h, b) : 0;
}

static int emit_in(struct pool_walk *k, enum extent_kind kind, uint64_t start,
		   uint64_t end)
{
	return emit(&k->out, k->arena->root, kind, start, end);
}

/* Blocks from @i on are like it: up to which. */
static uint32_t end_of_run(const struct pool_blocks *b, uint32_t i)
{
	const uint8_t all = is_free(b, i) ? 0xff : 0;
	uint32_t end = i + 1;

	while (end < b->carved && is_free(b, end) == (all != 0))
		end += end % 8 == 0 && b->free[end / 8] == all ? 8 : 1;
	if (end < b->carved)
		return end;
	return all ? b->n : b->carved;
}

static int emit_blocks(struct pool_walk *k, uint64_t pool, const struct pool_blocks *b)
{
	uint64_t at = pool + POOL_HEAD;
	int err = emit_in(k, EXTENT_META, pool, at);

	k->out.size = b->size;
	for (uint32_t i = 0, end; !err && i < b->n; i = end) {
		uint64_t start = at;

		end = end_of_run(b, i);
		at += (end - i) * b->size;
		err = emit_in(k, is_free(b, i) ? EXTENT_FREE : EXTENT_LIVE, start, at);
	}
	k->out.size = 0;
	return err ? err : emit_in(k, EXTENT_META, at, pool + k->layout->pool);
}

static int emit_broken(struct pool_walk *k, uint64_t start, uint64_t pool)
{
	struct heap *h = k->p->heap;
	uint64_t len = k->layout->pool;

	k->broken = true;
	if (is_present(k, start, pool, len)) {
		h->torn += len;
		heap_incomplete(h, "the heap changed while it was read");
	} else {
		heap_absent(h);
	}
	return emit_in(k, EXTENT_UNREAD, pool, pool + len);
}

static int fill(struct pool_walk *k, uint64_t start, size_t len)
{
	ssize_t got = reader_window(&k->p->src->target->reader, start, len, k->data,
				    k->present);

	return got < 0 ? (int)got : 0;
}

/* A pool in the window of @len bytes from @start on. */
static int walk_pool(struct pool_walk *k, uint64_t start, size_t len, uint64_t pool)
{
	struct pool_blocks b;
	struct pool_head h;
	int err = decode(k, start, pool, &h, &b);

	/* Its list changes with each block that the target takes or gives. */
	for (int i = 1; err == -EPROTO && i < LOOKS_MAX; i++) {
		err = fill(k, start, len);
		if (err)
			return err;
		err = decode(k, start, pool, &h, &b);
	}
	if (err)
		return emit_broken(k, start, pool);
	if (!h.count) {
		k->nfree++;
		return emit_in(k, EXTENT_FREE, pool, pool + k->layout->pool);
	}
	return emit_blocks(k, pool, &b);
}

/* The pools that were carved off so far. */
static int walk_pools(struct pool_walk *k)
{
	uint64_t end = k->record.pool_address, page = k->p->page;
	int err = 0;

	for (uint64_t at = first_pool(k->layout, k->record.address); !err && at < end;
	     at += READER_WINDOW) {
		uint64_t left = (end - at + page - 1) / page * page;
		size_t len = left < READER_WINDOW ? left : READER_WINDOW;
		uint64_t behind = end - at < len ? end : at + len;

		err = fill(k, at, len);
		for (uint64_t pool = at; !err && pool < behind; pool += k->layout->pool)
			err = walk_pool(k, at, len, pool);
	}
	return err;
}

/* A pool of which @count blocks are in use, and it is not known which. */
static int tell_mixed(struct pool_walk *k, uint64_t pool, const struct pool_blocks *b,
		      uint32_t count)
{
	uint64_t start = pool + POOL_HEAD, end = start + (uint64_t)b->n * b->size;
	struct mixed m = { start, end, (uint64_t)count * b->size, k->p->page };
	int err = emit_in(k, EXTENT_META, pool, start);

	k->p->heap->error.held += mixed_doubt(&m);
	k->out.size = b->size;
	for (struct mixed_part p; !err && mixed_next(&m, &p);) {
		err = emit_in(k, EXTENT_LIVE, p.start, p.mid);
		if (!err)
			err = emit_in(k, EXTENT_FREE, p.mid, p.end);
	}
	k->out.size = 0;
	return err ? err : emit_in(k, EXTENT_META, end, pool + k->layout->pool);
}

/* A pool by its head; if that makes no sense, or is not there, by all of it. */
static int tell_pool(struct pool_walk *k, uint64_t pool, const struct pool_head *h,
		     bool there)
{
	uint64_t page = k->p->page, start = pool - pool % page;
	size_t len = k->layout->pool > page ? k->layout->pool : page;
	struct pool_blocks b;
	int err;

	if (there && pool_holds(k->layout, k->arena->index, h)) {
		measure(k, h, &b);
		if (!h->count) {
			k->nfree++;
			return emit_in(k, EXTENT_FREE, pool, pool + k->layout->pool);
		}
		if (h->count == b.carved)
			return emit_blocks(k, pool, &b);
		if (h->count < b.carved)
			return tell_mixed(k, pool, &b, h->count);
	}
	err = fill(k, start, len);
	return err ? err : walk_pool(k, start, len, pool);
}

/* Quickly, without the lists of free blocks. */
static int tell_pools(struct pool_walk *k)
{
	uint64_t pool = first_pool(k->layout, k->record.address);
	int err = 0;

	while (!err && pool < k->record.pool_address) {
		size_t n = 0;

		for (; n < HEADS && pool < k->record.pool_address; n++) {
			k->at[n] = pool;
			pool += k->layout->pool;
		}
		err = reader_gather(&k->p->src->target->reader, k->at, n,
				    sizeof(k->head[0]), k->head, k->there);
		for (size_t i = 0; !err && i < n; i++)
			err = tell_pool(k, k->at[i], &k->head[i], k->there[i]);
	}
	return err;
}

/* Whether as many pools are free as the record says; if not, because it changes. */
static int check_free(struct pool_walk *k)
{
	const struct arena_record *r = &k->record;
	uint64_t end = first_pool(k->layout, r->address) +
		       (uint64_t)r->ntotalpools * k->layout->pool;
	uint64_t nfree = k->nfree + (end - r->pool_address) / k->layout->pool;
	struct arena_record now;
	int err;

	if (k->broken || nfree == r->nfreepools)
		return 0;
	err = read_record(k->p, k->arena, &now);
	if (!err && now.nfreepools == r->nfreepools && now.freepools == r->freepools)
		heap_incomplete(k->p->heap,
				"an arena counts %u free pools, %llu were found",
				r->nfreepools, (unsigned long long)nfree);
	return err == -ESRCH ? err : 0;
}

static int walk_arena(struct pool_walk *k, const struct pool_arena *a)
{
	uint64_t first, end = a->address + k->p->roots[a->root].layout->arena;
	int err = read_record(k->p, a, &k->record);

	k->arena = a;
	k->layout = k->p->roots[a->root].layout;
	k->nfree = 0;
	k->broken = false;
	if (err && err != -ESRCH) {
		heap_absent(k->p->heap);
		return emit_in(k, EXTENT_UNREAD, a->address, end);
	}
	if (err)
		return err;
	/* It was given back, or others took its place in memory. */
	if (k->record.address != a->address ||
	    !record_holds(k->p, k->layout, &k->record)) {
		k->p->heap->torn += k->layout->arena;
		heap_incomplete(k->p->heap, "arenas came or went while they were read");
		return 0;
	}
	first = first_pool(k->layout, a->address);
	err = emit_unit(&k->out, a->root, a->address, end);
	if (!err)
		err = emit_in(k, EXTENT_META, a->address, first);
	if (!err)
		err = k->p->src->quick ? tell_pools(k) : walk_pools(k);
	if (!err)
		err = emit_in(k, EXTENT_FREE, k->record.pool_address,
			      end - end % k->layout->pool);
	if (!err)
		err = emit_in(k, EXTENT_META, end - end % k->layout->pool, end);
	return err ? err : check_free(k);
}

static int walk_all(struct pymalloc *p, struct extent_sink *sink, int *answer)
{
	struct pool_walk *k = calloc(1, sizeof(*k));
	int err = k ? 0 : -ENOMEM;

	if (k) {
		k->p = p;
		k->out = (struct emitter){ .heap = p->heap, .sink = sink };
	}
	for (size_t i = 0; !err && i < p->narenas; i++)
		err = walk_arena(k, &p->arenas[i]);
	if (!err)
		err = emit_end(&k->out);
	*answer = k ? k->out.answer : 0;
	free(k);
	return err;
}

static void pymalloc_free(struct heap *h)
{
	struct pymalloc *p = h->priv;

	free(p->roots);
	free(p->arenas);
	peek_free(&p->peek);
	decoder_free(h);
}

static struct heap *heap_new(const struct heap_source *src)
{
	struct heap *h = decoder_heap(&heap_pymalloc, sizeof(struct pymalloc));
	struct pymalloc *p = h ? h->priv : NULL;

	if (!h)
		return NULL;
	if (peek_init(&p->peek, &src->target->reader)) {
		decoder_free(h);
		return NULL;
	}
	p->heap = h;
	p->src = src;
	p->page = src->target->reader.page_size;
	return h;
}

static void fill_version(struct heap *h, const struct pymalloc *p)
{
	if (p->version)
		snprintf(h->version, sizeof(h->version), "%u.%u.%u", p->version >> 24,
			 p->version >> 16 & 0xff, p->version >> 8 & 0xff);
	else
		snprintf(h->version, sizeof(h->version), "%s",
			 p->is_3_12 ? "3.12" : p->roots[0].layout->versions);
}

/* One struct heap_arena for all arenas of a vector: there may be very many. */
static int fill_heap(struct heap *h, const struct pymalloc *p)
{
	const struct pool_layout *l = p->roots[0].layout;

	h->arenas = calloc(p->nroots, sizeof(*h->arenas));
	h->settings = calloc(SETTINGS, sizeof(*h->settings));
	if (!h->arenas || !h->settings)
		return -ENOMEM;
	h->narenas = p->nroots;
	for (size_t i = 0; i < p->nroots; i++)
		h->arenas[i] = (struct heap_arena){ .kind = ARENA_POOLS,
						    .address = p->roots[i].records };
	h->settings[0] = (struct heap_setting){ "arenas", (int64_t)p->narenas, false };
	h->settings[1] = (struct heap_setting){ "arena_size", l->arena, true };
	h->settings[2] = (struct heap_setting){ "pool_size", l->pool, true };
	h->nsettings = SETTINGS;
	fill_version(h, p);
	return 0;
}

static int pymalloc_detect(const struct heap_source *src, struct heap **out,
			   struct error *e)
{
	struct heap *h = heap_new(src);
	struct pymalloc *p = h ? h->priv : NULL;
	int err = h ? pymalloc_find_roots(p) : -ENOMEM;
	bool found = !err && p->nroots;

	if (found)
		err = fill_heap(h, p);
	return decoder_found(h, err ? err : found, src, WHOSE, out, e);
}

static int pymalloc_walk(struct heap *h, const struct heap_source *src,
			 struct extent_sink *sink, struct error *e)
{
	struct pymalloc *p = h->priv;
	int err, answer;

	p->src = src;
	err = walk_all(p, sink, &answer);
	h->quick = h->error.held;
	if (h->quick)
		heap_incomplete(h,
				"a quick look: which blocks of a pool are free was not "
				"looked at, and pages of them may be");
	for (size_t i = 0; i < h->narenas; i++)
		h->own_free += h->arenas[i].bytes[EXTENT_FREE];
	if (answer)
		return answer;
	return err ? decoder_failed(src, WHOSE, err, e) : 0;
}

const struct heap_ops heap_pymalloc = {
	.name = "pymalloc",
	.versions = "CPython 3.9 and newer",
	.counts = true,
	.purge = NULL,
	.detect = pymalloc_detect,
	.walk = pymalloc_walk,
	.free = pymalloc_free,
};
