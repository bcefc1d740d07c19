/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module costs others: how long, and how often, it holds mmap locks. */
#ifndef FALLOW_COST_H
#define FALLOW_COST_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct fallow_cost {
	u64 lock_max_ns, slices, pages, walk_ns;
};

/* One hold of an mmap lock. */
struct fallow_slice {
	struct mm_struct *mm;
	u64 begun;		/* ktime, nanoseconds */
	u64 budget_ns;
	u64 looked;		/* entries looked at before this slice */
	u64 checked;		/* and when the clock was last read */
	unsigned int calls;	/* of fallow_slice_over() since then */
};

/*
 * Takes @mm and its lock for reading, sleeping. -ESRCH if the address space is
 * gone, -EINTR if the caller was killed.
 */
int fallow_slice_begin(struct fallow_slice *s, struct mm_struct *mm, u64 looked);

/* The same for who must not wait for a target; -EAGAIN: the lock is taken. */
int fallow_slice_try(struct fallow_slice *s, struct mm_struct *mm, u64 looked);

/*
 * Whether the lock was held long enough, or somebody waits for it. @looked:
 * entries looked at in all.
 */
bool fallow_slice_over(struct fallow_slice *s, u64 looked);

/* Lets go of both; @looked: entries looked at in all. May sleep. */
void fallow_slice_end(struct fallow_slice *s, u64 looked);

void fallow_cost_get(struct fallow_cost *cost);

/* Parameter lock_budget_us. */
unsigned int fallow_lock_budget_us(void);

#endif
