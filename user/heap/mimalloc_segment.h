/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments of mimalloc 2.x: private to the files that find and walk them. */
#ifndef FALLOW_MIMALLOC_SEGMENT_H
#define FALLOW_MIMALLOC_SEGMENT_H

#include "heap/mimalloc.h"

/* The smallest, and the most slices: 32 MiB since 2.0.9, before it 64 MiB. */
#define MI_SEGMENT	  (32u << 20) /* MI_SEGMENT_SIZE */
#define MI_SEGMENT_SLICES 1024u /* MI_SLICES_PER_SEGMENT */

#define HEAD_MAX       368u /* bytes that any version's has before its records */
#define HEAD_READ      (84u << 10) /* the same with all records, whole pages */
#define HEAD_MEMID     0u
#define HEAD_PINNED    16u /* a byte; where there is a kind */
#define HEAD_MEMKIND   20u
#define MEMKIND_MAPPED 3u /* MI_MEM_OS */
#define MEMKIND_ARENA  6u /* MI_MEM_ARENA */
#define KIND_NORMAL    0u
#define KIND_HUGE      1u

/* struct mi_segment_s, and struct mi_heap_s that owns its pages; offsets in bytes. */
struct mi_segment_layout {
	uint32_t most, info; /* slices of one of common size, of them those of the head */
	bool has_kind; /* the memid says of what; else 0 is what is mapped by itself */
	bool dues; /* what is due is purged as soon as another span becomes free */
	bool collects; /* what waits to be purged is, when pages are collected */
	bool kept; /* no call collects its heaps: the program made them itself */
	uint32_t may_purge; /* a byte */
	uint32_t expire; /* ms; 0: nothing waits to be purged */
	uint32_t pending; /* a bit a slice: that waits */
	uint32_t used; /* pages */
	uint32_t cookie;
	uint32_t slices; /* in all */
	uint32_t info_slices; /* that the head takes */
	uint32_t kind;
	uint32_t entries;
	uint32_t thread; /* 0: its thread has ended */
	uint32_t records; /* where those of slices begin */
	uint32_t queues, delayed, heap_cookie; /* of the heap */
	uint32_t thread_data; /* bytes, whole pages: a heap and what else a thread has */
	enum mi_option delay, extend; /* by which it is purged */
};

extern const struct mi_layout mi_segment_layouts[];
extern const size_t mi_segment_layout_count;

/* A segment's head, read and checked. */
struct mi_segment {
	const struct mi_layout *layout;
	uint64_t start, end;
	uint64_t used, thread;
	uint32_t info, entries; /* slices */
	uint64_t
		bad; /* what of its records disagrees: it changes, see mi_read_segment() */
	uint8_t raw[HEAD_READ];
};

/* Whether a segment of m->layout could begin at @start with @head, of HEAD_MAX bytes. */
bool mi_head_holds(const struct mimalloc *m, uint64_t start, const uint8_t *head);
/*
 * Reads and checks the head of the segment at @start, whose cookie must be right. 0, but
 * a little of it may disagree; -EPROTO: it makes no sense, also when looked at again; or
 * as mi_read().
 */
int mi_read_segment(struct mimalloc *m, uint64_t start, struct mi_segment *s);
/* In the cache of segments, or given back to an arena: its records are no more kept. */
bool mi_is_cached(const struct mi_segment *s);
/*
 * The slices from @i on that belong together: a page's, or free ones. 1 where the record
 * makes no sense.
 */
uint32_t mi_span_of(const struct mi_segment *s, uint32_t i);
bool mi_slice_in_use(const struct mi_segment *s, uint32_t i);
/* The page that begins at slice @i, which is in use. False if it makes no sense. */
bool mi_page_of(const struct mimalloc *m, const struct mi_segment *s, uint32_t i,
		struct mi_page *p);

#endif
