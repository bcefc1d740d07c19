/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose memory is looked at, and who may look. */
#ifndef FALLOW_TARGET_H
#define FALLOW_TARGET_H

#include <linux/mm_types.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>

/* An address space, and the user namespace that decides who may look at it. */
struct fallow_target {
	struct mm_struct *mm;	/* by mmgrab(): its pages may be gone; NULL: none */
	struct user_namespace *user_ns;
};

/*
 * Finds the address space of process @pid of the caller's namespace. -ESRCH if
 * there is no such process, or it has no memory of its own.
 */
int fallow_target_find(struct fallow_target *t, u32 pid);

/*
 * The same on behalf of a netlink request: -EPERM, too, unless both the sender of
 * @request and the opener of its socket have CAP_SYS_PTRACE over it.
 */
int fallow_target_get(struct fallow_target *t, struct sk_buff *request, u32 pid,
		      struct netlink_ext_ack *extack);

/* Whether the caller has CAP_SYS_PTRACE over it. */
bool fallow_target_permitted(const struct fallow_target *t);

void fallow_target_put(struct fallow_target *t);

#endif
