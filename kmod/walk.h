/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page-table walk: shows a visitor what is mapped in a part of a VMA, and
 * skips what is not populated at the level at which it is not.
 */
#ifndef FALLOW_WALK_H
#define FALLOW_WALK_H

#include <linux/bits.h>
#include <linux/mm_types.h>
#include <linux/types.h>

/* A leaf of the page table. */
struct fallow_entry {
	struct page *page;	/* first page; NULL: none, see ZERO and SWAP */
	unsigned long addr;
	unsigned long size;	/* bytes that it maps */
	unsigned int flags;	/* FALLOW_ENTRY_* */
	pte_t *pte;		/* the entry itself: one of the two, but for hugetlb */
	pmd_t *pmd;
};

#define FALLOW_ENTRY_HUGE	BIT(0)	/* a PMD or PUD maps it */
#define FALLOW_ENTRY_PRESENT	BIT(1)	/* else a migration entry */
#define FALLOW_ENTRY_YOUNG	BIT(2)
#define FALLOW_ENTRY_DIRTY	BIT(3)
#define FALLOW_ENTRY_SOFT_DIRTY	BIT(4)
#define FALLOW_ENTRY_ZERO	BIT(5)	/* the zero page, or the huge zero page */
#define FALLOW_ENTRY_SWAP	BIT(6)	/* a swap entry */
#define FALLOW_ENTRY_DEVICE	BIT(7)	/* device memory, or a raw frame */
#define FALLOW_ENTRY_GUARD	BIT(8)	/* a guard entry */
#define FALLOW_ENTRY_CONT	BIT(9)	/* one of contiguous entries */
#define FALLOW_ENTRY_PLAIN	BIT(10)	/* small pages, all alike: fallow_is_plain() */

/* The most entries that a visitor is shown at once. */
#define FALLOW_BATCH 16

/*
 * Called with the mmap lock held for reading, and entries() under RCU and mostly under
 * a page-table spinlock too: none but table() may sleep.
 */
struct fallow_visitor {
	/*
	 * Something may be mapped in the PMD's worth around @addr; this one may
	 * sleep. False: pass over it, and tell it as a hole. May be NULL.
	 */
	bool (*table)(struct fallow_visitor *v, struct vm_area_struct *vma,
		      unsigned long addr);
	/* @n entries of one page table, in address order; valid during the call only. */
	void (*entries)(struct fallow_visitor *v, struct vm_area_struct *vma,
			const struct fallow_entry *entry, unsigned int n);
	/* Nothing is mapped at [start, end), told in order with entries; may be NULL. */
	void (*hole)(struct fallow_visitor *v, struct vm_area_struct *vma,
		     unsigned long start, unsigned long end);
	/*
	 * Neighbouring entries that differ in nothing but their place may be told as one,
	 * whose pte or pmd is the first: of a large folio, ...
	 */
	bool merge;
	/* ... of small pages, and of huge ones that are mapped once, wherever they lie. */
	bool merge_small, merge_huge;
	u64 looked;	/* entries looked at, by the walk */
};

/* The most that one step covers where @v->hole has work to do. */
#define FALLOW_HOLE_STEP (32UL << 20)

/* The most entries of a page table that one step looks at. */
#define FALLOW_STEP_ENTRIES 512

/*
 * Walks from @addr over FALLOW_STEP_ENTRIES entries, as many pages of a huge page, the
 * huge pages of one table that are told as one, a hole, or to @end if that comes first. Returns where it stopped. The caller holds the mmap
 * lock of @vma's mm, and looks at its clock between steps.
 */
unsigned long fallow_walk_step(struct fallow_visitor *v, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end);

/* Clears the accessed bit of an entry, during the visit; whether it was set. */
bool fallow_entry_clear_young(struct vm_area_struct *vma, const struct fallow_entry *entry);

/* Sets it; where the architecture keeps that to itself, the folio's PG_young. */
void fallow_entry_set_young(struct vm_area_struct *vma, const struct fallow_entry *entry);

#endif
