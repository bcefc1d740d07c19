/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source's stream, asked by address: for readers that come by in address order
 * and want to know what is at a place.
 */
#ifndef FALLOW_STREAM_H
#define FALLOW_STREAM_H

#include "pages/pages.h"

struct page_stream {
	struct pages *pages;
	struct target *target;
	struct vma_list *vmas;
	uint64_t end; /* 0: not begun */
	struct page_run
		run; /* the last that was read; empty before the first, and at the end */
};

/*
 * Whether the stream can tell of @addr, which is not below what it was asked
 * last. To read on is cheaper than to begin anew, unless it is far.
 */
bool page_stream_covers(const struct page_stream *ps, uint64_t addr);
#define STREAM_FAR (16ull << 20)

/* Begins at @addr; at the latest at @end it must begin anew. */
int page_stream_begin(struct page_stream *ps, uint64_t addr, uint64_t end,
		      struct error *e);

/*
 * The pages from @addr on that are in equal state, at most up to @end, which is
 * above @addr. The stream must cover @addr.
 */
int page_stream_at(struct page_stream *ps, uint64_t addr, uint64_t end,
		   struct page_run *piece, struct error *e);

int page_stream_end(struct page_stream *ps, struct error *e);

#endif
