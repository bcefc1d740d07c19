// SPDX-License-Identifier: GPL-2.0-only
/* FALLOW_CMD_GET_VMA: one message a VMA. */
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <uapi/linux/fallow.h>

#include "compat.h"
#include "dump.h"
#include "netlink.h"
#include "vma.h"

/* Room for one VMA's message with the longest name. */
#define VMA_MSG_MAX	(PATH_MAX + 2048)

/* A VMA that changes all the time is told as it was when its parts were seen. */
#define RESTARTS_MAX	3

struct vma_dump {
	struct fallow_dump base;
	struct fallow_vma vma;	/* being counted, if vma.end is not 0 */
	bool counted;		/* completely; it waits for room */
	unsigned int restarts;
	char path[PATH_MAX];
};

static struct vma_dump *dump_of(struct netlink_callback *cb)
{
	return (struct vma_dump *)cb->args[0];
}

int fallow_vma_dump_start(struct netlink_callback *cb)
{
	/* The caller hears of it; else kvmalloc()'s second attempt would log a trace. */
	struct vma_dump *d = kvzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	struct netlink_ext_ack extack = {};
	int ret;

	if (!d)
		return -ENOMEM;
	cb->args[0] = (long)d;
	cb->min_dump_alloc = VMA_MSG_MAX;
	ret = fallow_dump_begin(&d->base, cb, &extack);
	if (!ret)
		ret = fallow_dump_range(&d->base, cb, &extack);
	if (ret)
		fallow_dump_fail(&d->base, ret, &extack);
	return 0;
}

int fallow_vma_dump_done(struct netlink_callback *cb)
{
	struct vma_dump *d = dump_of(cb);

	if (d)
		fallow_dump_end(&d->base);
	kvfree(d);
	return 0;
}

static int put_vma(struct sk_buff *skb, struct netlink_callback *cb, struct vma_dump *d,
		   struct vm_area_struct *vma)
{
	void *head = fallow_msg_put(skb, cb, fallow_dump_flags(&d->base), FALLOW_CMD_GET_VMA);

	if (!head)
		return -EMSGSIZE;
	if (fallow_vma_put(skb, &d->vma, vma, d->path)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/* Begins to count @vma, or goes on, if it is the one that was begun. */
static void take_up(struct vma_dump *d, struct vm_area_struct *vma)
{
	if (d->vma.end && !fallow_vma_same(&d->vma, vma)) {
		d->base.changed = true;
		if (d->restarts++ < RESTARTS_MAX)
			d->vma.end = 0;
		else if (d->vma.start == vma->vm_start)
			fallow_vma_follow(&d->vma, vma);
	}
	if (!d->vma.end || d->vma.start != vma->vm_start) {
		fallow_vma_begin(&d->vma, vma);
		d->counted = false;
	}
}

static int dump_slice(struct sk_buff *skb, struct netlink_callback *cb, struct fallow_dump *base,
		      struct fallow_slice *slice)
{
	struct vma_dump *d = container_of(base, struct vma_dump, base);
	VMA_ITERATOR(vmi, base->target.mm, base->next);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma) {
		if (vma->vm_start >= base->end)
			break;
		take_up(d, vma);
		while (!d->counted) {
			d->counted = fallow_vma_step(&d->vma, vma);
			base->looked = d->vma.visitor.looked;
			if (!d->counted && fallow_slice_over(slice, base->looked))
				return 0;
		}
		if (put_vma(skb, cb, d, vma))
			return -EMSGSIZE;
		base->next = vma->vm_end;
		d->vma.end = 0;
		d->restarts = 0;
		if (fallow_slice_over(slice, base->looked))
			return 0;
	}
	return 1;
}

int fallow_vma_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vma_dump *d = dump_of(cb);
	int ret;

	if (d->base.done)
		return 0;
	ret = fallow_dump_run(skb, cb, &d->base, dump_slice);
	return ret < 0 && (ret != -EMSGSIZE || !skb->len) ? ret : skb->len;
}
