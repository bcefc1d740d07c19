/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments of mimalloc 2.0: private to the files that find and walk them. */
#ifndef FALLOW_MIMALLOC_SEGMENT_H
#define FALLOW_MIMALLOC_SEGMENT_H

#include "heap/mimalloc.h"

#define MI_SEGMENT	  (32u << 20) /* MI_SEGMENT_SIZE */
#define MI_SEGMENT_SLICES 512u /* MI_SLICES_PER_SEGMENT */

/* struct mi_segment_s of 2.0.9; offsets in bytes. */
#define HEAD_MEMID	  0u /* 0: mapped by itself, else part of an arena */
#define HEAD_MAY_DECOMMIT 32u /* a byte */
#define HEAD_EXPIRE	  40u /* ms; 0: nothing waits to be decommitted */
#define HEAD_PENDING	  48u /* a bit a slice: that waits */
#define HEAD_USED	  208u /* pages */
#define HEAD_COOKIE	  216u
#define HEAD_SLICES	  224u /* in all */
#define HEAD_INFO_SLICES  232u /* that the head takes */
#define HEAD_KIND	  240u
#define HEAD_ENTRIES	  248u
#define HEAD_THREAD	  256u /* 0: its thread has ended */
#define HEAD_BYTES	  264u
#define RECORDS		  HEAD_BYTES /* where the records of slices begin */
#define KIND_NORMAL	  0u
#define KIND_HUGE	  1u
#define HEAD_READ	  (44u << 10) /* all records, whole pages */

/* A segment's head, read and checked. */
struct mi_segment {
	uint64_t start, end;
	uint64_t memid, used, thread;
	uint32_t info, entries; /* slices */
	uint64_t
		bad; /* what of its records disagrees: it changes, see mi_read_segment() */
	uint8_t raw[HEAD_READ];
};

extern const struct mi_layout mi_layout_2_0;

/* Whether a segment could begin at @start with @head, of HEAD_BYTES bytes. */
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
