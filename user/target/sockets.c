// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sockets by sock_diag (net/core/sock_diag.c: sk_get_meminfo()), where that answers; else
 * by the queues that /proc/PID/net shows, which is less than their buffers take.
 */
#include "target/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct query {
	const struct target *t;
	const uint64_t *inodes; /* ascending */
	bool *told; /* parallel */
	size_t n;
	struct socket_sums *sums;
};

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Its index; -1 if it is none of ours. */
static ssize_t find(const struct query *q, uint64_t inode)
{
	const uint64_t *p = bsearch(&inode, q->inodes, q->n, sizeof(inode), by_number);

	return p ? p - q->inodes : -1;
}

/* Counts a socket, once: namespaces' tables are shared by all that are in them. */
static void count(struct query *q, uint64_t inode, uint64_t bytes)
{
	ssize_t i = find(q, inode);

	if (i < 0 || q->told[i])
		return;
	q->told[i] = true;
	q->sums->told++;
	q->sums->bytes += bytes;
}

/*
 * The send buffer is counted as written, or as in flight, of which one is part of the
 * other. What was charged in advance (FWD_ALLOC) is no memory yet.
 */
static uint64_t buffers(const struct nlattr *a)
{
	uint32_t m[SK_MEMINFO_VARS] = { 0 };
	size_t len = a ? (size_t)nla_len(a) : 0;

	if (!len)
		return 0;
	memcpy(m, nla_data(a), len < sizeof(m) ? len : sizeof(m));
	return (uint64_t)m[SK_MEMINFO_RMEM_ALLOC] + m[SK_MEMINFO_OPTMEM] +
	       m[SK_MEMINFO_BACKLOG] +
	       (m[SK_MEMINFO_WMEM_QUEUED] > m[SK_MEMINFO_WMEM_ALLOC]
			? m[SK_MEMINFO_WMEM_QUEUED]
			: m[SK_MEMINFO_WMEM_ALLOC]);
}

static int take_inet(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlattr *tb[INET_DIAG_MAX + 1];
	struct inet_diag_msg *m = nlmsg_data(h);

	if (!nlmsg_parse(h, sizeof(*m), tb, INET_DIAG_MAX, NULL))
		count(arg, m->idiag_inode, buffers(tb[INET_DIAG_SKMEMINFO]));
	return NL_OK;
}

static uint32_t number_of(const struct nlattr *a)
{
	return a && nla_len(a) >= (int)sizeof(uint32_t) ? nla_get_u32(a) : 0;
}

/* A message waits in its receiver, but belongs to the buffer of its sender. */
static int take_unix(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlattr *tb[UNIX_DIAG_MAX + 1];
	struct unix_diag_msg *m = nlmsg_data(h);
	uint64_t bytes;

	if (nlmsg_parse(h, sizeof(*m), tb, UNIX_DIAG_MAX, NULL))
		return NL_OK;
	bytes = buffers(tb[UNIX_DIAG_MEMINFO]);
	if (tb[UNIX_DIAG_PEER] && find(arg, number_of(tb[UNIX_DIAG_PEER])) < 0)
		bytes += number_of(tb[UNIX_DIAG_RQLEN]);
	count(arg, m->udiag_ino, bytes);
	return NL_OK;
}

static bool ask(struct query *q, struct nl_sock *sock, nl_recvmsg_msg_cb_t take,
		void *request, size_t size)
{
	return !nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take, q) &&
	       nl_send_simple(sock, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request, size) >=
		       0 &&
	       !nl_recvmsgs_default(sock);
}

static bool ask_inet(struct query *q, struct nl_sock *sock, int family, int protocol)
{
	struct inet_diag_req_v2 r = { .sdiag_family = (uint8_t)family,
				      .sdiag_protocol = (uint8_t)protocol,
				      .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
				      .idiag_states = UINT32_MAX };

	return ask(q, sock, take_inet, &r, sizeof(r));
}

static bool ask_unix(struct query *q, struct nl_sock *sock)
{
	struct unix_diag_req r = { .sdiag_family = AF_UNIX,
				   .udiag_states = UINT32_MAX,
				   .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN |
						 UDIAG_SHOW_MEMINFO };

	return ask(q, sock, take_unix, &r, sizeof(r));
}

/*
 * "sl local remote st tx:rx tr:when retrnsmt uid timeout inode …", the numbers of bytes in
 * hexadecimal; in the order of addresses, longer ones are no matter.
 */
static void read_queues(struct query *q, const char *file)
{
	char path[64], *save, *line;
	char *text;

	snprintf(path, sizeof(path), "net/%s", file);
	text = target_slurp(q->t, path, NULL);
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		uint64_t tx, rx, inode;

		if (sscanf(line,
			   " %*[^:]: %*s %*s %*x %" SCNx64 ":%" SCNx64
			   " %*s %*s %*u %*u %" SCNu64,
			   &tx, &rx, &inode) == 3)
			count(q, inode, tx + rx);
	}
	free(text);
}

static const struct {
	int family, protocol;
	const char *file; /* in /proc/PID/net */
} kinds[] = {
	{ AF_INET, IPPROTO_TCP, "tcp" },   { AF_INET6, IPPROTO_TCP, "tcp6" },
	{ AF_INET, IPPROTO_UDP, "udp" },   { AF_INET6, IPPROTO_UDP, "udp6" },
	{ AF_INET, IPPROTO_RAW, "raw" },   { AF_INET6, IPPROTO_RAW, "raw6" },
	{ AF_INET, IPPROTO_ICMP, "icmp" }, { AF_INET6, IPPROTO_ICMPV6, "icmp6" },
};

/* @sock may be NULL. */
static void ask_all(struct query *q, struct nl_sock *sock)
{
	if (sock)
		ask_unix(q, sock);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t before;

		if (sock && ask_inet(q, sock, kinds[i].family, kinds[i].protocol))
			continue;
		before = q->sums->told;
		read_queues(q, kinds[i].file);
		q->sums->queued_only |= q->sums->told > before;
	}
}

static struct nl_sock *connect_diag(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && nl_connect(sock, NETLINK_SOCK_DIAG)) {
		nl_socket_free(sock);
		return NULL;
	}
	return sock;
}

struct visit {
	int ns;
	struct nl_sock *sock;
};

/* Of a thread: who may go there may not always come back. */
static void *connect_in(void *arg)
{
	struct visit *v = arg;

	if (!setns(v->ns, CLONE_NEWNET))
		v->sock = connect_diag();
	return NULL;
}

/* A socket belongs to the namespace that it was made in. NULL where we may not be in it. */
static struct nl_sock *connect_there(const struct target *t)
{
	struct visit visit = { .ns = openat(t->dir, "ns/net", O_RDONLY | O_CLOEXEC) };
	struct stat own, its;
	pthread_t thread;

	if (visit.ns < 0)
		return NULL;
	if (!stat("/proc/self/ns/net", &own) && !fstat(visit.ns, &its)) {
		if (own.st_dev == its.st_dev && own.st_ino == its.st_ino)
			visit.sock = connect_diag();
		else if (!pthread_create(&thread, NULL, connect_in, &visit))
			pthread_join(thread, NULL);
	}
	close(visit.ns);
	return visit.sock;
}

/* Several descriptors may be of one socket. */
static size_t each_once(uint64_t *inodes, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(inodes, n, sizeof(*inodes), by_number);
	for (size_t i = 0; i < n; i++)
		if (!kept || inodes[kept - 1] != inodes[i])
			inodes[kept++] = inodes[i];
	return kept;
}

int sockets_sum(const struct target *t, uint64_t *inodes, size_t n,
		struct socket_sums *sums)
{
	struct query q = { t, inodes, NULL, each_once(inodes, n), sums };
	struct nl_sock *sock;

	*sums = (struct socket_sums){ .n = q.n };
	q.told = calloc(q.n + 1, sizeof(bool));
	if (!q.told)
		return -ENOMEM;
	if (q.n) {
		sock = connect_there(t);
		ask_all(&q, sock);
		if (sock)
			nl_socket_free(sock);
	}
	free(q.told);
	return 0;
}
