/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dump of an address space: taken in holds of its mmap lock that are bounded in
 * time, over several messages, with what changes meanwhile noticed.
 */
#ifndef FALLOW_DUMP_H
#define FALLOW_DUMP_H

#include <linux/netlink.h>
#include <linux/skbuff.h>

#include "cost.h"
#include "target.h"

/* What is kept from one call to the next; callback data of the dump's own around it. */
struct fallow_dump {
	struct fallow_target target;
	int error;		/* of the request, told by the first call, ... */
	const char *why;	/* ... and its text, or NULL */
	unsigned long next;	/* below, all is told */
	unsigned long end;
	bool done;		/* all is told */
	bool changed;		/* the address space did, while we looked away */
	int map_count;
	unsigned long total_vm;
	u64 looked;		/* entries looked at */
};

/*
 * Finds the target that the request names. Part of ->start(), which is always called
 * on behalf of the sender: if the socket's buffer is full, the first ->dump() is on
 * behalf of whoever makes room in it. @d lies in memory of zeros.
 */
int fallow_dump_begin(struct fallow_dump *d, struct netlink_callback *cb,
		      struct netlink_ext_ack *extack);

/* FALLOW_A_REQ_START and FALLOW_A_REQ_END of the request. */
int fallow_dump_range(struct fallow_dump *d, struct netlink_callback *cb,
		      struct netlink_ext_ack *extack);

/* Has the first call of fallow_dump_run() fail: before 6.6, ->start() cannot say why. */
void fallow_dump_fail(struct fallow_dump *d, int error, const struct netlink_ext_ack *extack);

/*
 * Tells for as long as @slice lasts, with the mmap lock held. Returns 1 when all is
 * told, 0 to go on in the next slice, -EMSGSIZE when @skb is full.
 */
typedef int (*fallow_dump_fn)(struct sk_buff *skb, struct netlink_callback *cb,
			      struct fallow_dump *d, struct fallow_slice *slice);

/* Calls @fn until it has told all, or @skb is full. Returns what that returned last. */
int fallow_dump_run(struct sk_buff *skb, struct netlink_callback *cb, struct fallow_dump *d,
		    fallow_dump_fn fn);

/* The flags of a message of the dump. */
int fallow_dump_flags(const struct fallow_dump *d);

void fallow_dump_end(struct fallow_dump *d);

#endif
