// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds of mmap locks: bounded by time, counted, and given up early when a
 * writer waits.
 */
#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "cost.h"

#define BUDGET_MIN_US	10
#define BUDGET_MAX_US	100000

static unsigned int lock_budget_us = 1000;

static int set_budget(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, BUDGET_MIN_US, BUDGET_MAX_US);
}

static const struct kernel_param_ops budget_ops = {
	.set = set_budget,
	.get = param_get_uint,
};

module_param_cb(lock_budget_us, &budget_ops, &lock_budget_us, 0644);
MODULE_PARM_DESC(lock_budget_us,
		 "longest hold of a target's mmap lock, in microseconds, 10 to 100000 (default 1000)");

static atomic64_t lock_max_ns, slices, pages, walk_ns;

static void raise_max(u64 ns)
{
	s64 old = atomic64_read(&lock_max_ns);

	while (old < (s64)ns && !atomic64_try_cmpxchg(&lock_max_ns, &old, ns))
		;
}

static int begin(struct fallow_slice *s, struct mm_struct *mm, u64 looked, bool wait)
{
	if (!mmget_not_zero(mm))
		return -ESRCH;
	if (wait ? mmap_read_lock_killable(mm) : !mmap_read_trylock(mm)) {
		mmput_async(mm);
		return wait ? -EINTR : -EAGAIN;
	}
	*s = (struct fallow_slice){
		.mm = mm,
		.begun = ktime_get_ns(),
		.budget_ns = (u64)fallow_lock_budget_us() * NSEC_PER_USEC,
		.looked = looked,
		.checked = looked,
	};
	return 0;
}

int fallow_slice_begin(struct fallow_slice *s, struct mm_struct *mm, u64 looked)
{
	return begin(s, mm, looked, true);
}

int fallow_slice_try(struct fallow_slice *s, struct mm_struct *mm, u64 looked)
{
	return begin(s, mm, looked, false);
}

/* Reading the clock is slow on some machines: once for so much work. */
#define CLOCK_ENTRIES	512	/* a page table's worth */
#define CLOCK_CALLS	32

bool fallow_slice_over(struct fallow_slice *s, u64 looked)
{
	if (need_resched() || mmap_lock_is_contended(s->mm))
		return true;
	if (looked - s->checked < CLOCK_ENTRIES && ++s->calls < CLOCK_CALLS)
		return false;
	s->checked = looked;
	s->calls = 0;
	return ktime_get_ns() - s->begun >= s->budget_ns;
}

void fallow_slice_end(struct fallow_slice *s, u64 looked)
{
	u64 held;

	mmap_read_unlock(s->mm);
	held = ktime_get_ns() - s->begun;
	/* The last reference may be ours; tearing down is not for a reader to do. */
	mmput_async(s->mm);
	raise_max(held);
	atomic64_inc(&slices);
	atomic64_add(held, &walk_ns);
	atomic64_add(looked - s->looked, &pages);
	cond_resched();
}

void fallow_cost_get(struct fallow_cost *cost)
{
	cost->lock_max_ns = atomic64_read(&lock_max_ns);
	cost->slices = atomic64_read(&slices);
	cost->pages = atomic64_read(&pages);
	cost->walk_ns = atomic64_read(&walk_ns);
}

unsigned int fallow_lock_budget_us(void)
{
	return READ_ONCE(lock_budget_us);
}
