// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A page of mimalloc: which of its blocks are free. Those that its three lists lead
 * to are, and those that were never cut. The lists lie in the free blocks themselves.
 */
#include "heap/mimalloc.h"

#include <errno.h>
#include <string.h>

#include "heap/data.h"

/* segment.c of 2.0: blocks of these sizes begin behind a gap. */
#define GAP_MIN 8u
#define GAP_MAX 1024u
/* segment.c of 2.1.0: behind the room of three blocks, or of one. */
#define THREE_MAX      64u
#define ONE_MAX	       512u
#define TAGS	       7u /* low bits of a list's head that are no address */
#define WORD	       sizeof(uint64_t)
#define COUNTED_MAX    (4ull << 20) /* larger pages have few blocks: all are looked at */
#define LOOKS_A_WINDOW 4u /* what reading one costs of the budget */

static uint32_t get16(const uint8_t *raw, uint32_t at)
{
	return raw[at] | (uint32_t)raw[at + 1] << 8;
}

static uint64_t first_block(const struct mi_page_layout *l, const uint8_t *raw,
			    const struct mi_page *p)
{
	switch (l->begins) {
	case MI_START_POINTER:
		return get64(raw, l->start);
	case MI_START_OFFSET:
		return p->record + get64(raw, l->start);
	case MI_START_WORDS:
		return p->record + (uint64_t)get32(raw, l->start) * WORD;
	case MI_START_BEHIND_BLOCKS:
		if (p->size > ONE_MAX)
			return p->start;
		return p->start + (p->size <= THREE_MAX ? 3 * p->size : p->size);
	case MI_START_BEHIND_GAP:
		break;
	}
	return p->size >= GAP_MIN && p->size <= GAP_MAX ? p->start + l->gap : p->start;
}

bool mi_parse_page(const struct mimalloc *m, const uint8_t *raw, struct mi_page *p)
{
	const struct mi_page_layout *l = m->layout->page;
	uint64_t room;

	p->size = l->size_bytes == WORD ? get64(raw, l->size) : get32(raw, l->size);
	if (l->size_bytes != WORD && p->size == l->huge)
		p->size = p->end - p->start;
	p->used = get16(raw, l->used);
	p->capacity = get16(raw, l->capacity);
	p->reserved = get16(raw, l->reserved);
	for (int i = 0; i < MI_LISTS; i++)
		p->list[i] = get64(raw, l->list[i]) & ~(uint64_t)TAGS;
	for (int i = 0; i < 2; i++)
		p->keys[i] = l->keys ? get64(raw, l->keys + i * WORD) : 0;
	p->heap = get64(raw, l->heap) & ~(uint64_t)TAGS;
	p->gone = l->memid && !p->used && !(get64(raw, l->thread) & ~(uint64_t)TAGS);
	p->blocks = first_block(l, raw, p);
	if (p->size < WORD || p->size % WORD || p->blocks % WORD ||
	    p->blocks < p->start || p->blocks >= p->end)
		return false;
	if (p->end - p->start > READER_WINDOW && p->capacity > MI_HEADS_MAX)
		return false;
	room = p->end - p->blocks;
	return p->reserved && p->size <= room / p->reserved &&
	       p->capacity <= p->reserved && p->used <= p->capacity;
}

bool mi_fills_room(const struct mimalloc *m, const struct mi_page *p)
{
	return m->layout->page->begins == MI_START_POINTER ||
	       p->reserved == (p->end - p->blocks) / p->size;
}

/*
 * Reads the words at the heads of blocks, at once: were they read one after the other,
 * long lists would change under the look more often than short ones.
 */
static int fill(struct mimalloc *m, const struct mi_page *p)
{
	struct reader *r = &m->src->target->reader;
	ssize_t got;

	m->filled = true;
	m->in_window = p->end - p->start <= READER_WINDOW;
	if (mi_spend(m, m->in_window ? LOOKS_A_WINDOW : p->capacity))
		return -EFBIG;
	if (m->in_window) {
		got = reader_window(r, p->start, p->end - p->start, m->data, m->present);
		return got < 0 ? (int)got : 0;
	}
	for (uint32_t i = 0; i < p->capacity; i++)
		m->places[i] = p->blocks + i * p->size;
	return reader_gather(r, m->places, p->capacity, WORD, m->words, m->there);
}

/* The word at the head of block @i. */
static int read_head(struct mimalloc *m, const struct mi_page *p, uint64_t i,
		     uint64_t *head)
{
	uint64_t off = p->blocks + i * p->size - p->start;
	int err = m->filled ? 0 : fill(m, p);

	if (err)
		return err;
	if (!m->in_window) {
		*head = m->words[i];
		return m->there[i] ? 0 : -ENODATA;
	}
	*head = get64(m->data, off);
	return page_is_resident(m->present[off / m->src->target->reader.page_size])
		       ? 0
		       : -ENODATA;
}

/* mi_ptr_decode() of internal.h: what leads to the record leads nowhere. */
static uint64_t decode_next(const struct mi_page *p, uint64_t head)
{
	unsigned int by = p->keys[0] % 64;
	uint64_t word = head - p->keys[0];

	word = (by ? word >> by | word << (64 - by) : word) ^ p->keys[1];
	return word == p->record ? 0 : word;
}

static int read_next(struct mimalloc *m, const struct mi_page *p, uint64_t i,
		     uint64_t *next)
{
	int err = read_head(m, p, i, next);

	if (!err && m->layout->page->keys)
		*next = decode_next(p, *next);
	return err;
}

static bool is_free(const struct mimalloc *m, uint64_t i)
{
	return m->free[i / 8] >> i % 8 & 1;
}

static void set_free(struct mimalloc *m, uint64_t i)
{
	m->free[i / 8] |= (uint8_t)(1u << i % 8);
	m->nfree++;
}

/* Follows a list. What was met before ends it: it is a ring, or another list's. */
static int follow(struct mimalloc *m, const struct mi_page *p, uint64_t at)
{
	while (at) {
		uint64_t off = at - p->blocks, i = off / p->size;
		int err;

		if (off % p->size || i >= p->capacity || is_free(m, i))
			return -EPROTO;
		set_free(m, i);
		err = read_next(m, p, i, &at);
		if (err)
			return err;
	}
	return 0;
}

/* The first of what was freed, and waits in the heap, that is at @addr or behind. */
static size_t delayed_from(const struct mimalloc *m, uint64_t addr)
{
	size_t lo = 0, hi = m->ndelayed;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->delayed[mid] < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void mark_delayed(struct mimalloc *m, const struct mi_page *p)
{
	uint64_t end = p->blocks + p->capacity * p->size;

	for (size_t k = delayed_from(m, p->blocks);
	     k < m->ndelayed && m->delayed[k] < end; k++) {
		uint64_t i = (m->delayed[k] - p->blocks) / p->size;

		if (!is_free(m, i))
			set_free(m, i);
	}
}

/* Of the blocks that are in use by the record's count. */
static uint64_t live_by_count(const struct mimalloc *m, const struct mi_page *p)
{
	uint64_t end = p->blocks + p->capacity * p->size, last = 0, live = p->used;

	for (size_t k = delayed_from(m, p->blocks);
	     live && k < m->ndelayed && m->delayed[k] < end; k++) {
		live -= m->delayed[k] != last;
		last = m->delayed[k];
	}
	return live;
}

/*
 * Once. Blocks in the first two lists are not in use by the record's count; what other
 * threads freed still is.
 */
static int decode(struct mimalloc *m, const struct mi_page *p)
{
	int err;

	memset(m->free, 0, (p->capacity + 7) / 8);
	m->nfree = 0;
	m->filled = false;
	err = follow(m, p, p->list[0]);
	if (!err)
		err = follow(m, p, p->list[1]);
	if (!err && m->nfree + p->used != p->capacity)
		err = -EPROTO;
	if (!err)
		err = follow(m, p, p->list[2]);
	if (!err)
		mark_delayed(m, p);
	return err;
}

/* Reads the record right before the lists: it changes with each block taken or given. */
static int look_again(struct mimalloc *m, struct mi_page *p)
{
	uint8_t raw[MI_RECORD_MAX];
	int err = mi_read(m, p->record, raw, m->layout->page->bytes);

	if (err)
		return err;
	return mi_parse_page(m, raw, p) ? 0 : -EPROTO;
}

int64_t mi_count_live(struct mimalloc *m, struct mi_page *p)
{
	int err = -EPROTO;

	for (int i = 0; err == -EPROTO && i < MI_LOOKS; i++) {
		err = p->fresh ? 0 : look_again(m, p);
		p->fresh = false;
		if (!err)
			err = decode(m, p);
	}
	return err ? err : (int64_t)(p->capacity - m->nfree);
}

/* It is static; of one thread it is the only one, or the one that it allocates from. */
bool mi_of_main_heap(const struct mimalloc *m, const struct mi_page *p)
{
	const struct vma *v = vma_find(m->src->vmas, p->heap);

	return v && heap_is_data(m->src->vmas, (size_t)(v - m->src->vmas->v));
}

bool mi_is_empty(struct mimalloc *m, struct mi_page *p)
{
	if (p->used && !p->list[2] && !m->ndelayed)
		return false;
	if (m->quick && !p->list[2])
		return !live_by_count(m, p);
	return mi_count_live(m, p) == 0;
}

bool mi_gives_up(struct mimalloc *m, struct mi_page *p)
{
	return m->src->target->threads == 1 && mi_of_main_heap(m, p) && mi_is_empty(m, p);
}

/* Blocks from @i on that are like it: up to which. */
static uint32_t run_of(const struct mimalloc *m, const struct mi_page *p, uint32_t i)
{
	bool kind = is_free(m, i);
	uint8_t all = kind ? 0xff : 0;

	while (i < p->capacity && is_free(m, i) == kind) {
		if (i % 8 == 0 && i + 8 <= p->capacity && m->free[i / 8] == all)
			i += 8;
		else
			i++;
	}
	return i;
}

/* Of a quick look: how far what is told of @p, as @x, may be wrong. True: not at all. */
static bool bound_error(struct mimalloc *m, const struct mi_page *p, struct mixed x)
{
	struct heap_error *e = &m->heap->error;

	if (!x.live || (x.at + x.live == x.end && !p->list[2]))
		return true;
	/* What other threads freed is not counted: it may be all. */
	if (p->list[2]) {
		e->live += x.live;
		x.live = 0;
	}
	e->held += mixed_doubt(&x);
	/* What was never cut may be the rest of the last page. */
	if (p->capacity < p->reserved && x.end % x.page)
		e->held += x.page;
	return false;
}

/* The blocks of @p that were ever cut, by their counts. */
static int tell_counted(struct mimalloc *m, const struct mi_page *p)
{
	uint64_t live = live_by_count(m, p) * p->size;
	struct mixed x = { p->blocks, p->blocks + p->capacity * p->size, live,
			   m->src->target->reader.page_size };
	/* Else it is not known which blocks keep the page. */
	int err = bound_error(m, p, x) ? emit_unit(&m->out, 0, p->start, p->end) : 0;

	if (!p->gone)
		m->heap->own_free += x.end - x.at - live;
	if (!err)
		err = mi_tell(m, EXTENT_META, p->start, p->blocks);
	m->out.size = p->size;
	for (struct mixed_part t; !err && mixed_next(&x, &t);) {
		err = mi_tell(m, EXTENT_LIVE, t.start, t.mid);
		if (!err)
			err = mi_tell(m, EXTENT_FREE, t.mid, t.end);
	}
	return err;
}

/* The same, by their lists. */
static int tell_listed(struct mimalloc *m, struct mi_page *p)
{
	int err = emit_unit(&m->out, 0, p->start, p->end);

	if (!p->gone)
		m->heap->own_free += m->nfree * p->size;
	if (!err)
		err = mi_tell(m, EXTENT_META, p->start, p->blocks);
	m->out.size = p->size;
	for (uint32_t i = 0, to; !err && i < p->capacity; i = to) {
		to = run_of(m, p, i);
		err = mi_tell(m, is_free(m, i) ? EXTENT_FREE : EXTENT_LIVE,
			      p->blocks + i * p->size, p->blocks + to * p->size);
	}
	return err;
}

int mi_walk_page(struct mimalloc *m, struct mi_page *p)
{
	bool counted = m->quick && p->end - p->start <= COUNTED_MAX;
	int64_t live = counted ? 0 : mi_count_live(m, p);
	int err;

	if (live < 0)
		return mi_tell_unread(m, (int)live, p->start, p->end);
	err = counted ? tell_counted(m, p) : tell_listed(m, p);
	if (!err)
		err = mi_tell(m, EXTENT_FREE, p->blocks + p->capacity * p->size,
			      p->blocks + p->reserved * p->size);
	m->out.size = 0;
	return err ? err
		   : mi_tell(m, EXTENT_META, p->blocks + p->reserved * p->size, p->end);
}
