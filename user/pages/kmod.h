/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Talking to the module; for pages/kmod*.c alone. */
#ifndef FALLOW_KMOD_H
#define FALLOW_KMOD_H

#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "pages/pages.h"

struct kmod_stream;

struct kmod {
	struct nl_sock *sock;
	int family;
	struct kmod_info info;
	struct kmod_stream *stream;
};

/* One request and what became of it. */
struct request {
	int err; /* errno from the kernel, 0 */
	char why[256]; /* extack text */
	bool interrupted; /* NLM_F_DUMP_INTR */
	bool done;
	int (*reply)(struct nlattr **tb, void *ctx);
	void *ctx;
	int max_attr;
};

int kmod_connect(struct kmod *k, struct error *e);
void kmod_disconnect(struct kmod *k);

/* A message of the family with room for attributes, or NULL. */
struct nl_msg *request_new(struct kmod *k, int flags, uint8_t cmd);

/* Sends @msg and receives until the answer is complete. */
void transact(struct kmod *k, struct nl_msg *msg, struct request *rq);

/* What an NLMSG_ERROR and an NLMSG_DONE say. */
void request_take_error(struct request *rq, struct nlmsghdr *h);
void request_take_done(struct request *rq, struct nlmsghdr *h);

/* Fills @e from a request about @pid that failed; returns -1. */
int request_error(const struct request *rq, pid_t pid, struct error *e);

/* NULL when out of memory. */
struct kmod_stream *kmod_stream_new(void);
void kmod_stream_free(struct kmod_stream *s);

/* RUN_* bits that runs tell. */
uint32_t kmod_known(void);

int kmod_begin(struct pages *p, struct target *t, struct vma_list *vmas, uint64_t start,
	       uint64_t end, struct error *e);
int kmod_next(struct pages *p, struct page_run *run, struct error *e);
int kmod_end(struct pages *p, struct error *e);
int kmod_age_begin(struct pages *p, struct target *t, uint64_t interval_ns,
		   struct error *e);
int kmod_age_looks(struct pages *p, struct target *t, uint64_t *n, struct error *e);
void kmod_age_end(struct pages *p, struct target *t);

#endif
