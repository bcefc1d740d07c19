// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jemalloc: joins what the other jemalloc_*.c find into extents, and foretells
 * arena.<all>.purge to the page: it gives back dirty and muzzy extents
 * (arena_decay_impl(), pac_decay_all()), and nothing that lies within slabs.
 */
#include "heap/jemalloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/decoder.h"
#include "heap/emit.h"

#define WHOSE "jemalloc's"

#define SETTINGS 2

bool je_mapped(const struct jemalloc *j, uint64_t addr)
{
	const struct vma *v = vma_find(j->src->vmas, addr);

	return v && vma_is_anon(v);
}

bool je_mapped_all(const struct jemalloc *j, uint64_t start, uint64_t end)
{
	const struct vma_list *l = j->src->vmas;
	const struct vma *v = vma_find(l, start);

	if (end <= start)
		return false;
	while (v && vma_is_anon(v) && v->end < end) {
		const struct vma *next = v + 1 < l->v + l->n ? v + 1 : NULL;

		v = next && next->start == v->end ? next : NULL;
	}
	return v && vma_is_anon(v);
}

/* The walk's result on its way to the sink. */
struct join {
	struct tree_visitor visitor;
	struct jemalloc *j;
	struct emitter out;
	uint64_t at; /* all below is told */
	size_t block; /* the first block that is not told */
	size_t mark; /* the first cached address that is not below the walk */
	uint64_t huge_end; /* of the huge page whose last extents came from one */
	uint64_t absent; /* from there on extents may begin unseen; 0: nowhere */
};

/* The place of an arena among the heap's. */
static int arena_slot(struct jemalloc *j, unsigned int arena, uint32_t *slot)
{
	struct heap *h = j->heap;

	arena %= JE_ARENAS;
	if (!j->slot[arena]) {
		if (!grow(&h->arenas, &j->arenas_cap, h->narenas, sizeof(*h->arenas)))
			return -ENOMEM;
		h->arenas[h->narenas] = (struct heap_arena){ .kind = ARENA_PLAIN };
		j->slot[arena] = (uint32_t)++h->narenas;
	}
	*slot = j->slot[arena] - 1;
	return 0;
}

static int emit_as(struct join *k, unsigned int arena, enum extent_kind kind,
		   uint64_t start, uint64_t end)
{
	uint32_t slot;
	int err;

	if (start < k->at)
		start = k->at;
	if (start >= end)
		return 0;
	err = arena_slot(k->j, arena, &slot);
	if (err)
		return err;
	k->at = end;
	return emit(&k->out, slot, kind, start, end);
}

/*
 * Up to @addr there are no extents. What the huge page allocator (hpa.c) keeps free is
 * in none, but in huge pages that have some.
 */
static int emit_gap(struct join *k, uint64_t addr, bool huge)
{
	uint64_t start = addr - addr % JE_HUGEPAGE, end = k->huge_end;
	int err = emit_as(k, 0, EXTENT_UNREAD, k->at, end < addr ? end : addr);

	if (err || !huge)
		return err;
	k->huge_end = start + JE_HUGEPAGE;
	heap_incomplete(k->j->heap,
			"jemalloc's huge page allocator (HPA) is in use: what it keeps "
			"free is not decoded");
	return emit_as(k, 0, EXTENT_UNREAD, start, addr);
}

/* Blocks of records that begin below @addr. */
static int emit_blocks(struct join *k, uint64_t addr)
{
	struct jemalloc *j = k->j;
	int err = 0;

	for (; !err && k->block < j->nblocks; k->block++) {
		const struct block *b = &j->blocks[k->block];
		uint64_t end = b->end < addr ? b->end : addr;

		if (b->start >= addr)
			break;
		err = emit_as(k, b->arena, EXTENT_META, b->start, end);
	}
	return err;
}

static int emit_before(struct join *k, uint64_t addr, bool huge)
{
	int err = emit_blocks(k, addr);

	return err ? err : emit_gap(k, addr, huge);
}

/* How a region of a slab is. */
static enum extent_kind region_kind(const struct record *r, const uint64_t *cached,
				    unsigned int i)
{
	if (r->bitmap[i / 64] >> i % 64 & 1)
		return EXTENT_FREE;
	return cached[i / 64] >> i % 64 & 1 ? EXTENT_CACHED : EXTENT_LIVE;
}

/* Regions from @i on that are like it: up to which. */
static unsigned int run_of(const struct record *r, const uint64_t *cached, unsigned int i,
			   unsigned int n)
{
	enum extent_kind kind = region_kind(r, cached, i);
	uint64_t all = kind == EXTENT_FREE ? ~0ull : 0;

	while (i < n && region_kind(r, cached, i) == kind) {
		unsigned int word = i / 64;

		if (i % 64 == 0 && r->bitmap[word] == all &&
		    cached[word] == (kind == EXTENT_CACHED ? ~0ull : 0))
			i += 64;
		else
			i++;
	}
	return i < n ? i : n;
}

/* The regions of a slab that threads have in their caches. */
static void mark_cached(struct join *k, const struct record *r, uint64_t *cached)
{
	const struct jemalloc *j = k->j;
	uint64_t size = j->classes->size[r->szind];

	while (k->mark < j->ncached && j->cached[k->mark] < r->start)
		k->mark++;
	for (; k->mark < j->ncached && j->cached[k->mark] < r->end; k->mark++) {
		uint64_t offset = j->cached[k->mark] - r->start, i = offset / size;

		if (offset % size == 0)
			cached[i / 64] |= 1ull << i % 64;
	}
}

static int emit_slab(struct join *k, const struct record *r)
{
	const struct class_table *c = k->j->classes;
	unsigned int n = je_regions(c, r), free = je_free_regions(c, r);
	uint64_t cached[JE_REGIONS / 64] = { 0 }, size = c->size[r->szind];
	uint32_t slot;
	int err = arena_slot(k->j, r->arena, &slot);

	/* Its first pages may have been told as unread. */
	if (!err)
		err = emit_unit(&k->out, slot, r->start < k->at ? k->at : r->start,
				r->end);
	mark_cached(k, r, cached);
	k->j->heap->own_free += free * size;
	/* The count and the bitmap change one after the other. */
	if (free != r->nfree) {
		heap_incomplete(k->j->heap, "the heap changed while it was read");
		k->j->heap->torn += size;
	}
	k->out.size = size;
	for (unsigned int i = 0, end; !err && i < n; i = end) {
		end = run_of(r, cached, i, n);
		err = emit_as(k, r->arena, region_kind(r, cached, i), r->start + i * size,
			      r->start + end * size);
	}
	k->out.size = 0;
	return err ? err : emit_as(k, r->arena, EXTENT_META, k->at, r->end);
}

/*
 * Where an allocation of whole pages ends. All have a page more (sz_large_pad), or
 * none: so that they can begin anywhere in the first one, and not all fall on the same
 * cache lines. One of a small class has pages to itself because it was sampled for a
 * profile.
 */
static uint64_t end_of_large(const struct jemalloc *j, const struct record *r)
{
	uint64_t size = r->end - r->start, usable = j->classes->size[r->szind];

	if (r->szind < j->classes->nsmall)
		return usable < r->end - r->addr ? r->addr + usable : r->end;
	return j->padding == PADDED && size > JE_PAGE ? r->addr + size - JE_PAGE : r->end;
}

static int settle_padding(struct jemalloc *j, const struct record *r)
{
	if (j->padding != PADDING_UNKNOWN || !je_is_large(j->classes, r))
		return 0;
	j->padding = je_padding_of(j, r);
	return j->padding == PADDING_UNKNOWN ? je_find_padding(j) : 0;
}

static int emit_large(struct join *k, const struct record *r)
{
	const struct jemalloc *j = k->j;
	enum extent_kind kind = EXTENT_LIVE;
	int err = settle_padding(k->j, r);
	uint64_t end = end_of_large(j, r);

	if (err)
		return err;

	while (k->mark < j->ncached && j->cached[k->mark] < r->start)
		k->mark++;
	if (k->mark < j->ncached && j->cached[k->mark] == r->addr)
		kind = EXTENT_CACHED;
	err = emit_as(k, r->arena, EXTENT_META, r->start, r->addr);
	k->out.size = j->classes->size[r->szind];
	if (!err)
		err = emit_as(k, r->arena, kind, r->addr, end);
	k->out.size = 0;
	return err ? err : emit_as(k, r->arena, EXTENT_META, end, r->end);
}

static int emit_record(struct join *k, const struct record *r)
{
	struct jemalloc *j = k->j;

	if (r->slab)
		return emit_slab(k, r);
	if (r->szind < j->classes->n)
		return emit_large(k, r);
	if (r->state == RECORD_DIRTY || r->state == RECORD_MUZZY) {
		j->heap->own_free += r->end - r->start;
		return emit_as(k, r->arena, EXTENT_RETURNABLE, r->start, r->end);
	}
	/* On its way to the kernel: the lists of what is purged hold it as active. */
	if (r->state == RECORD_ACTIVE)
		return emit_as(k, r->arena, EXTENT_RETURNABLE, r->start, r->end);
	return emit_as(k, r->arena, EXTENT_FREE, r->start, r->end);
}

/*
 * What an entry leads to. False if it makes no sense: it changed while it was read. The
 * last page of an extent leads there, too, and is met first if what its first page has
 * in the tree is not resident.
 */
static bool decode(const struct join *k, const struct tree_entry *e, struct record *r)
{
	const struct jemalloc *j = k->j;
	uint64_t start = get64(e->raw, RECORD_ADDR);

	start -= start % JE_PAGE;
	if (!k->absent || start < k->absent || start > e->start)
		start = e->start;
	return je_decode(j, j->record, j->classes, e->raw, start, r) && r->end > e->start;
}

/* Whether each entry that is not within what the one before describes is a record. */
static bool entries_agree(struct tree_visitor *v, const struct tree_entry *e, size_t n)
{
	struct join *k = (struct join *)v;
	const struct class_table *c = k->j->classes;
	uint64_t at = k->at;
	struct record r;

	for (size_t i = 0; i < n; i++) {
		if (e[i].start < at || !e[i].raw)
			continue;
		if (!decode(k, &e[i], &r) ||
		    (r.slab && r.nfree != je_free_regions(c, &r)))
			return false;
		at = r.end;
	}
	return true;
}

/* Index of the first mapping that ends above @addr. */
static size_t vma_above(const struct vma_list *l, uint64_t addr)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* What a page of the root describes is half a terabyte, of which little is mapped. */
static int emit_unread(struct join *k, uint64_t start, uint64_t end)
{
	const struct vma_list *l = k->j->src->vmas;
	unsigned int arena = 0;
	int err = emit_before(k, start, false);

	for (size_t i = vma_above(l, start); !err && i < l->n && l->v[i].start < end;
	     i++) {
		const struct vma *v = &l->v[i];

		if (vma_is_anon(v))
			err = emit_as(k, arena, EXTENT_UNREAD,
				      v->start > start ? v->start : start,
				      v->end < end ? v->end : end);
	}
	return err;
}

static int take_entry(struct tree_visitor *v, const struct tree_entry *e)
{
	struct join *k = (struct join *)v;
	struct record r;
	int err;

	if (e->start < k->at)
		return 0;
	if (!e->raw) {
		heap_absent(k->j->heap);
		return emit_unread(k, e->start, e->last + JE_PAGE);
	}
	/* A block is found by its first page. */
	if (!je_block_of(k->j, e->record))
		heap_incomplete(k->j->heap,
				"not all blocks of jemalloc's own records were found");
	if (!decode(k, e, &r)) {
		heap_incomplete(k->j->heap, "the heap changed while it was read");
		k->j->heap->torn += e->last + JE_PAGE - e->start;
		return emit_unread(k, e->start, e->last + JE_PAGE);
	}
	k->absent = 0;
	err = emit_before(k, r.start, r.huge);
	return err ? err : emit_record(k, &r);
}

static int take_absent(struct tree_visitor *v, uint64_t start, uint64_t end)
{
	struct join *k = (struct join *)v;

	start = start > k->at ? start : k->at;
	k->absent = k->absent ? k->absent : start;
	heap_absent(k->j->heap);
	return emit_unread(k, start, end);
}

static int emit_all(struct join *k)
{
	int err = je_walk_tree(k->j, &k->visitor);

	if (err == -EPROTO) {
		heap_incomplete(k->j->heap, "the tree of extents does not end");
		err = 0;
	}
	if (!err)
		err = emit_before(k, UINT64_MAX, false);
	return err ? err : emit_end(&k->out);
}

static int fill_settings(struct heap *h, const struct jemalloc *j)
{
	if (!j->decay_known)
		return 0;
	h->settings = calloc(SETTINGS, sizeof(*h->settings));
	if (!h->settings)
		return -ENOMEM;
	h->settings[h->nsettings++] =
		(struct heap_setting){ "dirty_decay_ms", j->dirty_decay_ms, false };
	h->settings[h->nsettings++] =
		(struct heap_setting){ "muzzy_decay_ms", j->muzzy_decay_ms, false };
	return 0;
}

static int jemalloc_walk(struct heap *h, const struct heap_source *src,
			 struct extent_sink *sink, struct error *e)
{
	struct jemalloc *j = h->priv;
	struct join k = { { entries_agree, take_entry, take_absent },
			  .j = j,
			  .out = { h, sink } };
	int err;

	j->src = src;
	/* Late, for what thread caches hold changes faster than all else. */
	err = je_find_caches(j);
	if (!err)
		err = fill_settings(h, j);
	if (!err)
		err = emit_all(&k);
	if (k.out.answer)
		return k.out.answer;
	return err ? decoder_failed(src, WHOSE, err, e) : 0;
}

static void jemalloc_free(struct heap *h)
{
	struct jemalloc *j = h->priv;

	peek_free(&j->peek);
	free(j->blocks);
	free(j->cached);
	decoder_free(h);
}

/* 1: found; 0: not there; -errno. */
static int detect(struct jemalloc *j)
{
	struct heap *h = j->heap;
	int found = peek_init(&j->peek, &j->src->target->reader);

	if (found)
		return found;
	je_fill_classes(j);
	found = je_find_blocks(j);
	if (found || !j->nblocks)
		return found;
	found = je_find_root(j);
	if (found <= 0)
		return found;
	found = je_choose_layout(j);
	if (found)
		return found;
	if (!j->record) {
		h->status = HEAP_UNSUPPORTED;
		snprintf(h->reason, sizeof(h->reason),
			 "jemalloc's tree of extents is there, but the records in it are "
			 "of a layout that is not known");
		return 1;
	}
	snprintf(h->version, sizeof(h->version), "%s", j->record->versions);
	if (j->record->no_rings)
		heap_incomplete(h, "what thread caches hold is counted as in use");
	if (j->several)
		heap_incomplete(h, "there is more than one jemalloc in the process: one "
				   "of them is decoded");
	return 1;
}

static struct heap *heap_new(const struct heap_source *src)
{
	struct heap *h = decoder_heap(&heap_jemalloc, sizeof(struct jemalloc));
	struct jemalloc *j = h ? h->priv : NULL;

	if (!h)
		return NULL;
	j->heap = h;
	j->src = src;
	return h;
}

static int jemalloc_detect(const struct heap_source *src, struct heap **out,
			   struct error *e)
{
	struct heap *h = heap_new(src);
	int found = h ? detect(h->priv) : -ENOMEM;

	return decoder_found(h, found, src, WHOSE, out, e);
}

const struct heap_ops heap_jemalloc = {
	.name = "jemalloc",
	.versions = "5.2, 5.3",
	.purge = "mallctl arena.4096.purge",
	.detect = jemalloc_detect,
	.walk = jemalloc_walk,
	.free = jemalloc_free,
};
