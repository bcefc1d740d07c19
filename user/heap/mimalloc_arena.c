// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mimalloc 3: arenas, whose slices are free, pages, or the allocator's own; bitmaps at
 * the head of each tell. What is too large for them or aligned to more than a slice is
 * a mapping by itself, to which only the map of the address space leads.
 */
#include "heap/mimalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/data.h"

#define CHUNK_BITS  512u /* MI_BCHUNK_BITS */
#define CHUNK_BYTES (CHUNK_BITS / 8)
#define CHUNKS_MAX  512u /* MI_BITMAP_MAX_CHUNK_COUNT */
#define BITMAP_HEAD 128u /* of a bitmap, before its bits */
#define LINE	    4096u /* what every page size is a multiple of */
#define FIELD	    64u /* MI_BFIELD_BITS */
#define RECORD_READ 256u /* of an arena, from its start on */
#define SAMPLE	    2000u /* pages that a layout is judged by */
#define TRIES_MAX   65536u /* words that could lead to an arena, or to the map */

enum { BITS_FREE, BITS_COMMITTED, BITS_DIRTY, BITS_PURGE, BITMAPS };

/* An arena's record, and its bitmaps as far as they matter. */
struct arena {
	uint64_t start, record;
	uint32_t slices, info;
	bool pinned;
	uint64_t records; /* of pages, one a slice; 0: they are at the slices */
	uint8_t *free, *purge,
		*pages; /* a bit a slice; pages only where the layout has it */
	uint64_t line_at; /* where the last looked at records of pages are; 0: nowhere */
	uint8_t line[LINE];
};

static bool bit(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

/*
 * Whether an arena of layout @l has its record @raw at @record: it is a mapping's, or
 * a part of one, and its bitmaps follow each other behind the record.
 */
static bool record_holds(const struct mimalloc *m, const struct mi_arena_layout *l,
			 uint64_t record, const uint8_t *raw, struct arena *a)
{
	uint64_t slices = get64(raw, l->slices), info = get64(raw, l->info_slices);
	uint64_t last = record;
	uint64_t bytes = slices / CHUNK_BITS * CHUNK_BYTES;

	*a = (struct arena){ .start = record - l->at, .record = record };
	if (record < l->at || !slices || slices % CHUNK_BITS ||
	    slices > CHUNKS_MAX * CHUNK_BITS || !info || info >= slices ||
	    !mi_mapped(m, a->start, a->start + slices * MI_SLICE))
		return false;
	for (int i = 0; i < BITMAPS; i++) {
		uint64_t at = get64(raw, l->bitmaps + i * 8);

		/* All but the first, which has more before its bits, are of one size. */
		if (at <= last || at % CHUNK_BYTES || at > a->start + info * MI_SLICE ||
		    (i && at - last < BITMAP_HEAD + bytes) ||
		    (i > 1 && at - last != BITMAP_HEAD + bytes))
			return false;
		last = at;
	}
	a->slices = (uint32_t)slices;
	a->info = (uint32_t)info;
	a->pinned = raw[MEMID_PINNED];
	return true;
}

static int read_record(struct mimalloc *m, const struct mi_arena_layout *l,
		       uint64_t record, struct arena *a, uint8_t *raw)
{
	int err = mi_read(m, record, raw, RECORD_READ);

	if (err)
		return err;
	return record_holds(m, l, record, raw, a) ? 0 : -EPROTO;
}

static bool known_arena(const struct mimalloc *m, uint64_t record)
{
	for (size_t i = 0; i < m->narenas; i++)
		if (m->arenas[i] == record)
			return true;
	return false;
}

int mi_try_arena(struct mimalloc *m, uint64_t record)
{
	uint8_t raw[RECORD_READ];
	struct mi_piece p = { .kind = MI_PIECE_ARENA, .record = record };
	struct arena a;
	int err;

	if (known_arena(m, record) || m->narenas == MI_ARENAS_MAX)
		return 0;
	for (size_t i = 0; i < mi_arena_layout_count; i++) {
		const struct mi_layout *l = &mi_arena_layouts[i];

		if (m->layout && m->layout != l)
			continue;
		err = read_record(m, l->arena, record, &a, raw);
		if (err == -ESRCH)
			return err;
		if (err)
			continue;
		m->layout = l;
		p.start = a.start;
		p.end = a.start + (uint64_t)a.slices * MI_SLICE;
		m->arenas[m->narenas++] = record;
		return mi_add_piece(m, &p);
	}
	return 0;
}

struct arena_scan {
	struct data_scan scan;
	struct mimalloc *m;
	unsigned int tries;
};

static int scan_for_arenas(struct data_scan *s, uint64_t addr, const uint8_t *buf,
			   size_t len)
{
	struct arena_scan *k = (struct arena_scan *)s;
	size_t narenas;
	int err = 0;

	(void)addr;
	for (size_t i = 0; !err && i + 8 <= len && k->tries < TRIES_MAX; i += 8) {
		uint64_t word = get64(buf, i);

		if (!word || word % MI_SLICE || !mi_mapped(k->m, word, word + MI_SLICE))
			continue;
		k->tries++;
		narenas = k->m->narenas;
		err = mi_try_arena(k->m, word);
		s->useful |= k->m->narenas != narenas;
	}
	return err;
}

static void drop_arena(struct arena *a)
{
	free(a->free);
	free(a->purge);
	free(a->pages);
	a->free = a->purge = a->pages = NULL;
}

/* Whether the records of pages lie behind the arena's own, as many as it has slices. */
static bool records_fit(const struct mimalloc *m, const struct arena *a)
{
	uint64_t bytes = (uint64_t)a->slices * m->layout->page->bytes;
	uint64_t end = a->start + (uint64_t)a->info * MI_SLICE;

	return a->records > a->record && a->records < end && bytes <= end - a->records;
}

/* Reads an arena's record and bitmaps anew; drop_arena(), also when it fails. */
static int load_arena(struct mimalloc *m, uint64_t record, struct arena *a)
{
	const struct mi_arena_layout *l = m->layout->arena;
	uint8_t raw[RECORD_READ];
	uint64_t at;
	size_t bytes;
	int err;

	*a = (struct arena){ 0 };
	err = read_record(m, l, record, a, raw);
	if (err)
		return err;
	a->records = l->records ? get64(raw, l->records) : 0;
	if (a->records && !records_fit(m, a))
		return -EPROTO;
	bytes = a->slices / 8;
	a->free = malloc(bytes);
	a->purge = malloc(bytes);
	a->pages = malloc(bytes);
	if (!a->free || !a->purge || !a->pages)
		return -ENOMEM;
	at = get64(raw, l->bitmaps + BITS_COMMITTED * 8) - bytes;
	err = mi_read_sparse(m, at, a->free, bytes);
	at = get64(raw, l->bitmaps + BITS_PURGE * 8) + BITMAP_HEAD;
	if (!err)
		err = mi_read_sparse(m, at, a->purge, bytes);
	if (!err && l->pages) {
		at = get64(raw, l->pages) + BITMAP_HEAD;
		err = mi_read_sparse(m, at, a->pages, bytes);
	}
	return err;
}

/* Of an arena that has the records at the head of the regions that the pages lie in. */
static int find_in_region(struct mimalloc *m, struct arena *a, uint32_t i,
			  uint64_t *record)
{
	uint32_t region = m->layout->arena->region;
	uint64_t slice = a->start + (uint64_t)i * MI_SLICE, self, entry;
	int err;

	entry = a->start + (uint64_t)(i - i % region) * MI_SLICE +
		(uint64_t)(i % region) * m->layout->page->bytes;
	if (a->line_at != entry - entry % LINE) {
		a->line_at = 0;
		err = mi_read_sparse(m, entry - entry % LINE, a->line, LINE);
		if (err)
			return err;
		a->line_at = entry - entry % LINE;
	}
	self = get64(a->line, entry % LINE);
	*record = self;
	return self == entry || self == slice;
}

/* Whether @memid is of what begins at slice @i. */
static bool is_of_slice(const struct mimalloc *m, const struct arena *a, uint32_t i,
			const uint8_t *memid)
{
	uint32_t count = get32(memid, MEMID_COUNT);

	return get64(memid, MEMID_ARENA) == a->record && get32(memid, MEMID_INDEX) == i &&
	       count && count <= a->slices - i &&
	       get32(memid, MEMID_KIND) == m->layout->arena->kind_arena;
}

/*
 * Where the record of the page at slice @i is: among those at the head of the arena,
 * where the size of its blocks says so, or at the slice. 0: there is none.
 */
static int find_record(struct mimalloc *m, struct arena *a, uint32_t i, uint64_t *record)
{
	const struct mi_page_layout *l = m->layout->page;
	uint8_t raw[MI_RECORD_MAX];
	int err = 0;

	if (m->layout->arena->region)
		return find_in_region(m, a, i, record);
	if (a->records) {
		*record = a->records + (uint64_t)i * l->bytes;
		err = mi_read_sparse(m, *record, raw, l->bytes);
		if (err || get64(raw, l->size))
			return err ? err : 1;
	}
	*record = a->start + (uint64_t)i * MI_SLICE;
	if (bit(a->pages, i) || !m->layout->arena->heaps)
		return bit(a->pages, i);
	err = mi_read_sparse(m, *record, raw, l->bytes);
	return err ? err : is_of_slice(m, a, i, raw + l->memid);
}

/* 1: a page that begins at slice @i; 0: there is none; -EPROTO: it makes no sense. */
static int page_at(struct mimalloc *m, struct arena *a, uint32_t i, struct mi_page *p)
{
	const struct mi_page_layout *l = m->layout->page;
	uint8_t raw[MI_RECORD_MAX];
	const uint8_t *memid = raw + l->memid;
	int found = mi_spend(m, 1);

	if (!found)
		found = find_record(m, a, i, &p->record);
	if (found <= 0)
		return found;
	found = mi_read(m, p->record, raw, l->bytes);
	if (found < 0)
		return found;
	/* It was given up, and is about to be used again. */
	p->start = a->start + (uint64_t)i * MI_SLICE;
	if ((m->layout->arena->region || p->record != p->start) && !get64(raw, l->size))
		return 0;
	if (!is_of_slice(m, a, i, memid))
		return -EPROTO;
	p->end = p->start + (uint64_t)get32(memid, MEMID_COUNT) * MI_SLICE;
	p->fresh = true;
	return mi_parse_page(m, raw, p) ? 1 : -EPROTO;
}

/* How well the layout of pages explains those that there are. */
struct judge {
	size_t good, bad;
	struct mi_page page; /* one of them */
};

static int judge_arena(struct mimalloc *m, struct arena *a, struct judge *g)
{
	for (uint32_t i = a->info; i < a->slices && g->good + g->bad < SAMPLE; i++) {
		struct mi_page p;
		int found = bit(a->free, i) ? 0 : page_at(m, a, i, &p);

		if (found == -ESRCH || found == -EFBIG)
			return found;
		if (found == -EPROTO || (found == 1 && mi_count_live(m, &p) == -EPROTO))
			g->bad++;
		if (found != 1)
			continue;
		g->good++;
		g->page = p;
		i += (uint32_t)((p.end - p.start) / MI_SLICE) - 1;
	}
	return 0;
}

static int judge_all(struct mimalloc *m, struct judge *g)
{
	int err = 0;

	for (size_t i = 0; !err && i < m->npieces; i++) {
		struct arena a;

		err = load_arena(m, m->pieces[i].record, &a);
		if (!err)
			err = judge_arena(m, &a, g);
		drop_arena(&a);
		if (err == -ESRCH || err == -ENOMEM)
			return err;
		err = 0;
	}
	return 0;
}

/*
 * The layout is that of an arena that data leads to, and of pages the one that explains
 * those in all arenas best. Some of these may change while they are looked at.
 */
static int choose_layout(struct mimalloc *m, struct judge *best)
{
	const struct mi_layout *end = mi_arena_layouts + mi_arena_layout_count;
	const struct mi_layout *first = m->layout;
	int err = 0;

	*best = (struct judge){ .bad = SIZE_MAX };
	for (const struct mi_layout *l = first; !err && best->bad && l && l < end; l++) {
		const struct mi_layout *kept = m->layout;
		struct judge g = { 0 };

		if (l->arena != first->arena)
			break;
		m->layout = l;
		err = judge_all(m, &g);
		if (g.good && g.bad < best->bad)
			*best = g;
		else
			m->layout = kept;
	}
	return err;
}

int mi_find_arenas_root(struct mimalloc *m)
{
	struct arena_scan s = { .scan.window = scan_for_arenas, .m = m };
	struct judge g;
	int err = data_scan(m->src, &s.scan);

	if (!err)
		err = choose_layout(m, &g);
	if (!err && g.good && g.bad <= g.good / 4) {
		err = mi_find_map(m, &g.page);
		if (!err)
			err = mi_find_thp(m);
		return err ? err : 1;
	}
	m->layout = NULL;
	return err;
}

int mi_find_arenas(struct mimalloc *m)
{
	struct arena_scan s = { .scan.window = scan_for_arenas, .m = m };
	int err;

	m->npieces = m->narenas = 0;
	err = data_scan(m->src, &s.scan);
	if (!err && m->map)
		err = mi_walk_map(m);
	else if (!err)
		heap_incomplete(m->heap, "the map of pages was not found: what has a "
					 "mapping of its own is not seen");
	mi_sort_pieces(m);
	return err;
}

/* Whether what is purged is at least a huge page. */
static bool purges_huge_pages(const struct mimalloc *m)
{
	int64_t thp = m->option[MI_OPTION_ALLOW_THP];

	return m->thp && (m->option_known[MI_OPTION_NUMA_LOCAL] ? thp == 2 : thp != 0);
}

/*
 * How many slices are purged together at least, and aligned to as many; 0: none are, or
 * it is not known. With huge pages it is a huge page's; without, a page.
 */
static uint32_t slices_purged(const struct mimalloc *m)
{
	const bool *known = m->option_known;
	const int64_t *option = m->option;
	enum mi_option least = known[MI_OPTION_PURGE_MIN_SIZE] ? MI_OPTION_PURGE_MIN_SIZE
							       : MI_OPTION_MINIMAL_PURGE;
	int64_t kib = option[least];
	uint64_t slices;

	if (!known[MI_OPTION_PURGE_DELAY] || !known[MI_OPTION_PURGE_DECOMMITS] ||
	    option[MI_OPTION_PURGE_DELAY] <= 0 || !option[MI_OPTION_PURGE_DECOMMITS])
		return 0;
	if (known[MI_OPTION_PURGE_MULT] && option[MI_OPTION_PURGE_MULT] <= 0)
		return 0;
	if (!known[least])
		return 1;
	if (kib <= 0)
		kib = purges_huge_pages(m) ? 2048 : 4;
	slices = ((uint64_t)kib * 1024 + MI_SLICE - 1) / MI_SLICE;
	return slices < FIELD ? (uint32_t)slices : FIELD;
}

/* Pages that mi_collect() gives up are free by then, and to be purged. */
static int give_up_pages(struct mimalloc *m, struct arena *a)
{
	for (uint32_t i = a->info; i < a->slices; i++) {
		struct mi_page p = { 0 };
		int found = bit(a->free, i) ? 0 : page_at(m, a, i, &p);
		uint32_t n = 1;

		if (found == -ESRCH)
			return found;
		if (found == -EFBIG)
			break;
		if (found == 1)
			n = (uint32_t)((p.end - p.start) / MI_SLICE);
		if (found != 1 || !mi_gives_up(m, &p)) {
			i += n - 1;
			continue;
		}
		m->heap->own_free += p.capacity * p.size;
		for (uint32_t k = i; k < i + n; k++) {
			a->free[k / 8] |= (uint8_t)(1u << k % 8);
			a->purge[k / 8] |= (uint8_t)(1u << k % 8);
		}
		i += n - 1;
	}
	return 0;
}

/* Of slices that are purged together only whole groups are. */
static void keep_whole(struct arena *a, uint32_t group)
{
	for (uint32_t field = 0; field < a->slices; field += FIELD)
		for (uint32_t i = 0; i < FIELD; i += group) {
			uint32_t set = 0, n = group < FIELD - i ? group : FIELD - i;

			for (uint32_t k = 0; k < n; k++)
				set += bit(a->purge, field + i + k);
			for (uint32_t k = field + i; set < group && k < field + i + n;
			     k++)
				a->purge[k / 8] &= (uint8_t) ~(1u << k % 8);
		}
}

/* Sets the bits of purge as mi_collect(true) will find them. */
static int foretell(struct mimalloc *m, struct arena *a)
{
	uint32_t group = a->pinned ? 0 : slices_purged(m);
	int err = 0;

	if (!group) {
		memset(a->purge, 0, a->slices / 8);
		return 0;
	}
	if (m->src->target->threads == 1)
		err = give_up_pages(m, a);
	if (!err && group > 1)
		keep_whole(a, group);
	return err;
}

static int walk_free(struct mimalloc *m, const struct arena *a, uint32_t i,
		     uint32_t *next)
{
	bool purge = bit(a->purge, i);
	uint32_t to = i;

	while (to < a->slices && bit(a->free, to) && bit(a->purge, to) == purge)
		to++;
	*next = to;
	return mi_tell(m, purge ? EXTENT_RETURNABLE : EXTENT_FREE,
		       a->start + (uint64_t)i * MI_SLICE,
		       a->start + (uint64_t)to * MI_SLICE);
}

/* What is neither free nor a page is the allocator's own (arena-meta.c). */
static int walk_used(struct mimalloc *m, struct arena *a, uint32_t i, uint32_t *next)
{
	uint64_t at = a->start + (uint64_t)i * MI_SLICE;
	struct mi_page p;
	int found = -EPROTO;

	for (int n = 0; found == -EPROTO && n < MI_LOOKS; n++, a->line_at = 0)
		found = page_at(m, a, i, &p);
	*next = i + 1;
	if (found < 0)
		return mi_tell_unread(m, found, at, at + MI_SLICE);
	if (!found)
		return mi_tell(m, EXTENT_META, at, at + MI_SLICE);
	*next = i + (uint32_t)((p.end - p.start) / MI_SLICE);
	return mi_walk_page(m, &p);
}

static int walk_slices(struct mimalloc *m, struct arena *a)
{
	int err = mi_tell(m, EXTENT_META, a->start,
			  a->start + (uint64_t)a->info * MI_SLICE);

	for (uint32_t i = a->info, next; !err && i < a->slices; i = next)
		err = bit(a->free, i) ? walk_free(m, a, i, &next)
				      : walk_used(m, a, i, &next);
	return err;
}

int mi_walk_arena(struct mimalloc *m, const struct mi_piece *piece)
{
	struct arena a = { 0 };
	int err = load_arena(m, piece->record, &a);

	if (!err && (a.start != piece->start ||
		     a.start + (uint64_t)a.slices * MI_SLICE != piece->end))
		err = -EPROTO;
	if (!err)
		err = foretell(m, &a);
	if (!err)
		err = walk_slices(m, &a);
	else if (err != -ENOMEM)
		err = mi_tell_unread(m, err, piece->start, piece->end);
	drop_arena(&a);
	return err;
}
