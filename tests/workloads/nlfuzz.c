// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlfuzz COUNT SEED: sends COUNT hostile messages to the module, from several
 * threads, as root, as nobody, and as root of namespaces of its own, at processes
 * that stay, change and end. Prints how many answers there were of which kind. What
 * is no answer (a malformed message, an error that is not in the ABI) is printed, and
 * makes the exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kmod/include/uapi/linux/fallow.h"
#include "genl.h"

#define THREADS	2
#define SOCKETS	3
#define ERRORS	134
#define MIB	(1ul << 20)
#define AREA	((char *)0x200000000000ul)	/* where targets have their memory */
#define FLIP	(AREA + 64 * MIB)		/* where one of them changes its mind */
#define BUF	(1u << 17)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum who { ROOT, OTHER_NET, OTHER_USER, NOBODY, WORKERS };

static const char *const who_names[] = { "root", "other network namespace",
					 "root of a user and pid namespace", "nobody" };

/* In memory that all processes share. */
struct tally {
	unsigned long messages, datagrams, closed, device_calls;
	unsigned long info, vmas, pages, interrupted, done, acked, cut;
	unsigned long errors[ERRORS], send_errors[ERRORS], device_errors[ERRORS];
	unsigned long wrong;
	volatile int stop;
	volatile pid_t still, changing, brief, zombie;
};

static struct tally *tally;
static int tally_fd, family;
static const char *self_path;

#define COUNT(what) __atomic_add_fetch(&tally->what, 1, __ATOMIC_RELAXED)

struct worker {
	unsigned long count;	/* messages to send */
	uint64_t rng;
	int *sockets, *devices;	/* shared by the threads of a process */
};

/* Random numbers: xorshift64*. */
static uint64_t next(struct worker *w)
{
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return w->rng * 0x2545f4914f6cdd1dull;
}

static unsigned int below(struct worker *w, unsigned int n)
{
	return (unsigned int)((next(w) >> 32) % n);
}

static int one_in(struct worker *w, unsigned int n)
{
	return below(w, n) == 0;
}

/* Values that are worth more than random ones. */

static uint64_t some_address(struct worker *w)
{
	static const uint64_t known[] = { 0, 1, 4095, 4096, 4097, 0x400000, 0x7ffffffff000,
					  0x7fffffffffff, 1ull << 47, 1ull << 56, 1ull << 63,
					  0xffff800000000000, 0xffffffffff600000, ~0ull - 4096,
					  ~0ull - 4095, ~0ull - 1, ~0ull };

	switch (below(w, 4)) {
	case 0:
		return known[below(w, sizeof(known) / sizeof(known[0]))];
	case 1:
		return next(w) >> below(w, 64);
	default:
		return (uint64_t)AREA + below(w, 100 * MIB);
	}
}

static uint32_t some_pid(struct worker *w)
{
	switch (below(w, 16)) {
	case 0:
		return 0;
	case 1:
		return 1 + below(w, 3);
	case 2:
		return (uint32_t)next(w) >> below(w, 32);
	case 3:
		return (uint32_t)tally->zombie;
	case 4:
		return (uint32_t)getpid();
	case 5:
	case 6:
		return (uint32_t)tally->brief;
	case 7:
	case 8:
	case 9:
		return (uint32_t)tally->changing;
	default:
		return (uint32_t)tally->still;
	}
}

static uint32_t some_interval(struct worker *w)
{
	static const uint32_t known[] = { 0, 9, 10, 11, 100, 1000, 3600000, 3600001, ~0u };

	return known[below(w, sizeof(known) / sizeof(known[0]))];
}

static size_t some_ranges(struct worker *w, struct fallow_range *r)
{
	static const unsigned int counts[] = { 0, 1, 1, 2, 3, 16, 64, 512, 4094, 4095 };
	unsigned int n = counts[below(w, one_in(w, 8) ? 10 : 6)];
	uint64_t at = some_address(w);

	for (unsigned int i = 0; i < n; i++) {
		if (one_in(w, 200)) {
			r[i] = (struct fallow_range){ some_address(w), some_address(w) };
			continue;
		}
		r[i].start = at + below(w, 10000);
		r[i].end = r[i].start + 1 + below(w, 30000);
		at = r[i].end;
	}
	/* Of odd length, sometimes. */
	return n * sizeof(*r) + (one_in(w, 10) && n < FALLOW_RANGES_MAX ? below(w, 16) : 0);
}

/* Messages. */

struct message {
	size_t len, room;
	char *data;
};

static void put_attr(struct message *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)(m->data + m->len);

	if (m->len + NLA_HDRLEN + len + 4 > m->room || len > 65530)
		return;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	a->nla_type = type;
	memcpy(a + 1, data, len);
	m->len += NLA_ALIGN(a->nla_len);
}

static void put_valid(struct worker *w, struct message *m, uint16_t type)
{
	static __thread struct fallow_range ranges[FALLOW_RANGES_MAX + 1];
	uint64_t address = some_address(w);
	uint32_t word = (uint32_t)next(w);

	switch (type) {
	case FALLOW_A_REQ_PID:
		word = some_pid(w);
		break;
	case FALLOW_A_REQ_START:
	case FALLOW_A_REQ_END:
		put_attr(m, type, &address, sizeof(address));
		return;
	case FALLOW_A_REQ_RANGES:
		put_attr(m, type, ranges, some_ranges(w, ranges));
		return;
	case FALLOW_A_REQ_STATE_MASK:
		word = one_in(w, 2) ? 1u << below(w, 32) : word;
		break;
	case FALLOW_A_REQ_FLAGS:
		word = below(w, one_in(w, 4) ? 8 : 2);
		break;
	case FALLOW_A_REQ_INTERVAL_MS:
		word = some_interval(w);
	}
	put_attr(m, type, &word, sizeof(word));
}

/* An attribute that is wrong in some way, or in none. */
static void put_random(struct worker *w, struct message *m)
{
	uint16_t type = (uint16_t)below(w, FALLOW_A_REQ_MAX + 3);
	char junk[64];

	if (one_in(w, 6))
		type = (uint16_t)next(w);
	if (one_in(w, 6))
		type |= NLA_F_NESTED;
	if (one_in(w, 6))
		type |= NLA_F_NET_BYTEORDER;
	if (one_in(w, 3)) {
		put_valid(w, m, type);
		return;
	}
	for (size_t i = 0; i < sizeof(junk); i += 8) {
		uint64_t n = one_in(w, 2) ? next(w) : some_address(w);

		memcpy(junk + i, &n, 8);
	}
	/* Looks like attributes within the attribute. */
	if (one_in(w, 3))
		*(struct nlattr *)junk = (struct nlattr){ (uint16_t)below(w, 64),
							  (uint16_t)below(w, 16) };
	put_attr(m, type, junk, below(w, sizeof(junk) + 1));
}

/* What a command takes, and some of what it does not. */
static void put_request(struct worker *w, struct message *m, uint8_t cmd)
{
	if (cmd != FALLOW_CMD_GET_INFO || one_in(w, 4))
		put_valid(w, m, FALLOW_A_REQ_PID);
	if (cmd == FALLOW_CMD_AGE_START)
		put_valid(w, m, FALLOW_A_REQ_INTERVAL_MS);
	if (cmd == FALLOW_CMD_GET_VMA || cmd == FALLOW_CMD_GET_PAGES) {
		if (one_in(w, 4))
			put_valid(w, m, FALLOW_A_REQ_START);
		if (one_in(w, 4))
			put_valid(w, m, FALLOW_A_REQ_END);
	}
	if (cmd == FALLOW_CMD_GET_PAGES) {
		if (one_in(w, 2))
			put_valid(w, m, FALLOW_A_REQ_RANGES);
		if (one_in(w, 3))
			put_valid(w, m, FALLOW_A_REQ_STATE_MASK);
		if (one_in(w, 3))
			put_valid(w, m, FALLOW_A_REQ_FLAGS);
	}
	if (one_in(w, 8))
		put_random(w, m);
}

static uint16_t some_flags(struct worker *w, uint8_t cmd)
{
	static const uint16_t odd[] = { NLM_F_ECHO, NLM_F_ROOT, NLM_F_MATCH, NLM_F_ATOMIC,
					NLM_F_DUMP_INTR, NLM_F_DUMP_FILTERED, NLM_F_MULTI };
	int is_dump = cmd == FALLOW_CMD_GET_VMA || cmd == FALLOW_CMD_GET_PAGES;
	uint16_t flags = one_in(w, 50) ? 0 : NLM_F_REQUEST;

	if (is_dump != one_in(w, 12))
		flags |= NLM_F_DUMP;
	if (one_in(w, 2))
		flags |= NLM_F_ACK;
	if (one_in(w, 8))
		flags |= odd[below(w, sizeof(odd) / sizeof(odd[0]))];
	return one_in(w, 50) ? (uint16_t)next(w) : flags;
}

static void mutate(struct worker *w, struct message *m, size_t from)
{
	size_t header = from + NLMSG_LENGTH(GENL_HDRLEN);

	if (m->len <= header)
		return;
	for (unsigned int n = 1 + below(w, 3); n; n--)
		m->data[header + below(w, (unsigned int)(m->len - header))] ^=
			(char)(1u << below(w, 8));
}

static void put_message(struct worker *w, struct message *m)
{
	size_t from = m->len;
	struct nlmsghdr *h = (struct nlmsghdr *)(m->data + from);
	struct genlmsghdr *g = NLMSG_DATA(h);
	uint8_t cmd = (uint8_t)(1 + below(w, FALLOW_CMD_MAX));

	if (one_in(w, 20))
		cmd = (uint8_t)next(w);
	*h = (struct nlmsghdr){ .nlmsg_type = (uint16_t)family, .nlmsg_seq = (uint32_t)next(w),
				.nlmsg_flags = some_flags(w, cmd) };
	*g = (struct genlmsghdr){ .cmd = cmd, .version = FALLOW_GENL_VERSION };
	/* Netlink's own types, the controller, and families that cannot be. */
	if (one_in(w, 60))
		h->nlmsg_type = (uint16_t)(one_in(w, 2) ? below(w, GENL_ID_CTRL + 1) :
							  GENL_MAX_ID + 1 + below(w, 64000));
	if (one_in(w, 30))
		h->nlmsg_pid = (uint32_t)next(w);
	if (one_in(w, 30))
		g->version = (uint8_t)next(w);
	if (one_in(w, 60))
		g->reserved = (uint16_t)next(w);
	m->len += NLMSG_LENGTH(GENL_HDRLEN);
	if (one_in(w, 3))
		for (unsigned int n = below(w, 7); n; n--)
			put_random(w, m);
	else
		put_request(w, m, cmd);
	if (one_in(w, 6))
		mutate(w, m, from);
	h->nlmsg_len = (uint32_t)(m->len - from);
	if (one_in(w, 40))
		h->nlmsg_len += below(w, 64) - 32;
	if (one_in(w, 200))
		h->nlmsg_len = (uint32_t)next(w);
	m->len = from + NLMSG_ALIGN(m->len - from);
	COUNT(messages);
}

/* Answers. */

static void wrong(const char *what, const void *data, size_t len)
{
	const unsigned char *p = data;

	if (COUNT(wrong) > 20)
		return;
	flockfile(stdout);
	printf("wrong: %s:", what);
	for (size_t i = 0; i < len && i < 96; i++)
		printf("%s%02x", i % 4 ? "" : " ", p[i]);
	printf("\n");
	funlockfile(stdout);
}

/* The errors of the ABI, and those of netlink itself. */
static int is_error_of_ours(int error)
{
	switch (error) {
	case EPERM:
	case ENOENT:
	case ESRCH:
	case EINTR:
	case ENOMEM:
	case EBUSY:
	case EINVAL:
	case ERANGE:
	case EOPNOTSUPP:
	case ENOBUFS:
	case EAGAIN: /* there is no room for the reply */
		return 1;
	}
	return 0;
}

static void check_error(const struct nlmsghdr *h)
{
	int error;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(error))) {
		wrong("an error too short", h, h->nlmsg_len);
		return;
	}
	error = -*(const int *)NLMSG_DATA(h);
	if (error == 0 && h->nlmsg_type == NLMSG_DONE)
		COUNT(done);
	else if (error == 0)
		COUNT(acked);
	else if (!is_error_of_ours(error))
		wrong("an error of no known kind", h, h->nlmsg_len);
	else
		COUNT(errors[error]);
}

static void check_extents(const struct nlattr *a)
{
	size_t len = a->nla_len - NLA_HDRLEN;
	uint64_t last = 0;

	if (len % sizeof(struct fallow_extent))
		wrong("parts of an extent", a, a->nla_len);
	for (size_t i = 0; i + sizeof(struct fallow_extent) <= len; i += sizeof(struct fallow_extent)) {
		struct fallow_extent e;

		memcpy(&e, (const char *)(a + 1) + i, sizeof(e));
		if (!e.pages || !e.state || e.start < last || e.start % 4096)
			wrong("extents", (const char *)(a + 1) + i, sizeof(e));
		last = e.start + (uint64_t)e.pages * 4096;
	}
}

static void check_attrs(const struct nlmsghdr *h, uint16_t max, uint16_t extents)
{
	size_t at = NLMSG_LENGTH(GENL_HDRLEN);

	while (at < h->nlmsg_len) {
		const struct nlattr *a = (const struct nlattr *)((const char *)h + at);

		if (h->nlmsg_len - at < NLA_HDRLEN || a->nla_len < NLA_HDRLEN ||
		    a->nla_len > h->nlmsg_len - at || a->nla_type > max) {
			wrong("an attribute", h, h->nlmsg_len);
			return;
		}
		if (a->nla_type == extents && extents)
			check_extents(a);
		at += NLA_ALIGN(a->nla_len);
	}
}

static void check_reply(const struct nlmsghdr *h)
{
	const struct genlmsghdr *g = NLMSG_DATA(h);

	if (h->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN)) {
		wrong("a reply too short", h, h->nlmsg_len);
		return;
	}
	switch (g->cmd) {
	case FALLOW_CMD_GET_INFO:
		COUNT(info);
		check_attrs(h, FALLOW_A_INFO_MAX, 0);
		break;
	case FALLOW_CMD_GET_VMA:
		COUNT(vmas);
		check_attrs(h, FALLOW_A_VMA_MAX, 0);
		break;
	case FALLOW_CMD_GET_PAGES:
		COUNT(pages);
		check_attrs(h, FALLOW_A_PAGES_MAX, FALLOW_A_PAGES_EXTENTS);
		break;
	default:
		wrong("a reply to no command", h, h->nlmsg_len);
	}
}

static void check_datagram(const char *data, size_t len)
{
	while (len) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)data;

		if (len < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > len) {
			wrong("a message", data, len);
			return;
		}
		if (h->nlmsg_flags & NLM_F_DUMP_INTR && h->nlmsg_type != NLMSG_ERROR)
			COUNT(interrupted);
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
			check_error(h);
		else if (h->nlmsg_type == family)
			check_reply(h);
		/* Else another family's, whose number was hit upon. */
		if (NLMSG_ALIGN(h->nlmsg_len) >= len)
			return;
		data += NLMSG_ALIGN(h->nlmsg_len);
		len -= NLMSG_ALIGN(h->nlmsg_len);
	}
}

/* Sockets. */

static int new_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	return fd;
}

static void set_options(struct worker *w, int fd)
{
	int yes = below(w, 2), size = one_in(w, 3) ? 1 : (int)(4096u << below(w, 8));

	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof(yes));
	yes = below(w, 2);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	yes = below(w, 2);
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
	if (one_in(w, 2))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* Another socket by the same number; what the old one was doing ends. */
static void replace_socket(struct worker *w, int fd)
{
	int fresh = new_socket();

	if (fresh < 0)
		return;
	set_options(w, fresh);
	dup3(fresh, fd, O_CLOEXEC);
	close(fresh);
	COUNT(closed);
}

/* What there is to read, or some of it; each read may carry a dump on. */
static void receive(struct worker *w, int fd)
{
	static __thread char buf[BUF];
	unsigned int reads = one_in(w, 4) ? below(w, 3) : 1 + below(w, 64);

	while (reads--) {
		struct iovec iov = { buf, one_in(w, 40) ? below(w, 20000) : BUF };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

		if (n < 0 && errno != ENOBUFS)
			return;
		if (m.msg_flags & MSG_TRUNC)
			COUNT(cut);
		else if (n > 0)
			check_datagram(buf, (size_t)n);
	}
}

static void exchange(struct worker *w)
{
	static __thread char buf[BUF];
	struct message m = { .data = buf, .room = BUF };
	int fd = w->sockets[below(w, SOCKETS)];
	unsigned int n = one_in(w, 4) ? 1 + below(w, 4) : 1;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };

	for (; n && w->count && m.len < BUF / 2; n--, w->count--)
		put_message(w, &m);
	if (one_in(w, 40))
		m.len = below(w, (unsigned int)m.len + 1);
	COUNT(datagrams);
	if (sendto(fd, buf, m.len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		COUNT(send_errors[errno < ERRORS ? errno : 0]);
	receive(w, fd);
	if (one_in(w, 24))
		replace_socket(w, fd);
}

/* The device. */

static long device_call(struct worker *w, int fd)
{
	static __thread char buf[300000];
	uint32_t pid = some_pid(w);
	void *to = one_in(w, 6) ? (void *)some_address(w) : buf;

	switch (below(w, 6)) {
	case 0:
		return ioctl(fd, FALLOW_IOC_TARGET, one_in(w, 6) ? (void *)some_address(w) : &pid);
	case 1:
		return ioctl(fd, one_in(w, 2) ? (unsigned long)next(w) :
						FALLOW_IOC_TARGET ^ (1ul << below(w, 32)), &pid);
	case 2:
		return lseek(fd, (off_t)some_address(w), (int)below(w, 6));
	case 3:
		return read(fd, to, below(w, sizeof(buf)));
	default:
		return pread(fd, to, one_in(w, 20) ? (size_t)next(w) : below(w, sizeof(buf)),
			     (off_t)some_address(w));
	}
}

static void use_device(struct worker *w)
{
	int *fd = &w->devices[below(w, 2)];

	if (one_in(w, 16) || *fd < 0) {
		int fresh = open(FALLOW_DEVICE, O_RDWR | O_CLOEXEC);

		if (fresh >= 0 && *fd >= 0) {
			dup3(fresh, *fd, O_CLOEXEC);
			close(fresh);
		} else if (fresh >= 0) {
			*fd = fresh;
		}
		if (fresh < 0)
			COUNT(device_errors[errno < ERRORS ? errno : 0]);
		return;
	}
	COUNT(device_calls);
	if (device_call(w, *fd) < 0)
		COUNT(device_errors[errno < ERRORS ? errno : 0]);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (w->count) {
		exchange(w);
		if (one_in(w, 4))
			use_device(w);
	}
	return NULL;
}

static int run_worker(unsigned long count, uint64_t seed)
{
	int sockets[SOCKETS], devices[2] = { -1, -1 };
	struct worker w[THREADS];
	pthread_t thread[THREADS];

	for (int i = 0; i < SOCKETS; i++)
		sockets[i] = new_socket();
	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .count = count / THREADS, .sockets = sockets,
					.devices = devices,
					.rng = (seed * THREADS + (uint64_t)i + 1) * 0x9e3779b97f4a7c15ull };
		if (pthread_create(&thread[i], NULL, work, &w[i]))
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

/* Targets: each is in every state at some time. */

static char *map_at(char *at, size_t size, int flags, int fd)
{
	char *p = mmap(at, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

static void fill(char *p, size_t size, size_t step)
{
	for (size_t i = 0; i < size; i += step)
		p[i] = 1;
}

static void stay(void)
{
	char *p = map_at(AREA, 32 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = memfd_create("still", 0);

	madvise(p, 16 * MIB, MADV_HUGEPAGE);
	fill(p, 6 * MIB, 4096);
	madvise(p + 16 * MIB, 16 * MIB, MADV_NOHUGEPAGE);
	fill(p + 16 * MIB, 8 * MIB, 3 * 4096);
	if (fd < 0 || ftruncate(fd, 4 * MIB))
		_exit(1);
	fill(map_at(p + 40 * MIB, 4 * MIB, MAP_SHARED, fd), 4 * MIB, 2 * 4096);
	mprotect(p + 17 * MIB, MIB, PROT_READ);
	while (!tally->stop)
		pause();
	_exit(0);
}

/* Where huge pages are reserved. */
static void try_hugetlb(char *at, size_t size)
{
	char *p = mmap(at, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB, -1, 0);

	if (p != MAP_FAILED)
		fill(p, size, 2 * MIB);
}

/* Memory that is now anonymous, now a file's, now gone, at the same address. */
static void change(void)
{
	int fd = memfd_create("flip", 0);

	if (fd < 0 || ftruncate(fd, 8 * MIB))
		_exit(1);
	for (unsigned int n = 0; !tally->stop; n++) {
		fill(map_at(FLIP, 8 * MIB, MAP_SHARED, fd), 8 * MIB, 7 * 4096);
		if (n % 8 == 0)
			madvise(FLIP, 8 * MIB, MADV_PAGEOUT);
		map_at(FLIP, 8 * MIB, MAP_PRIVATE, fd);
		fill(FLIP, 8 * MIB, 32 * 4096);
		map_at(FLIP, 8 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		madvise(FLIP, 8 * MIB, n % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		fill(FLIP, 4 * MIB, 16 * 4096);
		mprotect(FLIP + MIB, 4096, PROT_READ);
		munmap(FLIP + 2 * MIB, 2 * MIB);
		try_hugetlb(FLIP, 4 * MIB);
		if (n % 4 == 0)
			usleep(1000);
	}
	_exit(0);
}

static void be_brief(void)
{
	while (!tally->stop) {
		pid_t child = fork();

		if (!child) {
			fill(map_at(AREA, 4 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1), MIB, 4096);
			usleep(3000);
			_exit(0);
		}
		tally->brief = child;
		waitpid(child, NULL, 0);
	}
	_exit(0);
}

static pid_t start(void (*run)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run();
	_exit(0);
}

static void just_end(void)
{
}

/* Workers. */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

/* The program again, so that its memory belongs to the namespaces that it is in. */
static void exec_worker(unsigned long count, unsigned long seed)
{
	char fd[16], family_text[16], count_text[24], seed_text[24];

	snprintf(fd, sizeof(fd), "%d", tally_fd);
	snprintf(family_text, sizeof(family_text), "%d", family);
	snprintf(count_text, sizeof(count_text), "%lu", count);
	snprintf(seed_text, sizeof(seed_text), "%lu", seed);
	execl(self_path, "nlfuzz", count_text, seed_text, fd, family_text, NULL);
	_exit(1);
}

static void enter(enum who who, unsigned long count, unsigned long seed)
{
	pid_t child;

	if (who == NOBODY && (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
			      setresuid(65534, 65534, 65534)))
		_exit(1);
	if (who == OTHER_NET && unshare(CLONE_NEWNET))
		printf("note: no network namespace: %s\n", strerror(errno));
	if (who == OTHER_USER) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))
			printf("note: no user namespace: %s\n", strerror(errno));
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", "0 0 1");
		write_file("/proc/self/gid_map", "0 0 1");
	}
	fflush(stdout);
	child = fork();
	if (!child)
		exec_worker(count, seed);
	waitpid(child, &(int){ 0 }, 0);
	_exit(0);
}

static void print_errors(const char *what, const unsigned long *errors)
{
	for (int i = 0; i < ERRORS; i++)
		if (errors[i])
			printf("%s %s: %lu\n", what, strerror(i), errors[i]);
}

static void report(void)
{
	printf("messages: %lu\ndatagrams: %lu\nsockets closed: %lu\n", tally->messages,
	       tally->datagrams, tally->closed);
	printf("answer GET_INFO: %lu\nanswer GET_VMA: %lu\nanswer GET_PAGES: %lu\n", tally->info,
	       tally->vmas, tally->pages);
	printf("answer acknowledged: %lu\nanswer dump done: %lu\nanswer said to be inconsistent: %lu\n",
	       tally->acked, tally->done, tally->interrupted);
	printf("answer cut by a small buffer: %lu\n", tally->cut);
	print_errors("answer", tally->errors);
	print_errors("send", tally->send_errors);
	printf("device calls: %lu\n", tally->device_calls);
	print_errors("device", tally->device_errors);
	printf("wrong: %lu\n", tally->wrong);
}

static int attach(int fd)
{
	tally_fd = fd;
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return tally == MAP_FAILED;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 2 ? strtoul(argv[1], NULL, 0) : 0;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	pid_t worker[WORKERS], target[3];

	if (!count)
		return 2;
	if (argc == 5) {
		family = atoi(argv[4]);
		return attach(atoi(argv[3])) || run_worker(count, seed);
	}
	self_path = argv[0];
	family = genl_family(new_socket());
	tally_fd = memfd_create("tally", 0);
	if (family < 0 || tally_fd < 0 || ftruncate(tally_fd, sizeof(*tally)) || attach(tally_fd)) {
		perror("nlfuzz");
		return 1;
	}
	tally->still = target[0] = start(stay);
	tally->changing = target[1] = start(change);
	target[2] = start(be_brief);
	tally->zombie = start(just_end);
	for (int i = 0; i < WORKERS; i++) {
		fflush(stdout);
		worker[i] = fork();
		if (!worker[i])
			enter((enum who)i, count / WORKERS + 1, seed * WORKERS + (unsigned long)i);
	}
	for (int i = 0; i < WORKERS; i++) {
		int status;

		if (waitpid(worker[i], &status, 0) < 0 || status) {
			printf("wrong: the worker as %s ended with status %x\n", who_names[i], status);
			tally->wrong++;
		}
	}
	tally->stop = 1;
	for (int i = 0; i < 3; i++) {
		kill(target[i], SIGKILL);
		waitpid(target[i], NULL, 0);
	}
	waitpid(tally->zombie, NULL, 0);
	report();
	return tally->wrong != 0;
}
