// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mimalloc 2.0: segments, each aligned to its size, with the records of its slices at
 * its head. Tells of each what its pages hold, and foretells mi_collect(true).
 */
#include "heap/mimalloc_segment.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* A slice's record, which is that of the page that begins there. */
#define SLICE_COUNT  0u
#define SLICE_OFFSET 4u
#define SLICE_BLOCK  28u /* 0: the slices are free */

/*
 * Of a segment whose thread is in the midst of a change, which may be long if it does not
 * run: a page that is not set up yet or no more, and is counted already or still.
 */
#define CHANGING_MAX 4u

static const struct mi_page_layout page_2_0 = {
	.bytes = 80,
	.list = { 16, 32, 40 },
	.used = 24,
	.capacity = 10,
	.reserved = 12,
	.size = 28,
	.size_bytes = 4,
	.heap = 48,
	.begins = MI_START_BY_SIZE,
};

const struct mi_layout mi_layout_2_0 = { "2.0", &page_2_0, NULL };

static const uint8_t *record_of(const struct mi_segment *s, uint32_t slice)
{
	return s->raw + RECORDS + slice * page_2_0.bytes;
}

bool mi_head_holds(const struct mimalloc *m, uint64_t start, const uint8_t *head)
{
	uint64_t slices = get64(head, HEAD_SLICES), entries = get64(head, HEAD_ENTRIES);
	uint32_t kind = get32(head, HEAD_KIND);

	if (get64(head, HEAD_INFO_SLICES) != 1 || slices < 2 || slices > UINT32_MAX ||
	    entries != (slices < MI_SEGMENT_SLICES ? slices : MI_SEGMENT_SLICES))
		return false;
	if (kind == KIND_NORMAL ? slices != MI_SEGMENT_SLICES : kind != KIND_HUGE)
		return false;
	return get64(head, HEAD_USED) < MI_SEGMENT_SLICES &&
	       mi_mapped(m, start, start + slices * MI_SLICE);
}

/* Reads and checks a head. -EPROTO: it makes no sense. */
static int read_head(struct mimalloc *m, uint64_t start, struct mi_segment *s)
{
	int err = mi_read_sparse(m, start, s->raw, sizeof(s->raw));

	if (err)
		return err;
	if (!mi_head_holds(m, start, s->raw) ||
	    (get64(s->raw, HEAD_COOKIE) ^ start) != m->cookie)
		return -EPROTO;
	s->start = start;
	s->end = start + get64(s->raw, HEAD_SLICES) * MI_SLICE;
	s->memid = get64(s->raw, HEAD_MEMID);
	s->used = get64(s->raw, HEAD_USED);
	s->thread = get64(s->raw, HEAD_THREAD);
	s->info = (uint32_t)get64(s->raw, HEAD_INFO_SLICES);
	s->entries = (uint32_t)get64(s->raw, HEAD_ENTRIES);
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
	return get32(record_of(s, i), SLICE_BLOCK) != 0;
}

bool mi_page_of(const struct mimalloc *m, const struct mi_segment *s, uint32_t i,
		struct mi_page *p)
{
	p->record = s->start + RECORDS + i * page_2_0.bytes;
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

/*
 * Whether mi_collect(true) unmaps it, whichever thread calls: the cache is emptied. Of
 * a thread that has ended pages are given up that have no blocks in use; of a thread
 * that runs only by itself.
 */
static bool will_go(struct mimalloc *m, const struct mi_segment *s)
{
	bool go = s->memid == 0;

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
 * Whether mi_collect(true) decommits what waits for that in free spans: when the time is
 * over, it is done as soon as another span becomes free, and that is so when the segment
 * of a thread that has ended is taken over (mi_segment_perhaps_decommit()).
 */
static bool will_decommit(struct mimalloc *m, const struct mi_segment *s)
{
	int64_t expire = (int64_t)get64(s->raw, HEAD_EXPIRE);

	if (!s->raw[HEAD_MAY_DECOMMIT] || !expire ||
	    !m->option_known[MI_OPTION_DECOMMIT_DELAY] ||
	    !m->option_known[MI_OPTION_DECOMMIT_EXTEND] ||
	    !m->option[MI_OPTION_DECOMMIT_DELAY] ||
	    expire > now_ms() - m->option[MI_OPTION_DECOMMIT_EXTEND])
		return false;
	return !s->thread || any_given_up(m, s);
}

static bool is_pending(const struct mi_segment *s, uint32_t i)
{
	return s->raw[HEAD_PENDING + i / 8] >> i % 8 & 1;
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

static int walk_spans(struct mimalloc *m, const struct mi_segment *s)
{
	bool goes = !s->bad && will_decommit(m, s);
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
			err = mi_walk_page(m, &p);
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
