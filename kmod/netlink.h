/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family, its dumps, and the version that it tells. */
#ifndef FALLOW_NETLINK_H
#define FALLOW_NETLINK_H

#include <linux/netlink.h>
#include <linux/skbuff.h>

#define FALLOW_VERSION "0.1.0"

int fallow_netlink_init(void);
void fallow_netlink_exit(void);

/* Begins a message of a dump; NULL: there is no room. */
void *fallow_msg_put(struct sk_buff *skb, struct netlink_callback *cb, int flags, u8 cmd);

int fallow_vma_dump_start(struct netlink_callback *cb);
int fallow_vma_dump(struct sk_buff *skb, struct netlink_callback *cb);
int fallow_vma_dump_done(struct netlink_callback *cb);

int fallow_pages_dump_start(struct netlink_callback *cb);
int fallow_pages_dump(struct sk_buff *skb, struct netlink_callback *cb);
int fallow_pages_dump_done(struct netlink_callback *cb);

#endif
