// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page facts from the module, over generic netlink. The messages are those of
 * <linux/fallow.h>; nothing here interprets a count.
 */
#include "pages/kmod.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux/fallow.h"

#define DUMP_TRIES     5 /* a dump that saw the address space change is repeated */
#define RECEIVE_BUFFER (1 << 20)
#define PSS_SHIFT      12

/* The extack attributes behind an error; @head is what precedes them. */
static void read_extack(struct request *rq, struct nlmsghdr *h, size_t head)
{
	struct nlattr *at;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || h->nlmsg_len < NLMSG_LENGTH(head))
		return;
	at = nla_find((struct nlattr *)((char *)NLMSG_DATA(h) + head),
		      (int)(h->nlmsg_len - NLMSG_LENGTH(head)), NLMSGERR_ATTR_MSG);
	if (at)
		nla_strlcpy(rq->why, at, sizeof(rq->why));
}

void request_take_error(struct request *rq, struct nlmsghdr *h)
{
	const struct nlmsgerr *err = NLMSG_DATA(h);
	size_t head = sizeof(*err);

	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		head += NLMSG_ALIGN(err->msg.nlmsg_len) - NLMSG_HDRLEN;
	rq->err = -err->error;
	rq->done = true;
	read_extack(rq, h, head);
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	(void)from;
	request_take_error(arg, (struct nlmsghdr *)((char *)err - NLMSG_HDRLEN));
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct request *)arg)->done = true;
	return NL_STOP;
}

/* NLMSG_DONE ends a dump and carries its errno. */
void request_take_done(struct request *rq, struct nlmsghdr *h)
{
	rq->done = true;
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		rq->interrupted = true;
	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(int))) {
		int err;

		memcpy(&err, NLMSG_DATA(h), sizeof(err));
		rq->err = -err;
		read_extack(rq, h, sizeof(err));
	}
}

static int on_finish(struct nl_msg *msg, void *arg)
{
	request_take_done(arg, nlmsg_hdr(msg));
	return NL_STOP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct request *rq = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlattr *tb[FALLOW_A_VMA_MAX + FALLOW_A_INFO_MAX];

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		rq->interrupted = true;
	if (genlmsg_parse(h, 0, tb, rq->max_attr, NULL))
		rq->err = EPROTO;
	else if (!rq->err)
		rq->err = rq->reply(tb, rq->ctx);
	return NL_OK;
}

static struct nl_cb *callbacks(struct request *rq)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (!cb)
		return NULL;
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, rq);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, rq);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, rq);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, rq);
	return cb;
}

void transact(struct kmod *k, struct nl_msg *msg, struct request *rq)
{
	struct nl_cb *cb = callbacks(rq);
	int nle;

	if (!cb || nl_send_auto(k->sock, msg) < 0) {
		rq->err = cb ? EIO : ENOMEM;
		nl_cb_put(cb);
		return;
	}
	while (!rq->done) {
		nle = nl_recvmsgs(k->sock, cb);
		if (nle == -NLE_DUMP_INTR) {
			rq->interrupted = true;
		} else if (nle < 0) {
			if (!rq->err)
				rq->err = nle == -NLE_NOMEM ? ENOBUFS : EIO;
			break;
		}
	}
	nl_cb_put(cb);
}

struct nl_msg *request_new(struct kmod *k, int flags, uint8_t cmd)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, k->family, 0, flags, cmd,
				FALLOW_GENL_VERSION)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

int request_error(const struct request *rq, pid_t pid, struct error *e)
{
	if (rq->err == EPERM)
		return error_set(e, EXIT_DENIED,
				 "process %d: the module wants CAP_SYS_PTRACE (try sudo, "
				 "or --source=procfs)",
				 (int)pid);
	if (rq->why[0] && rq->err != ESRCH)
		return error_sys(e, rq->err, "process %d: the fallow module: %s",
				 (int)pid, rq->why);
	return error_sys(e, rq->err, "process %d", (int)pid);
}

void kmod_disconnect(struct kmod *k)
{
	nl_socket_free(k->sock);
	k->sock = NULL;
}

int kmod_connect(struct kmod *k, struct error *e)
{
	int one = 1;

	k->sock = nl_socket_alloc();
	if (!k->sock || genl_connect(k->sock)) {
		nl_socket_free(k->sock);
		return error_set(e, EXIT_FAILED, "cannot open a generic netlink socket");
	}
	setsockopt(nl_socket_get_fd(k->sock), SOL_NETLINK, NETLINK_EXT_ACK, &one,
		   sizeof(one));
	nl_socket_set_buffer_size(k->sock, RECEIVE_BUFFER, 0);
	/* Room for a message with the longest path. */
	nl_socket_set_msg_buf_size(k->sock, 32 << 10);
	k->family = genl_ctrl_resolve(k->sock, FALLOW_GENL_NAME);
	if (k->family < 0) {
		kmod_disconnect(k);
		return error_set(
			e, EXIT_FAILED,
			"the fallow module is not loaded (sudo insmod kmod/fallow.ko)");
	}
	/* Requests say themselves what they want, and streams go past libnl's counting. */
	nl_socket_disable_auto_ack(k->sock);
	return 0;
}

/* An attribute of GET_VMA that is a count, and where it goes. */
static const struct vma_count {
	int attr;
	size_t offset;
	unsigned int shift; /* fixed point to bytes */
	uint64_t cap; /* the FALLOW_CAP_* without which it is unknown, or 0 */
} vma_counts[] = {
#define COUNT(attr, member, shift, cap)                                                  \
	{                                                                                \
		FALLOW_A_VMA_##attr, offsetof(struct vma_stats, member), shift, cap      \
	}
	COUNT(RSS, rss, 0, 0),
	COUNT(PSS, pss, PSS_SHIFT, 0),
	COUNT(PSS_DIRTY, pss_dirty, PSS_SHIFT, 0),
	COUNT(ANON, anon, 0, 0),
	COUNT(FILE, file, 0, 0),
	COUNT(SHMEM, shmem, 0, 0),
	COUNT(ANON_HUGE, anon_huge, 0, 0),
	COUNT(SHMEM_HUGE, shmem_huge, 0, 0),
	COUNT(FILE_HUGE, file_huge, 0, 0),
	COUNT(LARGE, large, 0, 0),
	COUNT(CONT, cont, 0, FALLOW_CAP_CONT),
	COUNT(DIRTY, dirty, 0, 0),
	COUNT(FILE_DIRTY, file_dirty, 0, 0),
	COUNT(SHARED, shared, 0, 0),
	COUNT(SHARED_DIRTY, shared_dirty, 0, 0),
	COUNT(REFERENCED, referenced, 0, 0),
	COUNT(YOUNG, young, 0, 0),
	COUNT(SOFT_DIRTY, soft_dirty, 0, FALLOW_CAP_SOFT_DIRTY),
	COUNT(LAZYFREE, lazyfree, 0, 0),
	COUNT(KSM, ksm, 0, 0),
	COUNT(LOCKED, locked, PSS_SHIFT, 0),
	COUNT(MLOCKED, mlocked, 0, 0),
	COUNT(PINNED, pinned, 0, FALLOW_CAP_PINNED),
	COUNT(SWAP_CACHED, swap_cached, 0, 0),
	COUNT(SWAP, swap, 0, 0),
	COUNT(HUGETLB, hugetlb, 0, 0),
	COUNT(ZERO, zero, 0, 0),
	COUNT(DEVICE, device, 0, 0),
	COUNT(GUARD, guard, 0, FALLOW_CAP_GUARD),
	COUNT(DROP, drop, 0, 0),
	COUNT(WRITEBACK, writeback, 0, 0),
	COUNT(SWAPPABLE, swappable, 0, 0),
	COUNT(NOSWAP, noswap, 0, 0),
	COUNT(UNEVICTABLE, unevictable, 0, 0),
	COUNT(NOSWAP_LIMIT, noswap_limit, 0, FALLOW_CAP_SWAP_LIMIT),
#undef COUNT
};

#define VMA_COUNTS (sizeof(vma_counts) / sizeof(vma_counts[0]))
_Static_assert(VMA_COUNTS == VMA_STATS, "the module tells each count");

static const struct {
	uint32_t abi, ours;
} flag_map[] = {
	{ FALLOW_VMA_READ, VMA_READ },
	{ FALLOW_VMA_WRITE, VMA_WRITE },
	{ FALLOW_VMA_EXEC, VMA_EXEC },
	{ FALLOW_VMA_SHARED, VMA_SHARED },
	{ FALLOW_VMA_GROWSDOWN, VMA_GROWSDOWN },
	{ FALLOW_VMA_LOCKED, VMA_LOCKED },
	{ FALLOW_VMA_HUGETLB, VMA_HUGETLB },
	{ FALLOW_VMA_PFNMAP, VMA_PFNMAP },
	{ FALLOW_VMA_IO, VMA_IO },
	{ FALLOW_VMA_DONTFORK, VMA_DONTFORK },
	{ FALLOW_VMA_NOHUGEPAGE, VMA_NOHUGEPAGE },
	{ FALLOW_VMA_HUGEPAGE, VMA_HUGEPAGE },
	{ FALLOW_VMA_MERGEABLE, VMA_MERGEABLE },
	{ FALLOW_VMA_UFFD, VMA_UFFD },
	{ FALLOW_VMA_NORESERVE, VMA_NORESERVE },
	{ FALLOW_VMA_SHMEM, VMA_SHMEM },
};

static uint64_t get_u64(struct nlattr **tb, int attr)
{
	return tb[attr] ? nla_get_u64(tb[attr]) : 0;
}

static uint32_t get_u32(struct nlattr **tb, int attr)
{
	return tb[attr] ? nla_get_u32(tb[attr]) : 0;
}

/* What a list of VMAs is read into. */
struct vma_reply {
	struct vma_list *out;
	uint64_t caps;
};

/* The module leaves out what is 0, and what it cannot tell. */
static uint64_t count_of(struct nlattr **tb, const struct vma_count *c, uint64_t caps)
{
	return (c->cap & ~caps) ? UNKNOWN : get_u64(tb, c->attr) >> c->shift;
}

static int add_vma(struct nlattr **tb, void *ctx)
{
	struct vma_reply *reply = ctx;
	struct vma v = {
		.start = get_u64(tb, FALLOW_A_VMA_START),
		.end = get_u64(tb, FALLOW_A_VMA_END),
		.offset = get_u64(tb, FALLOW_A_VMA_PGOFF),
		.dev_major = get_u32(tb, FALLOW_A_VMA_DEV_MAJOR),
		.dev_minor = get_u32(tb, FALLOW_A_VMA_DEV_MINOR),
		.inode = get_u64(tb, FALLOW_A_VMA_INO),
	};
	uint32_t flags = get_u32(tb, FALLOW_A_VMA_FLAGS);

	for (size_t i = 0; i < sizeof(flag_map) / sizeof(flag_map[0]); i++)
		if (flags & flag_map[i].abi)
			v.flags |= flag_map[i].ours;
	for (size_t i = 0; i < VMA_COUNTS; i++)
		*vma_stat(&v.st, vma_counts[i].offset) =
			count_of(tb, &vma_counts[i], reply->caps);
	if (tb[FALLOW_A_VMA_NAME])
		v.name = nla_get_string(tb[FALLOW_A_VMA_NAME]);
	return vma_list_add(reply->out, &v) ? 0 : ENOMEM;
}

/* VMAs that end above 0 and begin below @end; all of them if that is 0. */
static int dump_once(struct kmod *k, pid_t pid, uint64_t end, struct vma_list *out,
		     struct request *rq)
{
	struct nl_msg *msg =
		request_new(k, NLM_F_REQUEST | NLM_F_DUMP, FALLOW_CMD_GET_VMA);
	struct vma_reply reply = { out, k->info.caps };

	*rq = (struct request){ .reply = add_vma,
				.ctx = &reply,
				.max_attr = FALLOW_A_VMA_MAX };
	if (!msg || nla_put_u32(msg, FALLOW_A_REQ_PID, (uint32_t)pid) ||
	    (end && nla_put_u64(msg, FALLOW_A_REQ_END, end)))
		rq->err = ENOMEM;
	else
		transact(k, msg, rq);
	nlmsg_free(msg);
	return rq->err;
}

static int kmod_vmas(struct pages *p, const struct target *t, struct vma_list *out,
		     bool *torn, struct error *e)
{
	struct request rq;

	for (int i = 0; i < DUMP_TRIES; i++) {
		vma_list_free(out);
		dump_once(p->priv, t->pid, 0, out, &rq);
		if (!rq.err && !out->n)
			rq.err = ESRCH;
		if (rq.err)
			return request_error(&rq, t->pid, e);
		*torn = rq.interrupted;
		if (!rq.interrupted)
			break;
	}
	return 0;
}

static int read_info(struct nlattr **tb, void *ctx)
{
	struct kmod_info *info = ctx;

	if (tb[FALLOW_A_INFO_VERSION])
		nla_strlcpy(info->version, tb[FALLOW_A_INFO_VERSION],
			    sizeof(info->version));
	info->page_size = get_u32(tb, FALLOW_A_INFO_PAGE_SIZE);
	info->caps = get_u64(tb, FALLOW_A_INFO_CAPS);
	info->lock_budget_us = get_u32(tb, FALLOW_A_INFO_LOCK_BUDGET_US);
	info->lock_max_ns = get_u64(tb, FALLOW_A_INFO_LOCK_MAX_NS);
	info->slices = get_u64(tb, FALLOW_A_INFO_SLICES);
	info->pages = get_u64(tb, FALLOW_A_INFO_PAGES);
	info->walk_ns = get_u64(tb, FALLOW_A_INFO_WALK_NS);
	info->trackers = get_u32(tb, FALLOW_A_INFO_TRACKERS);
	info->age_bytes = get_u64(tb, FALLOW_A_INFO_AGE_BYTES);
	info->age_max_bytes = get_u64(tb, FALLOW_A_INFO_AGE_MAX_BYTES);
	return 0;
}

static int ask_info(struct kmod *k, struct error *e)
{
	struct request rq = { .reply = read_info,
			      .ctx = &k->info,
			      .max_attr = FALLOW_A_INFO_MAX };
	struct nl_msg *msg =
		request_new(k, NLM_F_REQUEST | NLM_F_ACK, FALLOW_CMD_GET_INFO);

	if (msg)
		transact(k, msg, &rq);
	else
		rq.err = ENOMEM;
	nlmsg_free(msg);
	return rq.err ? error_sys(e, rq.err, "the fallow module: %s", rq.why) : 0;
}

static void kmod_close(struct pages *p)
{
	struct kmod *k = p->priv;

	if (!k)
		return;
	kmod_stream_free(k->stream);
	kmod_disconnect(k);
	free(k);
}

static int kmod_open(struct pages *p, struct error *e)
{
	struct kmod *k = calloc(1, sizeof(*k));

	if (!k)
		return error_sys(e, ENOMEM, "netlink");
	k->stream = kmod_stream_new();
	if (k->stream ? kmod_connect(k, e) : error_sys(e, ENOMEM, "netlink")) {
		kmod_stream_free(k->stream);
		free(k);
		return -1;
	}
	p->priv = k;
	p->known = kmod_known();
	if (ask_info(k, e)) {
		kmod_close(p);
		p->priv = NULL;
		return -1;
	}
	return 0;
}

static const char *why_not(uint64_t cap)
{
	for (size_t i = 0; i < KMOD_CAPS; i++)
		if (kmod_caps[i].bit == cap)
			return kmod_caps[i].missing;
	return "the module does not tell it";
}

static void kmod_unknown(struct pages *p, const char *why[VMA_STATS])
{
	struct kmod *k = p->priv;

	for (size_t i = 0; i < VMA_COUNTS; i++) {
		const struct vma_count *c = &vma_counts[i];

		why[c->offset / sizeof(uint64_t)] =
			c->cap & ~k->info.caps ? why_not(c->cap) : NULL;
	}
}

const struct pages_ops pages_kmod = {
	.name = "kmod",
	.open = kmod_open,
	.vmas = kmod_vmas,
	.begin = kmod_begin,
	.next = kmod_next,
	.end = kmod_end,
	.age_begin = kmod_age_begin,
	.age_looks = kmod_age_looks,
	.age_end = kmod_age_end,
	.unknown = kmod_unknown,
	.close = kmod_close,
};

const struct kmod_cap kmod_caps[KMOD_CAPS] = {
	{ FALLOW_CAP_PINNED, "pinned", "pages pinned for DMA",
	  "this kernel does not tell" },
	{ FALLOW_CAP_SOFT_DIRTY, "soft_dirty", "soft-dirty pages",
	  "kernel without CONFIG_MEM_SOFT_DIRTY" },
	{ FALLOW_CAP_ANON_NAME, "anon_name", "names of anonymous mappings",
	  "kernel without CONFIG_ANON_VMA_NAME" },
	{ FALLOW_CAP_IDLE_FLAG, "idle_flag", "young and idle flags of pages",
	  "kernel without CONFIG_PAGE_IDLE_FLAG" },
	{ FALLOW_CAP_GUARD, "guard", "guard pages", "kernel before 6.13 has none" },
	{ FALLOW_CAP_SWAP_LIMIT, "swap_limit", "swap limits of control groups",
	  "kernel without CONFIG_MEMCG" },
	{ FALLOW_CAP_CONT, "cont", "contiguous entries", "this architecture has none" },
	{ FALLOW_CAP_AGE, "age", "ages of pages",
	  "its TLBs cannot be flushed from a module" },
	{ FALLOW_CAP_READ, "read", "reading without a trace",
	  "this module has no such device" },
};

int kmod_permitted(struct pages *p, struct error *why)
{
	struct vma_list none = { 0 };
	struct request rq;

	/* Nothing is mapped at 0, so that this costs no walk. */
	dump_once(p->priv, getpid(), 1, &none, &rq);
	vma_list_free(&none);
	if (rq.err == EPERM)
		return error_set(why, EXIT_DENIED,
				 "the module wants CAP_SYS_PTRACE (try sudo)");
	return rq.err ? request_error(&rq, getpid(), why) : 0;
}

const struct kmod_info *kmod_info(const struct pages *p)
{
	return &((const struct kmod *)p->priv)->info;
}
