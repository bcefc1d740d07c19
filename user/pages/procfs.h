/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the source that reads /proc; for pages/procfs*.c alone. */
#ifndef FALLOW_PROCFS_H
#define FALLOW_PROCFS_H

#include "pages/pages.h"

#define ENTRIES 32768 /* whole ranges of PMDs, of pages up to 64 KiB */
#define REGIONS 4096

struct procfs {
	struct zero_page zero;
	uint64_t scan; /* categories to ask for; 0: this kernel has no scan */
	int kpageflags; /* -1: there is a scan, or no permission */
	struct target *target;
	struct vma_list *vmas;
	size_t vma; /* the VMA at, or after, next */
	uint64_t next, end; /* [next, end) is not looked at yet */
	/* What was looked at last, from at on; it lies in one VMA, the seen. */
	const struct vma *seen;
	uint64_t at;
	size_t i, nentries, nregions;
	struct page_run ahead; /* the piece that ended the last run; empty: none */
	uint64_t entries[ENTRIES];
	struct scan_region regions[REGIONS];
};

static inline uint64_t procfs_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* NULL when out of memory. */
struct procfs *procfs_stream_new(void);
void procfs_stream_free(struct procfs *s);

/* RUN_* bits that are told on this kernel. */
uint32_t procfs_stream_known(const struct procfs *s);

int procfs_begin(struct pages *p, struct target *t, struct vma_list *vmas, uint64_t start,
		 uint64_t end, struct error *e);
int procfs_next(struct pages *p, struct page_run *run, struct error *e);

/* Looks at entries of @v from s->next on, at most up to @end; 0 or -errno. */
int procfs_look_entries(struct pages *p, struct vma *v, uint64_t end);

/* Entries that are alike, as one piece; false: there are no more. */
bool procfs_piece_of_entries(struct procfs *s, struct page_run *piece);

#endif
