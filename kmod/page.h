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

/* What is known of the page that an entry maps. */
struct fallow_page {
	bool anon;		/* PageAnon */
	bool swapbacked;	/* PageSwapBacked: not lazyfree, or shmem */
	bool ksm;
	bool dirty;		/* PageDirty */
	bool under_writeback;
	bool referenced;	/* PageReferenced, or PG_young */
	bool mlocked;		/* PageMlocked, or the VMA is VM_LOCKED */
	bool unevictable;	/* PageUnevictable, or no page that reclaim knows */
	bool pinned;		/* page_maybe_dma_pinned() */
	/* Of the entry: */
	bool entry_young, entry_dirty, entry_soft_dirty;
	bool huge;		/* maps more than a base page */
	bool swap_space;	/* free swap exists */
};

/* Adds an entry that maps @size bytes of @page; sharing comes apart. */
void fallow_account(struct fallow_counts *c, const struct fallow_page *page, u64 size);

/*
 * Adds the sharing of @size bytes that are mapped @mapcount times in all;
 * less than 2 is once.
 */
void fallow_account_sharing(struct fallow_counts *c, u64 size, int mapcount);

#endif
