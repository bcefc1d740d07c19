/* SPDX-License-Identifier: GPL-2.0-only */
/* One VMA: its counts and its description. */
#ifndef FALLOW_VMA_H
#define FALLOW_VMA_H

#include <linux/mm_types.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>

#include "facts.h"
#include "page.h"
#include "walk.h"

/* Counting a VMA, which may take several holds of the mmap lock. */
struct fallow_vma {
	struct fallow_visitor visitor;
	unsigned long start, end;	/* of the VMA; end 0: none begun */
	unsigned long pos;		/* counted up to here */
	/* Tells whether it is still the VMA that was begun. */
	unsigned long vm_flags, pgoff;
	const struct file *file;	/* compared, never followed */
	struct fallow_counts counts;	/* complete once fallow_vma_step() says so */
	/* Neighbours are much alike: those with equal facts are counted at once. */
	unsigned int facts;		/* of the pages in @run */
	u64 run;			/* bytes, mapped once each, not yet in @counts */
	struct fallow_vma_facts facts_of;
	bool shmem;			/* what is mapped is */
	bool holes_are_swap;		/* smaps' rule for private writable shmem */
};

/* Begins to count @vma. The mmap lock is held for reading. */
void fallow_vma_begin(struct fallow_vma *f, struct vm_area_struct *vma);

/* Whether @vma is what fallow_vma_begin() saw, after the lock was dropped. */
bool fallow_vma_same(const struct fallow_vma *f, const struct vm_area_struct *vma);

/* Goes on with @vma, which begins where that one did, and may be another now. */
void fallow_vma_follow(struct fallow_vma *f, struct vm_area_struct *vma);

/* Counts one step further; true when the whole VMA is counted. */
bool fallow_vma_step(struct fallow_vma *f, struct vm_area_struct *vma);

/*
 * Puts the attributes of a VMA that was counted into @skb. @path: a buffer of
 * PATH_MAX bytes. 0 or -EMSGSIZE.
 */
int fallow_vma_put(struct sk_buff *skb, const struct fallow_vma *f,
		   struct vm_area_struct *vma, char *path);

/* FALLOW_CAP_* of the running kernel. */
u64 fallow_vma_caps(void);

#endif
