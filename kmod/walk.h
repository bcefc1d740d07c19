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
};

#define FALLOW_ENTRY_HUGE	BIT(0)	/* a PMD or PUD maps it */
#define FALLOW_ENTRY_PRESENT	BIT(1)	/* else a migration entry */
#define FALLOW_ENTRY_YOUNG	BIT(2)
#define FALLOW_ENTRY_DIRTY	BIT(3)
#define FALLOW_ENTRY_SOFT_DIRTY	BIT(4)
#define FALLOW_ENTRY_ZERO	BIT(5)	/* the zero page, or the huge zero page */
#define FALLOW_ENTRY_SWAP	BIT(6)	/* a swap entry */

/*
 * Called with the mmap lock held for reading, and entry() mostly under a
 * page-table spinlock too: neither may sleep.
 */
struct fallow_visitor {
	/* @entry is valid during the call only. */
	void (*entry)(struct fallow_visitor *v, struct vm_area_struct *vma,
		      const struct fallow_entry *entry);
	/* Nothing is mapped at [start, end); may be NULL. */
	void (*hole)(struct fallow_visitor *v, struct vm_area_struct *vma,
		     unsigned long start, unsigned long end);
	u64 looked;	/* entries looked at, by the walk */
};

/* The most that one step covers where @v->hole has work to do. */
#define FALLOW_HOLE_STEP (32UL << 20)

/*
 * Walks from @addr to the end of one PMD's worth, of a hole, or to @end if that
 * comes first. Returns where it stopped. The caller holds the mmap lock of
 * @vma's mm, and looks at its clock between steps.
 */
unsigned long fallow_walk_step(struct fallow_visitor *v, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end);

#endif
