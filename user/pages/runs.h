/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages of a VMA as runs of equal state, in address order, in constant
 * memory.
 */
#ifndef FALLOW_RUNS_H
#define FALLOW_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/target.h"
#include "target/vma.h"

enum run_state {
	RUN_NONE, /* neither resident nor swapped; the zero page included */
	RUN_ANON, /* resident, anonymous */
	RUN_FILE, /* resident, page cache or shmem */
	RUN_SWAPPED,
};

struct page_run {
	uint64_t start, end;
	enum run_state state;
};

/*
 * pagemap shows a mapped zero page as present, RSS does not count it. With
 * CAP_SYS_ADMIN it is known by its frame number. Without, an anonymous page
 * that is not mapped exclusively may be either that or shared with a child; the
 * VMA's RSS then says how many are zero pages, though not which.
 */
struct zero_page {
	uint64_t pfn; /* 0: frame numbers are hidden from the caller */
};

/* Learns the zero page's frame number from a mapping of our own. */
void zero_page_learn(struct zero_page *z);

/* Entries that are read at once; the size of the buffers below. */
#define RUNS_BUFFER 32768

/*
 * Where frame numbers are hidden: counts @vma's zero pages from its RSS into
 * vma->zero_pages, for runs_next() to place. Returns 1 if zero pages and shared
 * ones are mixed, so that their placing within the VMA is a guess; 0 if all is
 * certain; -errno if the target is gone.
 */
int runs_survey(struct reader *reader, const struct zero_page *zero, struct vma *vma,
		uint64_t *buffer);

struct runs {
	struct reader *reader;
	const struct zero_page *zero;
	struct vma *vma;
	uint64_t next, end; /* [next, end) is still to be told */
	uint64_t *entries;
	size_t at, n; /* entries[at] is for next */
	struct page_run ahead; /* the page that ended the last run; empty at first */
};

/*
 * Starts on the part [start, end) of @vma; @buffer holds RUNS_BUFFER entries
 * and may be shared by iterators that do not overlap in time.
 */
void runs_init(struct runs *r, struct reader *reader, const struct zero_page *zero,
	       struct vma *vma, uint64_t start, uint64_t end, uint64_t *buffer);

/* The next run; 1 if there is one, 0 at the end, -errno if the target is gone. */
int runs_next(struct runs *r, struct page_run *run);

#endif
