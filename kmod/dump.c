// SPDX-License-Identifier: GPL-2.0-only
/* What the dumps have in common: target, slices, consistency. */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <net/netlink.h>
#include <uapi/linux/fallow.h>

#include "compat.h"
#include "dump.h"

int fallow_dump_begin(struct fallow_dump *d, struct netlink_callback *cb,
		      struct netlink_ext_ack *extack)
{
	struct nlattr *pid = fallow_dump_attrs(cb)[FALLOW_A_REQ_PID];

	if (!pid) {
		NL_SET_ERR_MSG(extack, "a process id is missing");
		return -EINVAL;
	}
	return fallow_target_get(&d->target, cb->skb, nla_get_u32(pid), extack);
}

void fallow_dump_fail(struct fallow_dump *d, int error, const struct netlink_ext_ack *extack)
{
	d->error = error;
	d->why = extack->_msg;
}

static unsigned long attr_address(const struct nlattr *attr, unsigned long otherwise)
{
	/* An address beyond the range of pointers is beyond every VMA. */
	return attr ? min_t(u64, nla_get_u64(attr), ULONG_MAX) : otherwise;
}

int fallow_dump_range(struct fallow_dump *d, struct netlink_callback *cb,
		      struct netlink_ext_ack *extack)
{
	struct nlattr **attrs = fallow_dump_attrs(cb);

	d->next = attr_address(attrs[FALLOW_A_REQ_START], 0);
	d->end = attr_address(attrs[FALLOW_A_REQ_END], ULONG_MAX);
	if (d->next < d->end)
		return 0;
	NL_SET_ERR_MSG(extack, "the range's start is not below its end");
	return -EINVAL;
}

/* The address space must not have changed since the lock was last held. */
static void note_changes(struct fallow_dump *d)
{
	const struct mm_struct *mm = d->target.mm;

	if (d->total_vm && (d->map_count != mm->map_count || d->total_vm != mm->total_vm))
		d->changed = true;
	d->map_count = mm->map_count;
	d->total_vm = mm->total_vm;
}

/* NLMSG_DONE, too, is to say that the dump is not consistent. */
static void tell_consistency(struct netlink_callback *cb, const struct fallow_dump *d)
{
	cb->prev_seq = d->changed ? 1 : 0;
	cb->seq = d->changed ? 2 : 0;
}

int fallow_dump_run(struct sk_buff *skb, struct netlink_callback *cb, struct fallow_dump *d,
		    fallow_dump_fn fn)
{
	int ret = d->error;

	if (ret) {
		cb->extack->_msg = d->why;
		return ret;
	}
	if (!fallow_target_permitted(&d->target))
		return -EPERM;
	while (!ret) {
		struct fallow_slice slice;

		if (fatal_signal_pending(current))
			return -EINTR;
		ret = fallow_slice_begin(&slice, d->target.mm, d->looked);
		if (ret)
			return ret;
		note_changes(d);
		ret = fn(skb, cb, d, &slice);
		fallow_slice_end(&slice, d->looked);
	}
	d->done = ret > 0;
	tell_consistency(cb, d);
	return ret;
}

int fallow_dump_flags(const struct fallow_dump *d)
{
	return NLM_F_MULTI | (d->changed ? NLM_F_DUMP_INTR : 0);
}

void fallow_dump_end(struct fallow_dump *d)
{
	fallow_target_put(&d->target);
}
