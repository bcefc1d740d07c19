// SPDX-License-Identifier: GPL-2.0-only
/* FALLOW_CMD_GET_PAGES: extents of pages in equal state. */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include <uapi/linux/fallow.h>

#include "age.h"
#include "compat.h"
#include "dump.h"
#include "facts.h"
#include "netlink.h"
#include "page.h"

/* What one step can add at most, and the extent that was open before it. */
#define STEP_EXTENTS	(FALLOW_STEP_ENTRIES + 1)

#define PAGES_MSG_MAX	16384

struct pages_dump {
	struct fallow_dump base;
	struct fallow_visitor visitor;
	struct fallow_vma_facts facts;
	struct fallow_range *ranges;
	size_t range, n_ranges;		/* the next one, and all */
	u32 mask, flags;		/* of the request */
	struct fallow_tracker *tracker;	/* or NULL */
	bool begun;			/* a message was sent */
	struct fallow_extent open;	/* may still grow; pages 0: none */
	struct fallow_extent *out;	/* of the message being filled */
	size_t n, room;
};

static struct pages_dump *dump_of(struct netlink_callback *cb)
{
	return (struct pages_dump *)cb->args[0];
}

static void close_extent(struct pages_dump *d)
{
	if (d->open.pages && !WARN_ON_ONCE(d->n == d->room))
		d->out[d->n++] = d->open;
	d->open.pages = 0;
}

static void tell(struct pages_dump *d, unsigned long addr, unsigned long pages, u32 state)
{
	struct fallow_extent *e = &d->open;

	state &= d->mask;
	if (e->pages && e->state == state &&
	    addr == e->start + ((u64)e->pages << PAGE_SHIFT) && e->pages + pages <= U32_MAX) {
		e->pages += pages;
		return;
	}
	close_extent(d);
	if (state)
		*e = (struct fallow_extent){ .start = addr, .pages = pages, .state = state };
}

static bool is_zero_filled(struct page *page)
{
	void *mem;
	bool zero;

	if (!fallow_page_readable(page))
		return false;
	mem = kmap_local_page(page);
	zero = !memchr_inv(mem, 0, PAGE_SIZE);
	kunmap_local(mem);
	return zero;
}

static u32 age_of(struct pages_dump *d, const struct fallow_entry *e, unsigned long addr,
		  u32 state)
{
	int code = fallow_age_code(d->tracker, addr);

	/* A device that holds a page leaves no trace in our page table. */
	if (code < 0 || (state & FALLOW_STATE_PINNED))
		return 0;
	if (e->flags & FALLOW_ENTRY_YOUNG)
		code = 0;
	return fallow_age_log2(code) << FALLOW_STATE_AGE_SHIFT;
}

/*
 * Base pages of one entry, which may differ in what is asked of each by itself, and in
 * their mapcounts too if they have none in common.
 */
static void tell_each(struct pages_dump *d, const struct fallow_entry *e, u32 common,
		      int mapcount)
{
	struct folio *folio = page_folio(e->page);
	bool test = (d->flags & FALLOW_REQ_ZERO_TEST) && (common & FALLOW_STATE_ANON);
	unsigned long i;

	for (i = 0; i < e->size >> PAGE_SHIFT; i++) {
		unsigned long addr = e->addr + (i << PAGE_SHIFT);
		struct page *page = e->page + i;
		u32 state = common;

		if (!mapcount && fallow_mapcount(folio, page) >= 2)
			state |= FALLOW_STATE_SHARED;
		if (test && is_zero_filled(page))
			state |= FALLOW_STATE_ZERO_FILLED;
		if (d->tracker)
			state |= age_of(d, e, addr, state);
		tell(d, addr, 1, state);
	}
}

static void tell_page(struct pages_dump *d, const struct fallow_entry *e)
{
	u32 state = fallow_page_state(fallow_facts(&d->facts, e));
	int mapcount;

	if (!(e->flags & FALLOW_ENTRY_PRESENT)) {
		/* Under migration: neither its count nor its contents may be asked for. */
		if (FALLOW_MIGRATION_SHARED)
			state |= FALLOW_STATE_SHARED;
		tell(d, e->addr, e->size >> PAGE_SHIFT, state);
		return;
	}
	/* Asked for only if it matters. */
	mapcount = d->mask & FALLOW_STATE_SHARED ? fallow_common_mapcount(e) : 1;
	if (mapcount >= 2)
		state |= FALLOW_STATE_SHARED;
	if (mapcount && !d->tracker && !(d->flags & FALLOW_REQ_ZERO_TEST))
		tell(d, e->addr, e->size >> PAGE_SHIFT, state);
	else
		tell_each(d, e, state, mapcount);
}

static void tell_entry(struct pages_dump *d, struct vm_area_struct *vma,
		       const struct fallow_entry *e)
{
	u32 state;

	if (e->page) {
		tell_page(d, e);
		return;
	}
	if (is_vm_hugetlb_page(vma))
		state = FALLOW_STATE_HUGETLB;
	else if (e->flags & FALLOW_ENTRY_ZERO)
		state = FALLOW_STATE_ZERO;
	else if (e->flags & FALLOW_ENTRY_DEVICE)
		state = FALLOW_STATE_DEVICE;
	else if (e->flags & FALLOW_ENTRY_GUARD)
		state = FALLOW_STATE_GUARD;
	else
		state = FALLOW_STATE_SWAPPED;
	if ((e->flags & FALLOW_ENTRY_SOFT_DIRTY) || (d->facts.all & FALLOW_PAGE_SOFT_DIRTY))
		state |= FALLOW_STATE_SOFT_DIRTY;
	tell(d, e->addr, e->size >> PAGE_SHIFT, state);
}

static void tell_entries(struct fallow_visitor *v, struct vm_area_struct *vma,
			 const struct fallow_entry *e, unsigned int n)
{
	struct pages_dump *d = container_of(v, struct pages_dump, visitor);

	for (; n; n--, e++)
		tell_entry(d, vma, e);
}

int fallow_pages_dump_done(struct netlink_callback *cb)
{
	struct pages_dump *d = dump_of(cb);

	if (!d)
		return 0;
	fallow_age_put(d->tracker);
	fallow_dump_end(&d->base);
	kvfree(d->ranges);
	kfree(d);
	return 0;
}

static bool ranges_are_good(const struct fallow_range *r, size_t n)
{
	u64 last = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (r[i].start < last || r[i].start >= r[i].end)
			return false;
		last = r[i].end;
	}
	return n > 0;
}

/* Goes on to the next range that was asked for; false: there is none. */
static bool next_range(struct pages_dump *d)
{
	const struct fallow_range *r = &d->ranges[d->range];

	if (d->range == d->n_ranges)
		return false;
	/* What was told already at the end of the last range is not told again. */
	d->base.next = max_t(u64, r->start & PAGE_MASK, d->base.next);
	d->base.end = min_t(u64, r->end, ULONG_MAX);
	d->range++;
	return true;
}

static int parse_ranges(struct pages_dump *d, struct netlink_callback *cb,
			struct netlink_ext_ack *extack)
{
	struct nlattr **attrs = fallow_dump_attrs(cb);
	struct nlattr *ranges = attrs[FALLOW_A_REQ_RANGES];

	if (!ranges) {
		int ret = fallow_dump_range(&d->base, cb, extack);

		d->base.next &= PAGE_MASK;
		return ret;
	}
	if (attrs[FALLOW_A_REQ_START] || attrs[FALLOW_A_REQ_END]) {
		NL_SET_ERR_MSG(extack, "ranges do not go with a start or an end");
		return -EINVAL;
	}
	/* Attributes are aligned to 4 bytes only. */
	d->ranges = kvmalloc(nla_len(ranges), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!d->ranges)
		return -ENOMEM;
	nla_memcpy(d->ranges, ranges, nla_len(ranges));
	d->n_ranges = nla_len(ranges) / sizeof(*d->ranges);
	if (nla_len(ranges) % sizeof(*d->ranges) || !ranges_are_good(d->ranges, d->n_ranges)) {
		NL_SET_ERR_MSG(extack, "ranges are empty, overlap or are out of order");
		return -EINVAL;
	}
	next_range(d);
	return 0;
}

static int prepare(struct pages_dump *d, struct netlink_callback *cb,
		   struct netlink_ext_ack *extack)
{
	struct nlattr **attrs = fallow_dump_attrs(cb);
	struct nlattr *mask = attrs[FALLOW_A_REQ_STATE_MASK];
	struct nlattr *flags = attrs[FALLOW_A_REQ_FLAGS];
	int ret = fallow_dump_begin(&d->base, cb, extack);

	if (!ret)
		ret = parse_ranges(d, cb, extack);
	if (ret)
		return ret;
	d->mask = mask ? nla_get_u32(mask) : U32_MAX;
	d->flags = flags ? nla_get_u32(flags) : 0;
	if (d->mask & FALLOW_STATE_AGE_MASK)
		d->tracker = fallow_age_get(d->base.target.mm, sock_net(cb->skb->sk),
					    NETLINK_CB(cb->skb).portid);
	/* Whether it is full of zeroes is each page's own; and of ages a step has room for 512. */
	d->visitor.merge_small = !(d->flags & FALLOW_REQ_ZERO_TEST);
	d->visitor.merge_huge = d->visitor.merge_small && !d->tracker;
	return 0;
}

int fallow_pages_dump_start(struct netlink_callback *cb)
{
	struct pages_dump *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	struct netlink_ext_ack extack = {};
	int ret;

	if (!d)
		return -ENOMEM;
	d->visitor.entries = tell_entries;
	d->visitor.merge = true;
	cb->args[0] = (long)d;
	cb->min_dump_alloc = PAGES_MSG_MAX;
	ret = prepare(d, cb, &extack);
	if (ret)
		fallow_dump_fail(&d->base, ret, &extack);
	return 0;
}

/* The VMA at, or after, the position, which moves there; NULL: none is left. */
static struct vm_area_struct *current_vma(struct pages_dump *d)
{
	struct fallow_dump *base = &d->base;

	for (;;) {
		struct vm_area_struct *vma = find_vma(base->target.mm, base->next);

		if (!vma)
			return NULL;
		if (base->next < base->end && vma->vm_start < base->end) {
			base->next = max(base->next, vma->vm_start);
			return vma;
		}
		if (!next_range(d))
			return NULL;
	}
}

static int dump_slice(struct sk_buff *skb, struct netlink_callback *cb, struct fallow_dump *base,
		      struct fallow_slice *slice)
{
	struct pages_dump *d = container_of(base, struct pages_dump, base);
	unsigned long vma_end = 0, end;
	struct vm_area_struct *vma;

	while ((vma = current_vma(d))) {
		if (d->n + STEP_EXTENTS > d->room)
			return -EMSGSIZE;
		if (vma->vm_end != vma_end)
			fallow_vma_facts(&d->facts, vma);
		vma_end = vma->vm_end;
		end = min(vma->vm_end, base->end);
		/* The last page is told whole. */
		if (end & ~PAGE_MASK)
			end = (end | ~PAGE_MASK) + 1;
		base->next = fallow_walk_step(&d->visitor, vma, base->next, end);
		base->looked = d->visitor.looked;
		if (fallow_slice_over(slice, base->looked))
			return 0;
	}
	return 1;
}

static int put_age(struct sk_buff *skb, const struct pages_dump *d)
{
	u64 harvests;
	u32 flags;

	if (!d->tracker || d->begun)
		return 0;
	fallow_age_status(d->tracker, &harvests, &flags);
	return nla_put_u64_64bit(skb, FALLOW_A_PAGES_HARVESTS, harvests, FALLOW_A_PAGES_PAD) ?:
	       nla_put_u32(skb, FALLOW_A_PAGES_AGE_FLAGS, flags);
}

/* Extents are written to where the message will have them. */
static int fill(struct sk_buff *skb, struct netlink_callback *cb, struct pages_dump *d)
{
	void *head = fallow_msg_put(skb, cb, 0, FALLOW_CMD_GET_PAGES);
	struct nlattr *extents;
	int ret;

	if (!head || put_age(skb, d) || nla_align_64bit(skb, FALLOW_A_PAGES_PAD))
		return -EMSGSIZE;
	extents = nla_reserve(skb, FALLOW_A_PAGES_EXTENTS, 0);
	if (!extents)
		return -EMSGSIZE;
	d->out = nla_data(extents);
	d->n = 0;
	d->room = skb_tailroom(skb) / sizeof(*d->out);
	ret = fallow_dump_run(skb, cb, &d->base, dump_slice);
	if (ret < 0 && ret != -EMSGSIZE) {
		genlmsg_cancel(skb, head);
		return ret;
	}
	if (ret > 0)
		close_extent(d);
	extents->nla_len = nla_attr_size(d->n * sizeof(*d->out));
	skb_put(skb, d->n * sizeof(*d->out));
	((struct nlmsghdr *)skb->data)->nlmsg_flags = fallow_dump_flags(&d->base);
	genlmsg_end(skb, head);
	d->begun = true;
	return skb->len;
}

int fallow_pages_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct pages_dump *d = dump_of(cb);

	return d->base.done ? 0 : fill(skb, cb, d);
}
