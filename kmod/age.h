/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trackers: each harvests the accessed bits of one address space at an interval
 * and so knows for how long a page was not accessed. A tracker belongs to a netlink
 * socket, and an address space has at most one.
 */
#ifndef FALLOW_AGE_H
#define FALLOW_AGE_H

#include <linux/mm_types.h>
#include <linux/types.h>
#include <net/net_namespace.h>

struct fallow_tracker;

struct fallow_age_totals {
	u32 trackers;
	u64 bytes, max_bytes;
};

#ifdef CONFIG_FALLOW_AGE

int fallow_age_init(void);
void fallow_age_exit(void);

/* FALLOW_CAP_AGE, or 0. */
u64 fallow_age_caps(void);
void fallow_age_totals(struct fallow_age_totals *totals);

/*
 * Begins to track @mm for a socket. -EBUSY: it is tracked already; -ESRCH: it is
 * gone; -EOPNOTSUPP; -ENOMEM; -EINTR.
 */
int fallow_age_start(struct mm_struct *mm, struct net *net, u32 portid, u32 interval_ms);

/* Ends it. -ENOENT: the socket does not track @mm. */
int fallow_age_stop(struct mm_struct *mm, struct net *net, u32 portid);

/* The socket's tracker of @mm, or NULL. */
struct fallow_tracker *fallow_age_get(struct mm_struct *mm, struct net *net, u32 portid);

/* @t may be NULL. */
void fallow_age_put(struct fallow_tracker *t);

/* FALLOW_A_PAGES_HARVESTS, FALLOW_A_PAGES_AGE_FLAGS */
void fallow_age_status(struct fallow_tracker *t, u64 *harvests, u32 *flags);

/* The age's code (page.h) of the page at @addr as of the last harvest; -1: unknown. */
int fallow_age_code(struct fallow_tracker *t, unsigned long addr);

#else

static inline int fallow_age_init(void)
{
	return 0;
}

static inline void fallow_age_exit(void)
{
}

static inline u64 fallow_age_caps(void)
{
	return 0;
}

static inline void fallow_age_totals(struct fallow_age_totals *totals)
{
	*totals = (struct fallow_age_totals){};
}

static inline int fallow_age_start(struct mm_struct *mm, struct net *net, u32 portid,
				   u32 interval_ms)
{
	return -EOPNOTSUPP;
}

static inline int fallow_age_stop(struct mm_struct *mm, struct net *net, u32 portid)
{
	return -ENOENT;
}

static inline struct fallow_tracker *fallow_age_get(struct mm_struct *mm, struct net *net,
						    u32 portid)
{
	return NULL;
}

static inline void fallow_age_put(struct fallow_tracker *t)
{
}

static inline void fallow_age_status(struct fallow_tracker *t, u64 *harvests, u32 *flags)
{
}

static inline int fallow_age_code(struct fallow_tracker *t, unsigned long addr)
{
	return -1;
}

#endif

#endif
