// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mimalloc 2.x: segments, each aligned to its size, with the records of its slices at
 * its head. Tells of each what its pages hold, and foretells mi_collect(true).
 */
#include "heap/mimalloc_segment.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* A slice's record, which is that of the page that begins there. */
#define SLICE_COUNT  0u
#define SLICE_OFFSET 4u
#define PAGE	     4096u

/*
 * Of a segment whose thread is in the midst of a change, which may be long if it does not
 * run: a page that is not set up yet or no more, and is counted already or still.
 */
#define CHANGING_MAX 4u

static const uint8_t *record_of(const struct mi_segment *s, uint32_t slice)
{
	return s->raw + s->layout->segment->records + slice * s->layout->page->bytes;
}

bool mi_head_holds(const struct mimalloc *m, uint64_t start, const uint8_t *head)
{
	const struct mi_segment_layout *l = m->layout->segment;
	uint64_t slices = get64(head, l->slices), entries = get64(head, l->entries);
	uint32_t kind = get32(head, l->kind);

	if (get64(head, l->info_slices) != l->info || slices <= l->info ||
	    slices > UINT32_MAX || entries != (slices < l->most ? slices : l->most))
		return false;
	if (kind == KIND_NORMAL ? slices != l->most : kind != KIND_HUGE)
		return false;
	return get64(head, l->used) < l->most &&
	       mi_mapped(m, start, start + slices * MI_SLICE);
}

/* Reads and checks a head. -EPROTO: it makes no sense. */
static int read_head(struct mimalloc *m, uint64_t start, struct mi_segment *s)
{
	const struct mi_segment_layout *l = m->layout->segment;
	size_t bytes = l->records + (l->most + 1) * m->layout->page->bytes;
	int err = mi_read_sparse(m, start, s->raw, (bytes + PAGE - 1) / PAGE * PAGE);

	if (err)
		return err;
	if (!mi_head_holds(m, start, s->raw) ||
	    (get64(s->raw, l->cookie) ^ start) != m->cookie)
		return -EPROTO;
	s->layout = m->layout;
	s->start = start;
	s->end = start + get64(s->raw, l->slices) * MI_SLICE;
	s->used = get64(s->raw, l->used);
	s->thread = get64(s->raw, l->thread);
	s->info = (uint32_t)get64(s->raw, l->info_slices);
	s->entries = (uint32_t)get64(s->raw, l->entries);
	return 0;
}

/* 0: it makes no sense. */
static uint32_t count_of(const struct mi_segment *s, uint32_t i)
{
	uint32_t count = get32(record_of(s, i), SLICE_COUNT);
	uint64_t slices = (s->end - s->start) / MI_SLICE;

	if (get32(record_of(s, i), SLICE_OFFSET) || count > slices - i ||
	    (count > s->entries - i && i != s->info))
		return 0;
	return count;
}

uint32_t mi_span_of(const struct mi_segment *s, uint32_t i)
{
	uint32_t count = count_of(s, i);

	return count ? count : 1;
}

bool mi_slice_in_use(const struct mi_segment *s, uint32_t i)
{
	const struct mi_page_layout *l = s->layout->page;

	/* The size of its blocks; 0: the slices are free. */
	return l->size_bytes == 8 ? get64(record_of(s, i), l->size) != 0
				  : get32(record_of(s, i), l->size) != 0;
}

bool mi_page_of(const struct mimalloc *m, const struct mi_segment *s, uint32_t i,
		struct mi_page *p)
{
	p->record = s->start + (uint64_t)(record_of(s, i) - s->raw);
	p->fresh = false;
	p->start = s->start + (uint64_t)i * MI_SLICE;
	p->end = p->start + (uint64_t)mi_span_of(s, i) * MI_SLICE;
	return mi_parse_page(m, record_of(s, i), p);
}

/* Whether slice @i begins what is free, or a page that makes sense. */
static bool span_holds(const struct mimalloc *m, const struct mi_segment *s, uint32_t i)
{
	struct mi_page p;

	return count_of(s, i) && (!mi_slice_in_use(s, i) || mi_page_of(m, s, i, &p));
}

/*
 * How much disagrees: spans that do not hold, and pages by which there are more or less
 * than are counted.
 */
static uint64_t count_bad(const struct mimalloc *m, const struct mi_segment *s)
{
	uint64_t used = 0, bad = count_of(s, 0) != s->info;

	for (uint32_t i = s->info; i < s->entries; i += mi_span_of(s, i)) {
		bad += !span_holds(m, s, i);
		used += mi_slice_in_use(s, i);
	}
	return bad + (used > s->used ? used - s->used : s->used - used);
}

bool mi_is_cached(const struct mi_segment *s)
{
	return !s->used && !s->thread;
}

static int look_at_segment(struct mimalloc *m, uint64_t start, struct mi_segment *s)
{
	int err = read_head(m, start, s);

	if (err)
		return err;
	s->bad = mi_is_cached(s) ? 0 : count_bad(m, s);
	return s->bad > CHANGING_MAX ? -EPROTO : 0;
}

int mi_read_segment(struct mimalloc *m, uint64_t start, struct mi_segment *s)
{
	int err, looks = 0;

	do {
		err = look_at_segment(m, start, s);
	} while ((err ? err == -EPROTO : s->bad) && ++looks < MI_LOOKS);
	return err;
}

/* Whether what is purged is given back at once. */
static bool decommits(const struct mimalloc *m)
{
	return m->option_known[MI_OPTION_PURGE_DELAY] &&
	       m->option[MI_OPTION_PURGE_DELAY] >= 0 &&
	       m->option_known[MI_OPTION_PURGE_DECOMMITS] &&
	       m->option[MI_OPTION_PURGE_DECOMMITS];
}

/*
 * Whether all of it goes once it is freed: it is mapped by itself, or a part of an arena,
 * which mi_collect(true) purges as well.
 */
static bool goes_when_freed(const struct mimalloc *m, const struct mi_segment *s)
{
	if (!s->layout->segment->has_kind)
		return !get64(s->raw, HEAD_MEMID);
	if (get32(s->raw, HEAD_MEMKIND) == MEMKIND_MAPPED)
		return true;
	return get32(s->raw, HEAD_MEMKIND) == MEMKIND_ARENA && !s->raw[HEAD_PINNED] &&
	       decommits(m);
}

/*
 * Whether mi_collect(true) gives it back, whichever thread calls: the cache is emptied. Of
 * a thread that has ended pages are given up that have no blocks in use; of a thread
 * that runs only by itself.
 */
static bool will_go(struct mimalloc *m, const struct mi_segment *s)
{
	bool go = !s->layout->segment->kept && goes_when_freed(m, s);

	if (mi_is_cached(s))
		return go;
	for (uint32_t i = s->info; go && i < s->entries; i += mi_span_of(s, i)) {
		struct mi_page p;

		if (!mi_slice_in_use(s, i))
			continue;
		go = mi_page_of(m, s, i, &p) &&
		     (s->thread ? mi_gives_up(m, &p) : mi_is_empty(m, &p));
	}
	return go && s->used;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool any_given_up(struct mimalloc *m, const struct mi_segment *s)
{
	for (uint32_t i = s->info; i < s->entries; i += mi_span_of(s, i)) {
		struct mi_page p;

		if (mi_slice_in_use(s, i) && mi_page_of(m, s, i, &p) &&
		    mi_gives_up(m, &p))
			return true;
	}
	return false;
}

/*
 * The largest blocks of pages in the segment that are the first thread's, if no other
 * runs; 0: there are none.
 */
static uint64_t largest_of_only_heap(const struct mimalloc *m, const struct mi_segment *s)
{
	uint64_t largest = 0;

	for (uint32_t i = s->info; m->src->target->threads == 1 && i < s->entries;
	     i += mi_span_of(s, i)) {
		struct mi_page p;

		if (mi_slice_in_use(s, i) && mi_page_of(m, s, i, &p) &&
		    mi_of_main_heap(m, &p) && p.size > largest)
			largest = p.size;
	}
	return largest;
}

/* Whether the time is over, after which what waits is purged with the next span. */
static bool is_due(const struct mimalloc *m, const struct mi_segment *s)
{
	const struct mi_segment_layout *l = s->layout->segment;
	int64_t since;

	return l->dues && m->option_known[l->delay] && m->option_known[l->extend] &&
	       m->option[l->delay] &&
	       !__builtin_sub_overflow(now_ms(), m->option[l->extend], &since) &&
	       (int64_t)get64(s->raw, l->expire) <= since;
}

/*
 * Whether mi_collect(true) purges what waits for that in free spans. It does since 2.1.4
 * in each segment that the calling thread has pages in or takes over. Before, that is
 * done if the time is over, as soon as another span becomes free, and that is so when the
 * segment of a thread that has ended is taken over (mi_segment_perhaps_decommit()).
 */
static bool will_purge(struct mimalloc *m, const struct mi_segment *s)
{
	const struct mi_segment_layout *l = s->layout->segment;

	if (l->kept || !s->raw[l->may_purge] || !get64(s->raw, l->expire))
		return false;
	if (l->collects)
		return decommits(m) && (!s->thread || largest_of_only_heap(m, s));
	return is_due(m, s) && (!s->thread || any_given_up(m, s));
}

static bool is_pending(const struct mi_segment *s, uint32_t i)
{
	return s->raw[s->layout->segment->pending + i / 8] >> i % 8 & 1;
}

/* A free span, of which what waits is returnable if @goes. */
static int walk_free(struct mimalloc *m, const struct mi_segment *s, uint32_t i,
		     bool goes)
{
	uint32_t end = i + mi_span_of(s, i);
	int err = 0;

	for (uint32_t to; !err && i < end; i = to) {
		bool pending = goes && is_pending(s, i);

		for (to = i + 1; to < end && (goes && is_pending(s, to)) == pending;)
			to++;
		err = mi_tell(m, pending ? EXTENT_RETURNABLE : EXTENT_FREE,
			      s->start + (uint64_t)i * MI_SLICE,
			      s->start + (uint64_t)to * MI_SLICE);
	}
	return err;
}

static int tell_changing(struct mimalloc *m, const struct mi_segment *s, uint32_t i)
{
	uint64_t start = s->start + (uint64_t)i * MI_SLICE;

	return mi_tell_unread(m, -EPROTO, start,
			      start + (uint64_t)mi_span_of(s, i) * MI_SLICE);
}

/*
 * A page that is given up while pages of larger blocks are still to be collected, is
 * purged with these.
 */
static int walk_page(struct mimalloc *m, struct mi_page *p, uint64_t largest)
{
	if (p->size >= largest || !mi_gives_up(m, p))
		return mi_walk_page(m, p);
	m->heap->own_free += p->capacity * p->size;
	return mi_tell(m, EXTENT_RETURNABLE, p->start, p->end);
}

static int walk_spans(struct mimalloc *m, const struct mi_segment *s)
{
	const struct mi_segment_layout *l = s->layout->segment;
	bool goes = !s->bad && will_purge(m, s);
	bool collects = !s->bad && l->collects && s->raw[l->may_purge] && decommits(m);
	uint64_t largest = collects ? largest_of_only_heap(m, s) : 0;
	int err = mi_tell(m, EXTENT_META, s->start,
			  s->start + (uint64_t)s->info * MI_SLICE);

	if (s->bad)
		heap_incomplete(m->heap, "the heap changed while it was read");
	for (uint32_t i = s->info; !err && i < s->entries; i += mi_span_of(s, i)) {
		struct mi_page p;

		if (!span_holds(m, s, i))
			err = tell_changing(m, s, i);
		else if (!mi_slice_in_use(s, i))
			err = walk_free(m, s, i, goes);
		else if (mi_page_of(m, s, i, &p))
			err = walk_page(m, &p, largest);
	}
	return err ? err : mi_tell(m, EXTENT_META, m->at, s->end);
}

static int give_up(struct mimalloc *m, const struct mi_segment *s)
{
	for (uint32_t i = s->info; !mi_is_cached(s) && i < s->entries;
	     i += mi_span_of(s, i)) {
		struct mi_page p;

		if (mi_slice_in_use(s, i) && mi_page_of(m, s, i, &p))
			m->heap->own_free += p.capacity * p.size;
	}
	return mi_tell(m, EXTENT_RETURNABLE, s->start, s->end);
}

int mi_walk_segment(struct mimalloc *m, const struct mi_piece *p)
{
	struct mi_segment *s = malloc(sizeof(*s));
	int err = s ? mi_read_segment(m, p->start, s) : -ENOMEM;

	if (err == -ENOMEM) {
		free(s);
		return err;
	}
	if (err)
		err = mi_tell_unread(m, err, p->start, p->end);
	else if (will_go(m, s))
		err = give_up(m, s);
	else if (mi_is_cached(s))
		err = mi_tell(m, EXTENT_FREE, s->start, s->end);
	else
		err = walk_spans(m, s);
	free(s);
	return err;
}
