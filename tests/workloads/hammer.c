// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hammer DUMPERS SECONDS: processes that map, unmap, move, collapse, split, page out,
 * fork, exec and exit as fast as they can, and DUMPERS that ask the module for
 * their VMAs, pages and ages and read their memory all the while, some closing their
 * sockets in the middle. Prints how many of these were answered, refused and
 * abandoned. The module may go and come back at any time; SIGUSR1 has all requests
 * rest for that.
 *
 * Where the kernel injects faults into tasks that ask for it, dumpers do.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../kmod/include/uapi/linux/fallow.h"
#include "genl.h"

#define CHANGERS 8
#define MIB	 (1ul << 20)
#define HUGE	 (2 * MIB)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

struct tally {
	volatile unsigned long answered, refused, abandoned;
	volatile int resting;
	volatile pid_t pid[2 * CHANGERS]; /* changers and their latest children */
};

static struct tally *tally;
static time_t deadline;

static int time_left(void)
{
	return time(NULL) < deadline;
}

static size_t pick(unsigned int *seed, size_t n)
{
	return (size_t)rand_r(seed) % n;
}

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void small_maps(unsigned int *seed)
{
	size_t page = (size_t)getpagesize();

	for (int i = 0; i < 20; i++) {
		size_t size = (1 + pick(seed, 64)) * page;
		char *p = map(size), *to;

		if (!p)
			continue;
		memset(p, 1, size);
		to = pick(seed, 3) ? p : mremap(p, size, 2 * size, MREMAP_MAYMOVE);
		if (to == MAP_FAILED)
			to = p;
		if (pick(seed, 4))
			munmap(to + size / 2, size - size / 2);
		if (pick(seed, 2))
			munmap(to, size);
	}
}

/* What the kernel is asked to do with a range, one thing after another. */
static void advise(unsigned int *seed, char *p, size_t size)
{
	static const int advice[] = { MADV_COLLAPSE, MADV_PAGEOUT, MADV_FREE,	MADV_DONTNEED,
				      MADV_HUGEPAGE, MADV_COLD,	   MADV_MERGEABLE };
	size_t page = (size_t)getpagesize();

	for (int i = 0; i < 12; i++) {
		size_t at = pick(seed, size / page) * page, len = size - at;

		if (pick(seed, 2) && len > 16 * page)
			len = 16 * page;
		if (pick(seed, 4) == 0) {
			mprotect(p + at, len, PROT_READ);
			mprotect(p + at, len, PROT_READ | PROT_WRITE);
		} else {
			madvise(p + at, len,
				advice[pick(seed, sizeof(advice) / sizeof(advice[0]))]);
		}
		for (size_t k = 0; k < size; k += page)
			p[k] = (char)k;
	}
}

static void huge_maps(unsigned int *seed)
{
	char *p = map(3 * HUGE), *huge, *to;

	if (!p)
		return;
	huge = p + (HUGE - (uintptr_t)p % HUGE) % HUGE;
	madvise(huge, 2 * HUGE, MADV_HUGEPAGE);
	memset(huge, 1, 2 * HUGE);
	advise(seed, huge, 2 * HUGE);
	to = map(3 * HUGE);
	if (to) {
		mremap(huge, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       to + (HUGE - (uintptr_t)to % HUGE) % HUGE);
		munmap(to, 3 * HUGE);
	}
	munmap(p, 3 * HUGE);
}

static void change_memory(unsigned int seed)
{
	small_maps(&seed);
	if (pick(&seed, 2))
		huge_maps(&seed);
	if (pick(&seed, 4) == 0)
		mlockall(MCL_CURRENT);
}

/* What was mapped would grow without end, so that a changer lives for some rounds. */
#define ROUNDS 16

static void change(int k)
{
	tally->pid[2 * k] = getpid();
	for (unsigned int n = 0; n < ROUNDS && time_left(); n++) {
		unsigned int seed = (unsigned int)getpid() * ROUNDS + n;
		pid_t child = fork();

		if (!child) {
			change_memory(seed);
			if (n % 2)
				execl("/proc/self/exe", "hammer", "exec", NULL);
			_exit(0);
		}
		tally->pid[2 * k + 1] = child;
		change_memory(seed + 1);
		waitpid(child, NULL, 0);
	}
	_exit(0);
}

static void keep_changing(int k)
{
	while (time_left()) {
		pid_t changer = fork();

		if (!changer)
			change(k);
		waitpid(changer, NULL, 0);
	}
	_exit(0);
}

/* 1 done, 0 more to come, -1 refused. */
static int look_at(const char *buf, ssize_t n)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= (size_t)n;) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(buf + at);

		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
			return *(const int *)(h + 1) ? -1 : 1;
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	return 0;
}

/* As look_at(); 2: the answer was not waited for. */
static int receive(int fd, unsigned int *seed)
{
	static char buf[1 << 16];
	int state = 0;

	while (!state) {
		ssize_t n;

		if (pick(seed, 16) == 0)
			return 2;
		n = recv(fd, buf, sizeof(buf), 0);
		state = n <= 0 ? -1 : look_at(buf, n);
	}
	return state;
}

static int dump(int fd, uint16_t family, uint8_t cmd, uint32_t pid, unsigned int *seed)
{
	struct genl_attr attrs[] = { { FALLOW_A_REQ_PID, &pid, sizeof(pid) },
				     { FALLOW_A_REQ_FLAGS, NULL, sizeof(uint32_t) } };
	uint32_t flags = FALLOW_REQ_ZERO_TEST;
	size_t n = cmd == FALLOW_CMD_GET_PAGES && pick(seed, 2) ? 2 : 1;

	attrs[1].data = &flags;
	if (genl_send(fd, family, NLM_F_DUMP, cmd, attrs, n))
		return -1;
	return receive(fd, seed);
}

/* A tracker that lives for some dumps, and ends with its socket as often as not. */
static int track(int fd, uint16_t family, uint32_t pid, unsigned int *seed)
{
	uint32_t interval = 10 + (uint32_t)pick(seed, 50);
	const struct genl_attr attrs[] = { { FALLOW_A_REQ_PID, &pid, sizeof(pid) },
					   { FALLOW_A_REQ_INTERVAL_MS, &interval,
					     sizeof(interval) } };
	int state = genl_send(fd, family, NLM_F_ACK, FALLOW_CMD_AGE_START, attrs, 2) ?
			    -1 :
			    receive(fd, seed);

	for (int i = 0; i < 3 && state == 1; i++) {
		usleep(20000);
		state = dump(fd, family, FALLOW_CMD_GET_PAGES, pid, seed);
	}
	if (state == 1 && pick(seed, 2) &&
	    !genl_send(fd, family, NLM_F_ACK, FALLOW_CMD_AGE_STOP, attrs, 1))
		state = receive(fd, seed);
	return state;
}

static int read_memory(uint32_t pid, unsigned int *seed)
{
	static char buf[1 << 18];
	int fd = open(FALLOW_DEVICE, O_RDONLY | O_CLOEXEC);
	char name[64], line[512];
	FILE *maps;
	int state = -1;

	snprintf(name, sizeof(name), "/proc/%u/maps", pid);
	maps = fopen(name, "r");
	if (fd >= 0 && maps && !ioctl(fd, FALLOW_IOC_TARGET, &pid)) {
		while (fgets(line, sizeof(line), maps)) {
			unsigned long at = strtoul(line, NULL, 16);

			if (pick(seed, 2) && pread(fd, buf, sizeof(buf), (off_t)at) > 0)
				state = 1;
		}
	}
	if (maps)
		fclose(maps);
	if (fd >= 0)
		close(fd);
	return state;
}

static int ask(unsigned int *seed)
{
	uint32_t pid = (uint32_t)tally->pid[pick(seed, 2 * CHANGERS)];
	int fd, family, state = -1;

	if (pick(seed, 4) == 0)
		return read_memory(pid, seed);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	family = fd < 0 ? -1 : genl_family(fd);
	if (family >= 0) {
		switch (pick(seed, 3)) {
		case 0:
			state = dump(fd, (uint16_t)family, FALLOW_CMD_GET_VMA, pid, seed);
			break;
		case 1:
			state = dump(fd, (uint16_t)family, FALLOW_CMD_GET_PAGES, pid, seed);
			break;
		default:
			state = track(fd, (uint16_t)family, pid, seed);
		}
	}
	if (fd >= 0)
		close(fd);
	return state;
}

/* Between two requests, so that the module can be unloaded. */
static void rest(void)
{
	while (tally->resting && time_left())
		usleep(10000);
}

/* SIGUSR1 has all rest, and the next one go on. */
static void on_signal(int sig)
{
	(void)sig;
	tally->resting = !tally->resting;
}

/* Documentation/fault-injection/fault-injection.rst: a filter on tasks. */
static void ask_for_faults(void)
{
	int fd = open("/proc/self/make-it-fail", O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		perror("make-it-fail");
	close(fd);
}

static void ask_on(unsigned int seed)
{
	ask_for_faults();
	while (time_left()) {
		rest();
		switch (ask(&seed)) {
		case 1:
			__sync_fetch_and_add(&tally->answered, 1);
			break;
		case 2:
			__sync_fetch_and_add(&tally->abandoned, 1);
			break;
		default:
			__sync_fetch_and_add(&tally->refused, 1);
		}
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int dumpers;

	if (argc == 2 && !strcmp(argv[1], "exec")) {
		change_memory((unsigned int)getpid());
		return 0;
	}
	dumpers = argc == 3 ? atoi(argv[1]) : 0;
	if (dumpers <= 0)
		return 2;
	deadline = time(NULL) + atoi(argv[2]);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		return 1;
	signal(SIGUSR1, on_signal);
	for (int k = 0; k < CHANGERS; k++)
		if (!fork())
			keep_changing(k);
	for (int k = 0; k < dumpers; k++)
		if (!fork())
			ask_on((unsigned int)k);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	printf("%lu answered, %lu refused, %lu abandoned\n", tally->answered, tally->refused,
	       tally->abandoned);
	return 0;
}
