/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one mapped page, or one huge mapping, adds to the counts of its VMA.
 * Facts in, counts out: no kernel structure is looked at, so that the rules are
 * tested in userspace as well.
 */
#ifndef FALLOW_PAGE_H
#define FALLOW_PAGE_H

#include <linux/types.h>

#ifndef __KERNEL__
#include <stdbool.h>

typedef __u64 u64;
#endif

/* PSS is kept in 1/4096 of a byte, as PSS_SHIFT in fs/proc/task_mmu.c. */
#define FALLOW_PSS_SHIFT 12

/* Counts of a VMA in bytes; the names are those of FALLOW_A_VMA_*. */
struct fallow_counts {
	u64 rss, anon, file, shmem;
	u64 pss;		/* 1/4096 of a byte */
	u64 anon_huge, shmem_huge, file_huge;
	u64 dirty, file_dirty, shared, referenced, young, lazyfree, ksm;
	u64 swap, hugetlb, zero, pinned, soft_dirty;
	/* The reclaimable split: sums to rss. */
	u64 drop, writeback, swappable, noswap, unevictable;
};

/* What is known of a page and of the entry that maps it. */
#define FALLOW_PAGE_ANON	(1U << 0)	/* PageAnon */
#define FALLOW_PAGE_SWAPBACKED	(1U << 1)	/* PageSwapBacked: not lazyfree, or shmem */
#define FALLOW_PAGE_KSM		(1U << 2)
#define FALLOW_PAGE_DIRTY	(1U << 3)	/* of the page or of the entry */
#define FALLOW_PAGE_WRITEBACK	(1U << 4)
#define FALLOW_PAGE_REFERENCED	(1U << 5)	/* PageReferenced, or PG_young */
#define FALLOW_PAGE_MLOCKED	(1U << 6)	/* PageMlocked, or the VMA is VM_LOCKED */
#define FALLOW_PAGE_UNEVICTABLE	(1U << 7)	/* or no page that reclaim knows */
#define FALLOW_PAGE_PINNED	(1U << 8)	/* page_maybe_dma_pinned() */
#define FALLOW_PAGE_YOUNG	(1U << 9)	/* accessed bit of the entry */
#define FALLOW_PAGE_SOFT_DIRTY	(1U << 10)	/* of the entry or the VMA */
#define FALLOW_PAGE_HUGE	(1U << 11)	/* the entry maps more than a base page */
#define FALLOW_PAGE_SWAP_SPACE	(1U << 12)	/* free swap exists */
#define FALLOW_PAGE_FACTS	13

/* Adds @size bytes that are mapped with these facts; sharing comes apart. */
void fallow_account(struct fallow_counts *c, unsigned int facts, u64 size);

/*
 * Adds the sharing of @size bytes that are mapped @mapcount times in all;
 * less than 2 is once.
 */
void fallow_account_sharing(struct fallow_counts *c, u64 size, int mapcount);

#endif
