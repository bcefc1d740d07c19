/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one mapped page, or one huge mapping, adds to the counts of its VMA, and
 * how it is told by itself. Facts in, counts or a state out: no kernel structure
 * is looked at, so that the rules are tested in userspace as well.
 */
#ifndef FALLOW_PAGE_H
#define FALLOW_PAGE_H

#include <linux/types.h>

#ifndef __KERNEL__
#include <stdbool.h>

typedef __u32 u32;
typedef __u64 u64;
#endif

/* PSS is kept in 1/4096 of a byte, as PSS_SHIFT in fs/proc/task_mmu.c. */
#define FALLOW_PSS_SHIFT 12

/* Counts of a VMA in bytes; the names are those of FALLOW_A_VMA_*. */
struct fallow_counts {
	u64 rss, anon, file, shmem;
	u64 pss, pss_dirty;	/* 1/4096 of a byte */
	u64 anon_huge, shmem_huge, file_huge, large, cont;
	u64 dirty, file_dirty, shared, shared_dirty, referenced, young, lazyfree, ksm;
	u64 mlocked, pinned, swap_cached, soft_dirty;
	u64 swap, hugetlb, zero, device, guard;	/* not in rss */
	/* The reclaimable split: sums to rss. */
	u64 drop, writeback, swappable, noswap, unevictable;
	u64 noswap_limit;	/* the part of noswap that a cgroup's limit causes */
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
#define FALLOW_PAGE_HUGE	(1U << 11)	/* a PMD maps it */
#define FALLOW_PAGE_SWAP_SPACE	(1U << 12)	/* free swap exists */
#define FALLOW_PAGE_SWAP_LIMIT	(1U << 13)	/* but the page's cgroup may use no more */
#define FALLOW_PAGE_SWAP_CACHED	(1U << 14)	/* anonymous, and in the swap cache */
#define FALLOW_PAGE_LARGE	(1U << 15)	/* part of a compound page */
#define FALLOW_PAGE_CONT	(1U << 16)	/* contiguous entries map it */
#define FALLOW_PAGE_FACTS	17

/* Adds @size bytes that are mapped with these facts; sharing comes apart. */
void fallow_account(struct fallow_counts *c, unsigned int facts, u64 size);

/*
 * Adds the sharing of @size bytes with these facts, which are mapped @mapcount
 * times in all; less than 2 is once.
 */
void fallow_account_sharing(struct fallow_counts *c, unsigned int facts, u64 size,
			    int mapcount);

/* The same facts as a FALLOW_STATE_*, without what @facts does not tell. */
u32 fallow_page_state(unsigned int facts);

/*
 * Ages as a byte holds them: intervals without access, with three bits of
 * mantissa, so that hours fit; 0 is "accessed in the last interval". What a code
 * stands for is never more than the truth.
 */
#define FALLOW_AGE_CODE_MAX 126

/* The code of a page that was not accessed in interval number @interval either. */
unsigned int fallow_age_next(unsigned int code, u64 interval);

/* The least number of intervals that @code stands for. */
u64 fallow_age_intervals(unsigned int code);

/* As FALLOW_STATE_AGE() tells it: 1 for 0 intervals, 2 + log2 of more. */
u32 fallow_age_log2(unsigned int code);

#endif
