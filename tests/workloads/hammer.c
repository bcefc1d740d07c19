// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hammer DUMPERS SECONDS: processes that fork, map, unmap and exit as fast as
 * they can, and DUMPERS that ask the module for their VMAs all the while, some
 * closing their sockets in the middle. Prints dumps that were answered, refused
 * and abandoned. The module may go and come back at any time.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHANGERS 8

struct tally {
	volatile unsigned long answered, refused, abandoned;
	volatile pid_t pid[2 * CHANGERS];	/* changers and their latest children */
};

static struct tally *tally;
static time_t deadline;

static int time_left(void)
{
	return time(NULL) < deadline;
}

static void map_and_unmap(unsigned int seed)
{
	for (int i = 0; i < 50; i++) {
		size_t size = (1 + rand_r(&seed) % 64) * (size_t)getpagesize();
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			continue;
		memset(p, 1, size);
		if (rand_r(&seed) % 4)
			munmap(p + size / 2, size - size / 2);
		if (rand_r(&seed) % 2)
			munmap(p, size);
	}
}

static void change(int k)
{
	tally->pid[2 * k] = getpid();
	for (unsigned int n = 0; time_left(); n++) {
		pid_t child = fork();

		if (!child) {
			map_and_unmap(n);
			_exit(0);
		}
		tally->pid[2 * k + 1] = child;
		map_and_unmap(n + 1);
		waitpid(child, NULL, 0);
	}
	_exit(0);
}

static int send_request(int fd, uint16_t type, uint16_t flags, uint8_t cmd, uint16_t attr,
			const void *data, size_t len)
{
	struct {
		struct nlmsghdr n;
		struct genlmsghdr g;
		struct nlattr a;
		char data[32];
	} rq = { 0 };

	rq.n.nlmsg_len = (uint32_t)(sizeof(rq) - sizeof(rq.data) + len);
	rq.n.nlmsg_type = type;
	rq.n.nlmsg_flags = NLM_F_REQUEST | flags;
	rq.g.cmd = cmd;
	rq.g.version = 1;
	rq.a.nla_len = (uint16_t)(sizeof(rq.a) + len);
	rq.a.nla_type = attr;
	memcpy(rq.data, data, len);
	return send(fd, &rq, NLMSG_ALIGN(rq.n.nlmsg_len), 0) < 0 ? -1 : 0;
}

/* The family's number, or -1 while the module is away. */
static int find_family(int fd)
{
	char buf[4096];
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	ssize_t n;

	if (send_request(fd, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, "fallow",
			 7))
		return -1;
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < (ssize_t)sizeof(*h) || h->nlmsg_type == NLMSG_ERROR)
		return -1;
	for (size_t at = NLMSG_LENGTH(GENL_HDRLEN); at + 4 <= (size_t)n;) {
		struct nlattr *a = (struct nlattr *)(buf + at);

		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)(a + 1);
		at += NLA_ALIGN(a->nla_len);
	}
	return -1;
}

/* 1 done, 0 more to come, -1 refused. */
static int look_at(const char *buf, ssize_t n)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= (size_t)n;) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(buf + at);

		if (h->nlmsg_type == NLMSG_ERROR)
			return -1;
		if (h->nlmsg_type == NLMSG_DONE)
			return *(const int *)(h + 1) ? -1 : 1;
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	return 0;
}

static void dump_one(unsigned int *seed)
{
	static char buf[1 << 16];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), family, state = 0;
	uint32_t pid = (uint32_t)tally->pid[(unsigned int)rand_r(seed) % (2 * CHANGERS)];

	family = fd < 0 ? -1 : find_family(fd);
	if (family < 0 || send_request(fd, (uint16_t)family, NLM_F_DUMP, 2, 1, &pid, 4))
		state = -1;
	while (!state) {
		ssize_t n;

		if (rand_r(seed) % 8 == 0) {
			__sync_fetch_and_add(&tally->abandoned, 1);
			close(fd);
			return;
		}
		n = recv(fd, buf, sizeof(buf), 0);
		state = n <= 0 ? -1 : look_at(buf, n);
	}
	__sync_fetch_and_add(state > 0 ? &tally->answered : &tally->refused, 1);
	if (fd >= 0)
		close(fd);
}

/* For one second in three, all rest, so that the module can be unloaded. */
static void rest(void)
{
	struct timespec ts;

	do {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		if (ts.tv_sec % 3)
			return;
		usleep(10000);
	} while (time_left());
}

static void dump(unsigned int seed)
{
	while (time_left()) {
		rest();
		dump_one(&seed);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int dumpers = argc == 3 ? atoi(argv[1]) : 0;

	if (dumpers <= 0)
		return 2;
	deadline = time(NULL) + atoi(argv[2]);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		return 1;
	for (int k = 0; k < CHANGERS; k++)
		if (!fork())
			change(k);
	for (int k = 0; k < dumpers; k++)
		if (!fork())
			dump((unsigned int)k);
	while (wait(NULL) > 0)
		;
	printf("%lu answered, %lu refused, %lu abandoned\n", tally->answered, tally->refused,
	       tally->abandoned);
	return 0;
}
