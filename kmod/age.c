// SPDX-License-Identifier: GPL-2.0-only
/*
 * Harvesting accessed bits, at the interval that was asked for.
 *
 * Reclaim lives on the same bits. What is taken from it here is kept, a bit a page,
 * and given when it asks: before folio_referenced() has a page reclaimed, it asks the
 * MMU notifiers of the address space too, as for a secondary MMU
 * (ptep_clear_flush_young_notify()). A tracker is such a notifier. What nobody asked
 * for is put back into the page table when tracking ends. page_idle and DAMON learn
 * of an access as from folio_referenced(): their PG_idle is cleared.
 */
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <uapi/linux/fallow.h>

#include "age.h"
#include "age_map.h"
#include "compat.h"
#include "cost.h"
#include "page.h"
#include "tlb.h"
#include "walk.h"

/* The byte of a page: 0 if it was not there, else its age's code and one ... */
#define AGE_MASK	0x7f
/* ... and whether an accessed bit was taken that nobody has asked for since. */
#define AGE_TAKEN	0x80

/* How long a target may keep a tracker from ending: what is not given back then is lost. */
#define PATIENCE	HZ

struct fallow_tracker {
	struct kref ref;
	struct list_head list;
	struct fallow_age_map map;
	struct mm_struct *mm;		/* by mmgrab() */
	struct net *net;		/* compared only */
	u32 portid;

	struct delayed_work work;
	unsigned long interval;		/* jiffies */
	unsigned long due;
	bool running;			/* on the list, and its own to end; trackers_lock */
	bool ending;
	u64 harvests;
	bool capped;

	struct mmu_notifier notifier;
	/* Where the notifier stands in its list while no other is registered. */
	struct hlist_node **alone;

	/* Of the pass under way. */
	struct fallow_visitor visitor;
	bool cleared;			/* an accessed bit was */
	unsigned long cont;		/* contiguous entries that were young */
};

static LIST_HEAD(trackers);
static DEFINE_MUTEX(trackers_lock);
static unsigned int n_trackers;
static struct workqueue_struct *workqueue;

/* Other notifiers came before ours, or later: their MMUs access the pages too. */
static bool has_secondary_mmu(struct fallow_tracker *t)
{
	return READ_ONCE(t->notifier.hlist.next) ||
	       READ_ONCE(t->notifier.hlist.pprev) != t->alone;
}

/*
 * What page_idle and DAMON left of an access that they saw first: PG_young, as what is
 * taken here is left in AGE_TAKEN. Reclaim leaves nothing: what it saw first is missed.
 */
static bool was_young_for_others(struct folio *folio)
{
	return folio_test_young(folio) && folio_test_clear_young(folio);
}

/* Where pages share an accessed bit, who comes first clears it for all of them. */
static bool clear_young(struct fallow_tracker *t, struct vm_area_struct *vma,
		      const struct fallow_entry *e)
{
#ifdef CONFIG_ARM64
	if (e->flags & FALLOW_ENTRY_CONT) {
		unsigned long block = e->addr & CONT_PTE_MASK;

		if (fallow_entry_clear_young(vma, e))
			t->cont = block;
		return t->cont == block;
	}
#endif
	return fallow_entry_clear_young(vma, e);
}

static u8 next_age(u8 old, bool young, u64 interval)
{
	if (young)
		return 1 | AGE_TAKEN;
	if (!(old & AGE_MASK))
		return 1;
	return (old & AGE_TAKEN) | (fallow_age_next((old & AGE_MASK) - 1, interval) + 1);
}

static void harvest_entry(struct fallow_tracker *t, struct vm_area_struct *vma,
			  const struct fallow_entry *e, u8 *ages)
{
	unsigned long i, pages = e->size >> PAGE_SHIFT;
	bool young;

	if (!e->page || !(e->flags & FALLOW_ENTRY_PRESENT)) {
		/* Under migration it is the same page; else there is none. */
		if (!e->page)
			memset(ages, 0, pages);
		return;
	}
	if ((e->flags & FALLOW_ENTRY_HUGE) && (e->addr & ~PMD_MASK)) {
		/* A further part of a huge page, whose one bit was looked at. */
		memset(ages, *fallow_age_map_at(&t->map, e->addr & PMD_MASK), pages);
		return;
	}
	young = clear_young(t, vma, e);
	if (young)
		t->cleared = true;
	young |= was_young_for_others(page_folio(e->page));
	if (young && folio_test_idle(page_folio(e->page)))
		folio_clear_idle(page_folio(e->page));
	for (i = 0; i < pages; i++)
		ages[i] = next_age(ages[i], young, t->harvests);
}

static void harvest_entries(struct fallow_visitor *v, struct vm_area_struct *vma,
			    const struct fallow_entry *e, unsigned int n)
{
	struct fallow_tracker *t = container_of(v, struct fallow_tracker, visitor);
	/* Neighbours are of one PMD. */
	u8 *ages = fallow_age_map_at(&t->map, e->addr);
	unsigned long first = e->addr;

	if (!ages)
		return;
	for (; n; n--, e++)
		harvest_entry(t, vma, e, ages + ((e->addr - first) >> PAGE_SHIFT));
}

static void harvest_hole(struct fallow_visitor *v, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end)
{
	struct fallow_tracker *t = container_of(v, struct fallow_tracker, visitor);

	fallow_age_map_clear(&t->map, start, end);
}

static bool harvest_table(struct fallow_visitor *v, struct vm_area_struct *vma,
			  unsigned long addr)
{
	struct fallow_tracker *t = container_of(v, struct fallow_tracker, visitor);

	if (!fallow_age_map_populate(&t->map, addr))
		return true;
	WRITE_ONCE(t->capped, true);
	return false;
}

/* Puts back what was taken and not asked for. */
static void restore_entries(struct fallow_visitor *v, struct vm_area_struct *vma,
			    const struct fallow_entry *e, unsigned int n)
{
	struct fallow_tracker *t = container_of(v, struct fallow_tracker, visitor);
	u8 *ages = fallow_age_map_at(&t->map, e->addr);
	unsigned long first = e->addr;

	if (!ages)
		return;
	for (; n; n--, e++) {
		u8 *age = &ages[(e->addr - first) >> PAGE_SHIFT];

		if ((*age & AGE_TAKEN) && e->page && (e->flags & FALLOW_ENTRY_PRESENT))
			fallow_entry_set_young(vma, e);
		*age &= ~AGE_TAKEN;
	}
}

/* A mapping whose pages have no accessed bits of their own to harvest. */
static bool is_untracked(const struct vm_area_struct *vma)
{
	return is_vm_hugetlb_page((struct vm_area_struct *)vma) ||
	       (vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP));
}

/* One hold of the mmap lock from @addr on; where it ended, or 0 at the end of all. */
static unsigned long pass_slice(struct fallow_tracker *t, struct fallow_slice *slice,
				unsigned long addr)
{
	struct vm_area_struct *vma;

	while ((vma = find_vma(t->mm, addr))) {
		if (t->visitor.hole && addr < vma->vm_start)
			fallow_age_map_clear(&t->map, addr, vma->vm_start);
		addr = max(addr, vma->vm_start);
		if (is_untracked(vma))
			addr = vma->vm_end;
		else
			addr = fallow_walk_step(&t->visitor, vma, addr, vma->vm_end);
		if (fallow_slice_over(slice, t->visitor.looked))
			return addr;
	}
	return 0;
}

/*
 * Nobody can kill a worker that waits for the lock, and who ends the tracker waits for
 * the worker: neither is to hang on a target that keeps its lock, stuck on some device.
 * So the lock is tried for, and once the tracker is to end not any longer than @until.
 */
static int begin_slice(struct fallow_tracker *t, struct fallow_slice *slice,
		       unsigned long until)
{
	for (;;) {
		int ret = fallow_slice_try(slice, t->mm, t->visitor.looked);

		if (ret != -EAGAIN || (READ_ONCE(t->ending) && time_after(jiffies, until)))
			return ret;
		schedule_timeout_idle(1);
	}
}

/*
 * Shows all pages to the visitor. -ESRCH: the address space is gone. -EAGAIN: its lock
 * was not to be had while the tracker ends.
 */
static int pass(struct fallow_tracker *t)
{
	unsigned long addr = 0, until = jiffies + PATIENCE;
	int ret;

	do {
		struct fallow_slice slice;

		ret = begin_slice(t, &slice, until);
		if (ret)
			return ret;
		addr = pass_slice(t, &slice, addr);
		fallow_slice_end(&slice, t->visitor.looked);
	} while (addr);
	return 0;
}

static int harvest(struct fallow_tracker *t)
{
	int ret;

	t->visitor.table = harvest_table;
	t->visitor.entries = harvest_entries;
	t->visitor.hole = harvest_hole;
	t->cleared = false;
	t->cont = 0;
	WRITE_ONCE(t->capped, false);
	ret = pass(t);
	if (!ret && t->cleared)
		fallow_tlb_flush(t->mm);
	if (!ret)
		WRITE_ONCE(t->harvests, t->harvests + 1);
	return ret;
}

static void restore(struct fallow_tracker *t)
{
	t->visitor.table = NULL;
	t->visitor.entries = restore_entries;
	t->visitor.hole = NULL;
	pass(t);
}

static void retire(struct fallow_tracker *t);

static void work_fn(struct work_struct *work)
{
	struct fallow_tracker *t = container_of(to_delayed_work(work), struct fallow_tracker, work);

	if (READ_ONCE(t->ending)) {
		restore(t);
		return;
	}
	if (harvest(t)) {
		retire(t);
		return;
	}
	/* A pass that took longer than the interval delays the next ones. */
	t->due += t->interval;
	if (time_before(t->due, jiffies))
		t->due = jiffies;
	queue_delayed_work(workqueue, &t->work, t->due - jiffies);
}

/*
 * How what was taken gets to reclaim, which holds the lock of the page's table. The
 * other callbacks, clear_young() and test_young(), are not for us: they are what
 * page_idle and DAMON take for an access at that moment.
 */
static fallow_young_t on_clear_flush_young(struct mmu_notifier *n, struct mm_struct *mm,
					   unsigned long start, unsigned long end)
{
	struct fallow_tracker *t = container_of(n, struct fallow_tracker, notifier);
	unsigned long next, i;
	bool taken = false;

	rcu_read_lock();
	for (; start < end; start = next) {
		u8 *ages = fallow_age_map_at(&t->map, start);

		next = pmd_addr_end(start, end);
		for (i = 0; ages && i < (next - start) >> PAGE_SHIFT; i++) {
			taken |= ages[i] & AGE_TAKEN;
			ages[i] &= ~AGE_TAKEN;
		}
	}
	rcu_read_unlock();
	return taken;
}

/*
 * munmap() and mremap(): what comes to these addresses next has an age of its own.
 * Nothing else moves pages without an access.
 */
static int on_invalidate(struct mmu_notifier *n, const struct mmu_notifier_range *range)
{
	struct fallow_tracker *t = container_of(n, struct fallow_tracker, notifier);

	if (range->event == MMU_NOTIFY_UNMAP)
		fallow_age_map_forget(&t->map, range->start, range->end);
	return 0;
}

static const struct mmu_notifier_ops notifier_ops = {
	.clear_flush_young = on_clear_flush_young,
	.invalidate_range_start = on_invalidate,
};

static int watch_mm(struct fallow_tracker *t)
{
	int ret;

	if (!mmget_not_zero(t->mm))
		return -ESRCH;
	ret = mmap_write_lock_killable(t->mm);
	if (!ret) {
		ret = __mmu_notifier_register(&t->notifier, t->mm);
		if (!ret)
			t->alone = t->notifier.hlist.pprev;
		mmap_write_unlock(t->mm);
	}
	mmput_async(t->mm);
	return ret;
}

static void release(struct kref *ref)
{
	struct fallow_tracker *t = container_of(ref, struct fallow_tracker, ref);

	fallow_age_map_destroy(&t->map);
	mmdrop(t->mm);
	kfree(t);
}

void fallow_age_put(struct fallow_tracker *t)
{
	if (t)
		kref_put(&t->ref, release);
}

static struct fallow_tracker *find(struct mm_struct *mm)
{
	struct fallow_tracker *t;

	lockdep_assert_held(&trackers_lock);
	list_for_each_entry(t, &trackers, list)
		if (t->mm == mm)
			return t;
	return NULL;
}

static bool belongs_to(const struct fallow_tracker *t, const struct net *net, u32 portid)
{
	return t && t->net == net && t->portid == portid;
}

static void take_off(struct fallow_tracker *t)
{
	lockdep_assert_held(&trackers_lock);
	list_del(&t->list);
	n_trackers--;
	t->running = false;
}

static struct fallow_tracker *tracker_new(struct mm_struct *mm, struct net *net, u32 portid,
					  u32 interval_ms)
{
	struct fallow_tracker *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	kref_init(&t->ref);
	fallow_age_map_init(&t->map);
	mmgrab(mm);
	t->mm = mm;
	t->net = net;
	t->portid = portid;
	t->notifier.ops = &notifier_ops;
	t->interval = max(msecs_to_jiffies(interval_ms), 1UL);
	t->due = jiffies;
	INIT_DELAYED_WORK(&t->work, work_fn);
	return t;
}

int fallow_age_start(struct mm_struct *mm, struct net *net, u32 portid, u32 interval_ms)
{
	struct fallow_tracker *t;
	int ret;

	if (!fallow_tlb_can_flush())
		return -EOPNOTSUPP;
	t = tracker_new(mm, net, portid, interval_ms);
	if (!t)
		return -ENOMEM;
	mutex_lock(&trackers_lock);
	ret = find(mm) ? -EBUSY : 0;
	if (!ret) {
		list_add(&t->list, &trackers);
		n_trackers++;
	}
	mutex_unlock(&trackers_lock);
	if (ret)
		goto out;
	/* Without our lock: how long this takes is up to the target. */
	ret = watch_mm(t);
	mutex_lock(&trackers_lock);
	if (ret) {
		take_off(t);
	} else {
		t->running = true;
		queue_delayed_work(workqueue, &t->work, 0);
	}
	mutex_unlock(&trackers_lock);
out:
	if (ret)
		fallow_age_put(t);
	return ret;
}

/* The address space is gone, and with it what there is to track. Part of its work. */
static void retire(struct fallow_tracker *t)
{
	bool running;

	mutex_lock(&trackers_lock);
	running = t->running;
	if (running)
		take_off(t);
	mutex_unlock(&trackers_lock);
	/* Else somebody ends it, and waits for us. */
	if (!running)
		return;
	mmu_notifier_unregister(&t->notifier, t->mm);
	fallow_age_put(t);
}

/* Ends a tracker that is off the list already, but for those who still read it. */
static void end(struct fallow_tracker *t)
{
	WRITE_ONCE(t->ending, true);
	cancel_delayed_work_sync(&t->work);
	/* Not here: who closes a socket may be dying, and could not take the lock. */
	queue_delayed_work(workqueue, &t->work, 0);
	flush_delayed_work(&t->work);
	mmu_notifier_unregister(&t->notifier, t->mm);
	fallow_age_put(t);
}

int fallow_age_stop(struct mm_struct *mm, struct net *net, u32 portid)
{
	struct fallow_tracker *t;

	mutex_lock(&trackers_lock);
	t = find(mm);
	if (belongs_to(t, net, portid) && t->running)
		take_off(t);
	else
		t = NULL;
	mutex_unlock(&trackers_lock);
	if (!t)
		return -ENOENT;
	end(t);
	return 0;
}

/* Ends the trackers of a socket, or all: @net NULL. */
static void stop_all(const struct net *net, u32 portid)
{
	struct fallow_tracker *t, *next;
	LIST_HEAD(ended);

	mutex_lock(&trackers_lock);
	list_for_each_entry_safe(t, next, &trackers, list) {
		if (net && !belongs_to(t, net, portid))
			continue;
		take_off(t);
		list_add(&t->list, &ended);
	}
	mutex_unlock(&trackers_lock);
	list_for_each_entry_safe(t, next, &ended, list)
		end(t);
}

struct fallow_tracker *fallow_age_get(struct mm_struct *mm, struct net *net, u32 portid)
{
	struct fallow_tracker *t;

	mutex_lock(&trackers_lock);
	t = find(mm);
	if (belongs_to(t, net, portid))
		kref_get(&t->ref);
	else
		t = NULL;
	mutex_unlock(&trackers_lock);
	return t;
}

void fallow_age_status(struct fallow_tracker *t, u64 *harvests, u32 *flags)
{
	*harvests = READ_ONCE(t->harvests);
	*flags = (READ_ONCE(t->capped) ? FALLOW_AGE_CAPPED : 0) |
		 (has_secondary_mmu(t) ? FALLOW_AGE_SECONDARY : 0);
}

int fallow_age_code(struct fallow_tracker *t, unsigned long addr)
{
	int code = -1;
	u8 *age;

	if (has_secondary_mmu(t))
		return -1;
	rcu_read_lock();
	age = fallow_age_map_at(&t->map, addr);
	if (age)
		code = (READ_ONCE(*age) & AGE_MASK) - 1;
	rcu_read_unlock();
	return code;
}

u64 fallow_age_caps(void)
{
	return fallow_tlb_can_flush() ? FALLOW_CAP_AGE : 0;
}

void fallow_age_totals(struct fallow_age_totals *totals)
{
	*totals = (struct fallow_age_totals){
		.trackers = READ_ONCE(n_trackers),
		.bytes = fallow_age_map_bytes(),
		.max_bytes = fallow_age_map_max_bytes(),
	};
}

/* A socket was closed. */
static int on_netlink(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct netlink_notify *n = data;

	if (event == NETLINK_URELEASE && n->protocol == NETLINK_GENERIC &&
	    READ_ONCE(n_trackers))
		stop_all(n->net, n->portid);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_notifier = {
	.notifier_call = on_netlink,
};

int __init fallow_age_init(void)
{
	int ret;

	ret = fallow_age_map_setup();
	if (ret)
		return ret;
	ret = -ENOMEM;
	workqueue = alloc_workqueue("fallow", WQ_UNBOUND, 0);
	if (!workqueue)
		goto no_workqueue;
	ret = netlink_register_notifier(&netlink_notifier);
	if (ret)
		goto no_notifier;
	return 0;

no_notifier:
	destroy_workqueue(workqueue);
no_workqueue:
	fallow_age_map_teardown();
	return ret;
}

void fallow_age_exit(void)
{
	netlink_unregister_notifier(&netlink_notifier);
	stop_all(NULL, 0);
	destroy_workqueue(workqueue);
	fallow_age_map_teardown();
}
