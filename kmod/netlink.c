// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family: policies and dumps. No page logic. */
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <uapi/linux/fallow.h>

#include "compat.h"
#include "cost.h"
#include "netlink.h"
#include "target.h"
#include "vma.h"

/* Room for one VMA's message with the longest name. */
#define VMA_MSG_MAX	(PATH_MAX + 2048)

/* A VMA that changes all the time is told as it was seen the last time. */
#define RESTARTS_MAX	3

static struct genl_family fallow_family;

static const struct nla_policy vma_policy[FALLOW_A_REQ_MAX + 1] = {
	[FALLOW_A_REQ_PID] = NLA_POLICY_MIN(NLA_U32, 1),
	[FALLOW_A_REQ_START] = { .type = NLA_U64 },
	[FALLOW_A_REQ_END] = { .type = NLA_U64 },
};

/* GET_INFO takes nothing, and a command without a policy would take anything. */
static const struct nla_policy info_policy[FALLOW_A_REQ_MAX + 1] = {
	[FALLOW_A_REQ_PID] = { .type = NLA_REJECT },
	[FALLOW_A_REQ_START] = { .type = NLA_REJECT },
	[FALLOW_A_REQ_END] = { .type = NLA_REJECT },
};

static int put_info(struct sk_buff *skb)
{
	struct fallow_cost cost;

	fallow_cost_get(&cost);
	if (nla_put_string(skb, FALLOW_A_INFO_VERSION, FALLOW_VERSION) ||
	    nla_put_u32(skb, FALLOW_A_INFO_PAGE_SIZE, PAGE_SIZE) ||
	    nla_put_u64_64bit(skb, FALLOW_A_INFO_CAPS, fallow_vma_caps(), FALLOW_A_INFO_PAD) ||
	    nla_put_u32(skb, FALLOW_A_INFO_LOCK_BUDGET_US, fallow_lock_budget_us()) ||
	    nla_put_u64_64bit(skb, FALLOW_A_INFO_LOCK_MAX_NS, cost.lock_max_ns,
			      FALLOW_A_INFO_PAD) ||
	    nla_put_u64_64bit(skb, FALLOW_A_INFO_SLICES, cost.slices, FALLOW_A_INFO_PAD) ||
	    nla_put_u64_64bit(skb, FALLOW_A_INFO_PAGES, cost.pages, FALLOW_A_INFO_PAD) ||
	    nla_put_u64_64bit(skb, FALLOW_A_INFO_WALK_NS, cost.walk_ns, FALLOW_A_INFO_PAD))
		return -EMSGSIZE;
	return 0;
}

static int get_info(struct sk_buff *request, struct genl_info *info)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &fallow_family, 0, FALLOW_CMD_GET_INFO);
	if (!head || put_info(skb)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

/* A dump of VMAs, from one call to the next. */
struct vma_dump {
	struct mm_struct *mm;	/* by mmgrab() */
	unsigned long next;	/* address below which all is told */
	unsigned long end;
	struct fallow_vma vma;	/* being counted, if vma.end is not 0 */
	bool counted;		/* completely; it waits for room */
	unsigned int restarts;
	bool changed;		/* the address space did, while we looked away */
	int map_count;
	unsigned long total_vm;
	char path[PATH_MAX];
};

struct dump_ctx {
	struct vma_dump *dump;
};

static struct dump_ctx *ctx_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump_ctx) > sizeof_field(struct netlink_callback, ctx));
	return (struct dump_ctx *)cb->ctx;
}

static unsigned long attr_address(struct nlattr *attr, unsigned long otherwise)
{
	/* An address beyond the range of pointers is beyond every VMA. */
	return attr ? min_t(u64, nla_get_u64(attr), ULONG_MAX) : otherwise;
}

static int vma_dump_start(struct netlink_callback *cb)
{
	struct vma_dump *d = kvzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return -ENOMEM;
	ctx_of(cb)->dump = d;
	cb->min_dump_alloc = VMA_MSG_MAX;
	return 0;
}

/*
 * Part of the first call of the dump, which is made on behalf of the sender:
 * before 6.6, ->start() has no extack to explain itself with.
 */
static int vma_dump_prepare(struct netlink_callback *cb, struct vma_dump *d)
{
	struct nlattr **attrs = fallow_dump_attrs(cb);
	struct mm_struct *mm;

	if (!attrs[FALLOW_A_REQ_PID]) {
		NL_SET_ERR_MSG(cb->extack, "a process id is missing");
		return -EINVAL;
	}
	d->next = attr_address(attrs[FALLOW_A_REQ_START], 0);
	d->end = attr_address(attrs[FALLOW_A_REQ_END], ULONG_MAX);
	if (d->next >= d->end) {
		NL_SET_ERR_MSG(cb->extack, "the range's start is not below its end");
		return -EINVAL;
	}
	mm = fallow_target_get(cb->skb, nla_get_u32(attrs[FALLOW_A_REQ_PID]), cb->extack);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	d->mm = mm;
	return 0;
}

static int vma_dump_done(struct netlink_callback *cb)
{
	struct vma_dump *d = ctx_of(cb)->dump;

	if (d && d->mm)
		mmdrop(d->mm);
	kvfree(d);
	return 0;
}

static int put_vma(struct sk_buff *skb, struct netlink_callback *cb, struct vma_dump *d,
		   struct vm_area_struct *vma)
{
	int flags = NLM_F_MULTI | (d->changed ? NLM_F_DUMP_INTR : 0);
	void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				 &fallow_family, flags, FALLOW_CMD_GET_VMA);

	if (!head)
		return -EMSGSIZE;
	if (fallow_vma_put(skb, &d->vma, vma, d->path)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/* The address space must not have changed since the lock was last held. */
static void note_changes(struct vma_dump *d)
{
	if (d->total_vm && (d->map_count != d->mm->map_count || d->total_vm != d->mm->total_vm))
		d->changed = true;
	d->map_count = d->mm->map_count;
	d->total_vm = d->mm->total_vm;
}

/* The VMA to count now: the one that was begun, if it is still there. */
static struct vm_area_struct *current_vma(struct vma_dump *d)
{
	struct vm_area_struct *vma = find_vma(d->mm, d->next);

	if (!vma || vma->vm_start >= d->end)
		return NULL;
	if (d->vma.end && !fallow_vma_same(&d->vma, vma)) {
		d->changed = true;
		if (d->restarts++ < RESTARTS_MAX)
			d->vma.end = 0;
	}
	if (!d->vma.end || d->vma.start != vma->vm_start) {
		fallow_vma_begin(&d->vma, vma);
		d->counted = false;
	}
	return vma;
}

/*
 * Tells VMAs for as long as the slice lasts. 1: all are told; 0: go on in the
 * next slice; -EMSGSIZE: @skb is full.
 */
static int dump_slice(struct sk_buff *skb, struct netlink_callback *cb, struct vma_dump *d,
		      struct fallow_slice *slice)
{
	struct vm_area_struct *vma;

	note_changes(d);
	while ((vma = current_vma(d))) {
		/* What grew or shrank for the last time is counted to its end now. */
		d->vma.end = vma->vm_end;
		while (!d->counted) {
			d->counted = fallow_vma_step(&d->vma, vma);
			if (!d->counted && fallow_slice_over(slice, d->vma.visitor.looked))
				return 0;
		}
		if (put_vma(skb, cb, d, vma))
			return -EMSGSIZE;
		d->next = vma->vm_end;
		d->vma.end = 0;
		d->restarts = 0;
		if (fallow_slice_over(slice, d->vma.visitor.looked))
			return 0;
	}
	return 1;
}

/* NLMSG_DONE, too, is to say that the dump is not consistent. */
static void tell_consistency(struct netlink_callback *cb, const struct vma_dump *d)
{
	cb->prev_seq = d->changed ? 1 : 0;
	cb->seq = d->changed ? 2 : 0;
}

static int vma_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vma_dump *d = ctx_of(cb)->dump;
	int ret = 0;

	if (!d->mm) {
		ret = vma_dump_prepare(cb, d);
		if (ret)
			return ret;
	}
	if (!fallow_target_permitted(d->mm))
		return -EPERM;
	while (!ret) {
		struct fallow_slice slice;

		if (fatal_signal_pending(current))
			return -EINTR;
		ret = fallow_slice_begin(&slice, d->mm, d->vma.visitor.looked);
		if (ret)
			return ret;
		ret = dump_slice(skb, cb, d, &slice);
		fallow_slice_end(&slice, d->vma.visitor.looked);
	}
	tell_consistency(cb, d);
	if (ret == -EMSGSIZE && !skb->len)
		return ret;
	/* Length 0 ends the dump: so it does when all was told before. */
	return skb->len;
}

static const struct genl_ops fallow_ops[] = {
	{
		.cmd = FALLOW_CMD_GET_INFO,
		.doit = get_info,
		.policy = info_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
	{
		.cmd = FALLOW_CMD_GET_VMA,
		.start = vma_dump_start,
		.dumpit = vma_dump,
		.done = vma_dump_done,
		.policy = vma_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
};

static struct genl_family fallow_family __ro_after_init = {
	.name = FALLOW_GENL_NAME,
	.version = FALLOW_GENL_VERSION,
	.module = THIS_MODULE,
	.ops = fallow_ops,
	.n_ops = ARRAY_SIZE(fallow_ops),
	.resv_start_op = __FALLOW_CMD_MAX,
	/* Processes are not of a network namespace: a container's root may ask. */
	.netnsok = true,
	/* Dumps guard themselves, and one must not wait for another. */
	.parallel_ops = true,
};

int __init fallow_netlink_init(void)
{
	return genl_register_family(&fallow_family);
}

void fallow_netlink_exit(void)
{
	genl_unregister_family(&fallow_family);
}
