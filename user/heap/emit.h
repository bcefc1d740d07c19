/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every decoder does with what it finds: joins neighbours of a kind into extents,
 * counts them by arena, and notes why a picture is not whole.
 */
#ifndef FALLOW_EMIT_H
#define FALLOW_EMIT_H

#include "heap/heap.h"

struct emitter {
	struct heap *heap;
	struct extent_sink *sink;
	struct extent pending; /* not yet told: neighbours may join; empty: none */
	uint64_t size; /* class of the blocks that are emitted next; 0: none */
	int answer; /* the sink's, if it was not 0: errors may have the same number */
};

/*
 * [start, end) of @arena is of @kind; calls come in address order. 0, or the sink's
 * answer. Nothing, if it is empty.
 */
int emit(struct emitter *em, uint32_t arena, enum extent_kind kind, uint64_t start,
	 uint64_t end);

/*
 * The class that a block of @bytes is counted in, where the allocator has none: as
 * jemalloc's, each 16 bytes up to 128, then four a doubling.
 */
uint64_t emit_class(uint64_t bytes);

/* What is emitted next is that of a unit. 0, or the sink's answer. */
int emit_unit(struct emitter *em, uint32_t arena, uint64_t start, uint64_t end);

/*
 * Blocks of which so many bytes are live, and it is not known which: of each page they
 * are taken to be as much as of all. Bytes are right, then, and so is what is told of
 * pages, but for those that are all free.
 */
struct mixed {
	uint64_t at, end; /* what is left of them, and not empty at first */
	uint64_t live; /* bytes of that; no more than there are */
	uint64_t page; /* bytes in a page */
};

/* [start, mid) counts as live, [mid, end) as free. */
struct mixed_part {
	uint64_t start, mid, end;
};

/* Bytes of pages that lie within @m and may be all free, at most. */
uint64_t mixed_doubt(const struct mixed *m);
/* The part that is on the next page. False: there is no more. */
bool mixed_next(struct mixed *m, struct mixed_part *p);

/* Tells what is pending; the last call. */
int emit_end(struct emitter *em);

/* @h is partial at best; the first reason stays. */
void heap_incomplete(struct heap *h, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, for records that could not be read without faulting them in. */
void heap_absent(struct heap *h);

#endif
