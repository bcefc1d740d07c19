/* SPDX-License-Identifier: GPL-2.0-only */
/* From a pid to an address space that the caller may look at. */
#ifndef FALLOW_TARGET_H
#define FALLOW_TARGET_H

#include <linux/mm_types.h>
#include <linux/netlink.h>

/*
 * The address space of process @pid of the caller's pid namespace, held by
 * mmgrab(): it can be named, but its memory is not kept alive. The caller ends
 * with mmdrop(). ERR_PTR: -ESRCH, -EPERM; @extack says more.
 */
struct mm_struct *fallow_target_get(struct sk_buff *request, u32 pid,
				    struct netlink_ext_ack *extack);

/* Whether the current task, too, may look at @mm: a socket can change hands. */
bool fallow_target_permitted(struct mm_struct *mm);

#endif
