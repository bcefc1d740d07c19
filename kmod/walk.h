/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page-table walk: shows a visitor what is mapped in a part of a VMA, and
 * skips what is not populated at the level at which it is not.
 */
#ifndef FALLOW_WALK_H
#define FALLOW_WALK_H

#include <linux/mm_types.h>
#include <linux/types.h>

/* A leaf of the page table. */
struct fallow_entry {
	struct page *page;	/* first page; NULL: none, see @zero and @swap */
	unsigned long addr;
	unsigned long size;	/* bytes that it maps */
	bool huge;		/* a PMD or PUD maps it */
	bool present;		/* else a migration entry or device-private memory */
	bool young, dirty, soft_dirty;
	bool zero;		/* the zero page, or the huge zero page */
	bool swap;		/* a swap entry */
};

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
