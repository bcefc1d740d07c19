// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stream of page runs from the module. A dump goes on as its receiver reads,
 * so that a message at a time is asked for, and no more is ever held. libnl would
 * read a dump to its end: messages are taken from the socket here.
 */
#include "pages/kmod.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "linux/fallow.h"

/* More than the kernel ever puts into a message (netlink_dump(): 32 KiB). */
#define MESSAGE_MAX (64 << 10)

#define NS_PER_MS 1000000u

static const struct {
	uint32_t abi, ours;
} states[] = {
	{ FALLOW_STATE_RESIDENT, RUN_RESIDENT }, { FALLOW_STATE_SWAPPED, RUN_SWAPPED },
	{ FALLOW_STATE_ANON, RUN_ANON },	 { FALLOW_STATE_SHMEM, RUN_SHMEM },
	{ FALLOW_STATE_DIRTY, RUN_DIRTY },	 { FALLOW_STATE_HUGE, RUN_HUGE },
	{ FALLOW_STATE_PINNED, RUN_PINNED },	 { FALLOW_STATE_ZERO, RUN_ZERO },
};

#define STATES (sizeof(states) / sizeof(states[0]))

uint32_t kmod_known(void)
{
	uint32_t known = 0;

	for (size_t i = 0; i < STATES; i++)
		known |= states[i].ours;
	return known;
}

struct kmod_stream {
	bool tracking; /* the socket carries a tracker: it must not be replaced */
	pid_t pid;
	size_t page_size;
	uint64_t start, end; /* what was asked for */
	struct request rq; /* the dump; done when nothing is to come any more */
	unsigned int seq;
	bool tracked; /* this dump told of a tracker */
	uint64_t harvests; /* of it */
	int left; /* bytes from next on */
	struct nlmsghdr *next; /* the message that is to be looked at */
	const char *extents; /* not aligned */
	size_t nextents;
	_Alignas(struct nlmsghdr) char message[MESSAGE_MAX];
};

struct kmod_stream *kmod_stream_new(void)
{
	struct kmod_stream *s = calloc(1, sizeof(*s));

	if (s)
		s->rq.done = true;
	return s;
}

void kmod_stream_free(struct kmod_stream *s)
{
	free(s);
}

static struct kmod_stream *stream_of(struct pages *p)
{
	return ((struct kmod *)p->priv)->stream;
}

/* Waits for a datagram; 0 or an errno. */
static int receive(struct kmod *k, struct kmod_stream *s)
{
	ssize_t n;

	do {
		n = recv(nl_socket_get_fd(k->sock), s->message, sizeof(s->message),
			 MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno;
	if ((size_t)n > sizeof(s->message))
		return EMSGSIZE;
	s->next = (struct nlmsghdr *)s->message;
	s->left = (int)n;
	return 0;
}

static int take_extents(struct pages *p, struct kmod_stream *s, struct nlmsghdr *h)
{
	struct nlattr *tb[FALLOW_A_PAGES_MAX + 1];
	struct nlattr *extents;
	uint32_t flags;

	if (genlmsg_parse(h, 0, tb, FALLOW_A_PAGES_MAX, NULL))
		return EPROTO;
	extents = tb[FALLOW_A_PAGES_EXTENTS];
	s->extents = extents ? nla_data(extents) : NULL;
	s->nextents =
		extents ? (size_t)nla_len(extents) / sizeof(struct fallow_extent) : 0;
	if (tb[FALLOW_A_PAGES_HARVESTS]) {
		s->tracked = true;
		s->harvests = nla_get_u64(tb[FALLOW_A_PAGES_HARVESTS]);
	}
	if (tb[FALLOW_A_PAGES_AGE_FLAGS]) {
		flags = nla_get_u32(tb[FALLOW_A_PAGES_AGE_FLAGS]);
		p->notes.ages_capped |= flags & FALLOW_AGE_CAPPED;
		p->notes.ages_secondary |= flags & FALLOW_AGE_SECONDARY;
	}
	return 0;
}

/* Takes one message; 0 or an errno. What is no answer to our dump is passed over. */
static int take_message(struct pages *p, struct kmod_stream *s)
{
	struct nlmsghdr *h = s->next;

	s->next = nlmsg_next(h, &s->left);
	if (h->nlmsg_seq != s->seq)
		return 0;
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		p->notes.changed = true;
	if (h->nlmsg_type == NLMSG_ERROR)
		request_take_error(&s->rq, h);
	else if (h->nlmsg_type == NLMSG_DONE)
		request_take_done(&s->rq, h);
	else
		return take_extents(p, s, h);
	return s->rq.err;
}

/* Sees that there are extents, or none to come; 0 or an errno. */
static int fill(struct pages *p, struct kmod_stream *s)
{
	int err = 0;

	while (!err && !s->nextents && !s->rq.done)
		err = nlmsg_ok(s->next, s->left) ? take_message(p, s)
						 : receive(p->priv, s);
	if (err) {
		s->rq.err = err;
		s->rq.done = true;
	}
	return err;
}

/*
 * Gives up what is still to come of a dump. To close its socket ends a dump at
 * once, but a tracker too.
 */
static int give_up(struct pages *p, struct kmod_stream *s, struct error *e)
{
	struct kmod fresh = { .sock = NULL }, *k = p->priv;

	if (s->rq.done)
		return 0;
	if (s->tracking) {
		do {
			s->nextents = 0;
		} while (!fill(p, s) && !s->rq.done);
		return 0;
	}
	if (kmod_connect(&fresh, e))
		return -1;
	s->rq.done = true;
	kmod_disconnect(k);
	k->sock = fresh.sock;
	k->family = fresh.family;
	return 0;
}

int kmod_end(struct pages *p, struct error *e)
{
	return give_up(p, stream_of(p), e);
}

static uint32_t mask_of(const struct kmod_stream *s)
{
	uint32_t mask = s->tracking ? FALLOW_STATE_AGE_MASK : 0;

	for (size_t i = 0; i < STATES; i++)
		mask |= states[i].abi;
	return mask;
}

static int send_request(struct kmod *k, struct kmod_stream *s)
{
	struct nl_msg *msg =
		request_new(k, NLM_F_REQUEST | NLM_F_DUMP, FALLOW_CMD_GET_PAGES);
	int err = 0;

	if (!msg || nla_put_u32(msg, FALLOW_A_REQ_PID, (uint32_t)s->pid) ||
	    nla_put_u64(msg, FALLOW_A_REQ_START, s->start) ||
	    nla_put_u64(msg, FALLOW_A_REQ_END, s->end) ||
	    nla_put_u32(msg, FALLOW_A_REQ_STATE_MASK, mask_of(s)))
		err = ENOMEM;
	else if (nl_send_auto(k->sock, msg) < 0)
		err = EIO;
	else
		s->seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	return err;
}

int kmod_begin(struct pages *p, struct target *t, struct vma_list *vmas, uint64_t start,
	       uint64_t end, struct error *e)
{
	struct kmod_stream *s = stream_of(p);

	(void)vmas; /* The module finds them itself. */
	if (give_up(p, s, e))
		return -1;
	s->pid = t->pid;
	s->page_size = t->reader.page_size;
	s->start = start;
	s->end = end;
	s->rq = (struct request){ .err = 0 };
	s->tracked = false;
	s->nextents = 0;
	s->left = 0;
	s->rq.err = send_request(p->priv, s);
	if (!s->rq.err)
		return 0;
	s->rq.done = true;
	return request_error(&s->rq, s->pid, e);
}

static void translate(const struct fallow_extent *x, uint64_t page_size,
		      struct page_run *run)
{
	run->start = x->start;
	run->end = x->start + x->pages * page_size;
	run->state = 0;
	for (size_t i = 0; i < STATES; i++)
		if (x->state & states[i].abi)
			run->state |= states[i].ours;
	run->age = FALLOW_STATE_AGE(x->state);
}

int kmod_next(struct pages *p, struct page_run *run, struct error *e)
{
	struct kmod_stream *s = stream_of(p);
	struct fallow_extent x;

	if (fill(p, s))
		return request_error(&s->rq, s->pid, e);
	if (!s->nextents)
		return 0;
	memcpy(&x, s->extents, sizeof(x));
	s->extents += sizeof(x);
	s->nextents--;
	translate(&x, s->page_size, run);
	return 1;
}

static int ask_age(struct kmod *k, pid_t pid, uint8_t cmd, uint32_t interval_ms,
		   struct request *rq)
{
	struct nl_msg *msg = request_new(k, NLM_F_REQUEST | NLM_F_ACK, cmd);

	*rq = (struct request){ .err = 0 };
	if (!msg || nla_put_u32(msg, FALLOW_A_REQ_PID, (uint32_t)pid) ||
	    (interval_ms && nla_put_u32(msg, FALLOW_A_REQ_INTERVAL_MS, interval_ms)))
		rq->err = ENOMEM;
	else
		transact(k, msg, rq);
	nlmsg_free(msg);
	return rq->err;
}

int kmod_age_begin(struct pages *p, struct target *t, uint64_t interval_ns,
		   struct error *e)
{
	uint32_t ms = (uint32_t)((interval_ns + NS_PER_MS - 1) / NS_PER_MS);
	struct kmod_stream *s = stream_of(p);
	struct request rq;

	if (ask_age(p->priv, t->pid, FALLOW_CMD_AGE_START, ms, &rq))
		return request_error(&rq, t->pid, e);
	s->tracking = true;
	return 0;
}

int kmod_age_looks(struct pages *p, struct target *t, uint64_t *n, struct error *e)
{
	struct kmod_stream *s = stream_of(p);
	struct page_run run;
	int more;

	/* Nothing is mapped at 0: what comes is the count. */
	if (kmod_begin(p, t, NULL, 0, 1, e))
		return -1;
	while ((more = kmod_next(p, &run, e)) > 0)
		;
	*n = s->harvests;
	if (!more && !s->tracked)
		return error_set(
			e, EXIT_FAILED,
			"process %d runs another program now: what was learnt of "
			"its pages is gone with them",
			(int)t->pid);
	return more;
}

void kmod_age_end(struct pages *p, struct target *t)
{
	struct kmod_stream *s = stream_of(p);
	struct request rq;
	struct error e;

	if (!s->tracking || give_up(p, s, &e))
		return;
	/* That the target is gone, and the tracker with it, is no matter. */
	ask_age(p->priv, t->pid, FALLOW_CMD_AGE_STOP, 0, &rq);
	s->tracking = false;
}
