// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that no RSS counts:
 *
 *   beside unix N       so many pairs of sockets, each full of what nobody reads
 *   beside tcp N        the same over loopback
 *   beside sent N       the same pairs, of which the sending ends are a child's
 *   beside tables N     a page in each of so many ranges of 2 MiB
 *   beside file MIB     a memfd of that size, open
 *   beside mapped MIB   the same, of which half is mapped and touched
 *   beside ring MIB     buffers that are registered with io_uring and unmapped
 *
 * Writes "ready BYTES", what was written or touched; ends with its input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MIB  (1ul << 20)
#define AREA (2 * MIB)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Writes until no more is taken. */
static size_t fill(int fd)
{
	static const char text[16384];
	size_t sum = 0;
	ssize_t n;

	while ((n = send(fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
		sum += (size_t)n;
	return sum;
}

static void tcp_pair(int listener, int pair[2])
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (pair[0] < 0 || getsockname(listener, (struct sockaddr *)&at, &len) ||
	    connect(pair[0], (struct sockaddr *)&at, len))
		die("connect");
	pair[1] = accept(listener, NULL, NULL);
	if (pair[1] < 0)
		die("accept");
}

static size_t fill_pairs(int listener, unsigned long n)
{
	size_t sum = 0;

	for (unsigned long i = 0; i < n; i++) {
		int pair[2];

		if (listener >= 0)
			tcp_pair(listener, pair);
		else if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			die("socketpair");
		sum += fill(pair[0]);
	}
	return sum;
}

static size_t tcp(unsigned long n)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof(any)) ||
	    listen(listener, 16))
		die("listen");
	return fill_pairs(listener, n);
}

/* The child has nothing but the sending ends, and we nothing but the others. */
static size_t sent(unsigned long n)
{
	int(*pair)[2] = calloc(n, sizeof(*pair));
	size_t sum = 0;

	for (unsigned long i = 0; i < n; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]))
			die("socketpair");
		sum += fill(pair[i][0]);
	}
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned long i = 0; i < n; i++)
			close(pair[i][1]);
		for (;;)
			pause();
	}
	for (unsigned long i = 0; i < n; i++)
		close(pair[i][0]);
	free(pair);
	return sum;
}

static size_t tables(unsigned long n)
{
	char *mem = mmap(NULL, n * AREA, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	madvise(mem, n * AREA, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < n; i++)
		mem[i * AREA] = 1;
	return n * (size_t)getpagesize();
}

static size_t file(unsigned long mib, int mapped)
{
	static char text[MIB];
	int fd = memfd_create("held", 0);

	memset(text, 1, sizeof(text));
	for (unsigned long i = 0; i < mib; i++)
		if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
			die("memfd");
	if (mapped) {
		char *mem =
			mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (mem == MAP_FAILED)
			die("mmap");
		memset(mem, 2, mib * MIB / 2);
	}
	/* The same file once more is not to be counted twice. */
	if (dup(fd) < 0)
		die("dup");
	return mib * MIB;
}

static size_t ring(unsigned long mib)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	struct iovec iov = { .iov_len = mib * MIB };

	if (fd < 0) {
		printf("no io_uring: %s\n", strerror(errno));
		exit(0);
	}
	iov.iov_base = mmap(NULL, iov.iov_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (iov.iov_base == MAP_FAILED)
		die("mmap");
	memset(iov.iov_base, 1, iov.iov_len);
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1))
		die("io_uring_register");
	munmap(iov.iov_base, iov.iov_len);
	return iov.iov_len;
}

static size_t begin(const char *mode, unsigned long n)
{
	if (!strcmp(mode, "unix"))
		return fill_pairs(-1, n);
	if (!strcmp(mode, "tcp"))
		return tcp(n);
	if (!strcmp(mode, "sent"))
		return sent(n);
	if (!strcmp(mode, "tables"))
		return tables(n);
	if (!strcmp(mode, "ring"))
		return ring(n);
	return file(n, !strcmp(mode, "mapped"));
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	char byte;

	if (argc != 3)
		return 2;
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	printf("ready %zu\n", begin(argv[1], strtoul(argv[2], NULL, 10)));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
