// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Address spaces to look at: maps memory of one kind, or of all kinds, prints
 * "ready", and sleeps until its input ends. Usage: maps MODE…
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	((unsigned long)getpagesize())
#define MIB	(1ul << 20)
#define HUGE	(2 * MIB)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* Linux 5.14 */
#endif

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static char *map(size_t size, int prot, int flags, int fd)
{
	char *p = mmap(NULL, size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static char *map_anon(size_t size)
{
	return map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* A mapping of whole huge pages, with huge-page alignment. */
static char *map_huge(size_t size)
{
	char *p = map_anon(size + HUGE);

	return p + (HUGE - (unsigned long)p % HUGE) % HUGE;
}

/* Writes one byte to every @step-th page; each page gets content of its own. */
static void touch(char *p, size_t size, size_t step)
{
	for (size_t i = 0; i < size; i += step * PAGE) {
		p[i] = 1;
		memcpy(p + i + 8, &i, sizeof(i));
	}
}

static void look(const char *p, size_t size, size_t step)
{
	for (size_t i = 0; i < size; i += step * PAGE)
		(void)*(const volatile char *)(p + i);
}

static int temp_file(size_t size)
{
	char name[] = "maps-XXXXXX", block[65536];
	int fd = mkstemp(name);

	if (fd < 0)
		fail("mkstemp");
	unlink(name);
	memset(block, 7, sizeof(block));
	for (size_t i = 0; i < size; i += sizeof(block))
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			fail("write");
	return fd;
}

static int memory_file(size_t size)
{
	int fd = memfd_create("maps", 0);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		fail("memfd");
	return fd;
}

static void do_pages(void)
{
	char *p = map_anon(16 * MIB);

	madvise(p, 16 * MIB, MADV_NOHUGEPAGE);
	touch(p, 8 * MIB, 1);
	touch(p + 8 * MIB, 8 * MIB, 3);
}

static void do_thp(void)
{
	char *p = map_huge(32 * MIB);

	madvise(p, 32 * MIB, MADV_HUGEPAGE);
	touch(p, 32 * MIB, 1);
	/* A huge page that is mapped in parts, and one of which parts are gone. */
	mprotect(p + 4 * MIB, PAGE, PROT_READ);
	madvise(p + 8 * MIB + 16 * PAGE, 64 * PAGE, MADV_DONTNEED);
}

static void do_shmem(void)
{
	int fd = memory_file(4 * MIB);
	char *shared = map(4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	char *private = map(4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	char *anon = map(4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);

	touch(shared, 3 * MIB, 1);
	look(private, 3 * MIB, 1);
	touch(private, MIB, 2);
	touch(anon, 4 * MIB, 2);
}

static void do_file(void)
{
	int fd = temp_file(8 * MIB);
	char *private = map(8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	char *shared = map(8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd);

	look(private, 8 * MIB, 1);
	touch(private, 2 * MIB, 2);
	look(shared, 4 * MIB, 1);
	touch(shared, MIB, 1);
}

static void do_swap(void)
{
	char *p = map_anon(16 * MIB);
	int fd = memory_file(8 * MIB);
	char *shared = map(8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	char *private = map(8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	char *read_only = map(8 * MIB, PROT_READ, MAP_PRIVATE, fd);

	madvise(p, 16 * MIB, MADV_NOHUGEPAGE);
	touch(p, 16 * MIB, 1);
	touch(shared, 8 * MIB, 1);
	look(private, MIB, 1);
	touch(private + 2 * MIB, MIB, 1);
	look(read_only, MIB, 1);
	madvise(p, 12 * MIB, MADV_PAGEOUT);
	madvise(private + 2 * MIB, MIB, MADV_PAGEOUT);
	madvise(read_only, 8 * MIB, MADV_PAGEOUT);
	madvise(private, MIB, MADV_PAGEOUT);
	madvise(shared, 6 * MIB, MADV_PAGEOUT);
	/* Some come back, and are both in memory and on swap. */
	look(p, 2 * MIB, 1);
	look(shared, MIB, 1);
}

static void do_mlock(void)
{
	char *p = map_anon(4 * MIB);

	touch(p, 4 * MIB, 1);
	if (mlock(p, 2 * MIB))
		fail("mlock");
}

static void do_lazyfree(void)
{
	char *p = map_anon(8 * MIB);

	madvise(p, 8 * MIB, MADV_NOHUGEPAGE);
	touch(p, 8 * MIB, 1);
	madvise(p, 6 * MIB, MADV_FREE);
	touch(p, MIB, 1);
}

static void do_zero(void)
{
	char *p = map_anon(8 * MIB);
	char *huge = map_huge(8 * MIB);

	madvise(p, 8 * MIB, MADV_NOHUGEPAGE);
	look(p, 6 * MIB, 1);
	touch(p, MIB, 1);
	madvise(huge, 8 * MIB, MADV_HUGEPAGE);
	look(huge, 8 * MIB, 1);
	touch(huge, HUGE, 512);
}

static void do_fork(void)
{
	char *p = map_anon(8 * MIB), *huge = map_huge(8 * MIB);

	madvise(p, 8 * MIB, MADV_NOHUGEPAGE);
	touch(p, 8 * MIB, 1);
	madvise(huge, 8 * MIB, MADV_HUGEPAGE);
	touch(huge, 8 * MIB, 1);
	for (int i = 0; i < 2; i++) {
		if (!fork()) {
			char byte;

			/* Ends with its parent's input. */
			while (read(STDIN_FILENO, &byte, 1) > 0)
				;
			_exit(0);
		}
	}
	touch(p, 2 * MIB, 1);
	touch(huge, HUGE, 512);
}

/* A mapping of each page; as much memory in them, whatever the size of a page. */
static void split_up(size_t pages)
{
	char *p = map_anon(pages * PAGE);

	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	touch(p, pages * PAGE, PAGE / 4096);
	for (size_t i = 0; i < pages; i += 2)
		mprotect(p + i * PAGE, PAGE, PROT_READ);
}

static void do_many(void)
{
	split_up(8000);
}

/* Nearly as many as vm.max_map_count allows by default. */
static void do_most(void)
{
	split_up(60000);
}

/* 64 GiB with a little in each, and a reservation of 1 TiB with nothing. */
static void do_sparse(void)
{
	char *p = map(1ul << 36, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	madvise(p, 1ul << 36, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < 64; i++)
		touch(p + (i << 30), 4 * PAGE, 1);
	map(1ul << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static void do_big(int advice)
{
	char *p = map_huge(1ul << 30);

	madvise(p, 1ul << 30, advice);
	touch(p, 1ul << 30, 1);
}

static void do_big_pages(void)
{
	do_big(MADV_NOHUGEPAGE);
}

static void do_big_thp(void)
{
	do_big(MADV_HUGEPAGE);
}

static void do_hugetlb(void)
{
	char *p = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	/* Where no huge pages are reserved, there is nothing to see. */
	if (p != MAP_FAILED)
		touch(p, 4 * MIB, 1);
}

/* Same content twice; with KSM running they become one. */
static void do_ksm(void)
{
	char *p = map_anon(4 * MIB);

	madvise(p, 4 * MIB, MADV_NOHUGEPAGE);
	memset(p, 0x11, 4 * MIB);
	madvise(p, 4 * MIB, MADV_MERGEABLE);
}

/* Registered buffers are pinned for as long as the ring lives: FOLL_LONGTERM. */
static void pin(char *p, size_t size)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { p, size };
	int ring = (int)syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0 || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1))
		fail("io_uring");
}

static void do_pin(void)
{
	char *p = map_anon(8 * MIB), *huge = map_huge(2 * HUGE);

	madvise(p, 8 * MIB, MADV_NOHUGEPAGE);
	touch(p, 8 * MIB, 1);
	pin(p, 4 * MIB);
	madvise(huge, 2 * HUGE, MADV_HUGEPAGE);
	touch(huge, 2 * HUGE, 1);
	/* One page of a huge one. */
	pin(huge + 16 * PAGE, PAGE);
}

/* Memory that is hidden even from the kernel; where there is none, nothing is mapped. */
static void do_secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	if (fd < 0)
		return;
	if (ftruncate(fd, 2 * (off_t)MIB))
		fail("memfd_secret");
	touch(map(2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd), 2 * MIB, 1);
}

/* Faults of part of it are for somebody to serve, who is not there. */
static void do_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	char *p;

	/* Where it is not allowed, there is nothing to see. */
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return;
	p = map_anon(2 * MIB);
	madvise(p, 2 * MIB, MADV_NOHUGEPAGE);
	touch(p, MIB, 1);
	reg.range.start = (unsigned long)p + MIB / 2;
	reg.range.len = MIB;
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		fail("userfaultfd");
}

/* Frames that are no memory of the system's: the BIOS, where that can be mapped. */
static void do_device(void)
{
	int fd = open("/dev/mem", O_RDONLY);

	if (fd >= 0)
		mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000);
}

static void do_guard(void)
{
	char *p = map_anon(2 * MIB);

	madvise(p, 2 * MIB, MADV_NOHUGEPAGE);
	touch(p, 2 * MIB, 1);
	/* An error where the kernel has none. */
	madvise(p + MIB, MIB / 2, MADV_GUARD_INSTALL);
}

static void do_shmlock(void)
{
	int id = shmget(IPC_PRIVATE, 4 * MIB, IPC_CREAT | 0600);
	char *p = id < 0 ? (char *)-1 : shmat(id, NULL, 0);

	if (p == (char *)-1)
		fail("shmat");
	touch(p, 4 * MIB, 1);
	shmctl(id, SHM_LOCK, NULL);
	shmctl(id, IPC_RMID, NULL);
}

/* A file in the working directory, read, and in part written and not synced. */
static void do_clean(void)
{
	int fd = temp_file(8 * MIB);

	fsync(fd);
	look(map(8 * MIB, PROT_READ, MAP_SHARED, fd), 8 * MIB, 1);
}

static void do_dirty(void)
{
	int fd = temp_file(8 * MIB);

	fsync(fd);
	touch(map(8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd), 8 * MIB, 1);
}

/* Huge pages of which one small page in eight is written to. */
static void do_bloat(void)
{
	char *p = map_huge(8 * MIB);

	madvise(p, 8 * MIB, MADV_HUGEPAGE);
	for (size_t i = 0; i < 8 * MIB; i += 8 * PAGE)
		p[i + 1] = 1;
}

/* No page is in the state of its neighbours. */
static void do_stripes(void)
{
	const size_t size = 16384 * PAGE;
	char *p = map_anon(size);

	madvise(p, size, MADV_NOHUGEPAGE);
	touch(p, size, 2);
	look(p + PAGE, size - PAGE, 2);
}

static void do_small_file(void)
{
	int fd = temp_file(4 * MIB);

	touch(map(4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd), 4 * MIB, 1);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "pages", do_pages }, { "thp", do_thp },	{ "shmem", do_shmem },
	{ "file", do_file },   { "swap", do_swap },	{ "mlock", do_mlock },
	{ "lazyfree", do_lazyfree }, { "zero", do_zero }, { "fork", do_fork },
	{ "many", do_many },   { "sparse", do_sparse }, { "hugetlb", do_hugetlb },
	{ "ksm", do_ksm },     { "big-pages", do_big_pages }, { "big-thp", do_big_thp },
	{ "pin", do_pin },     { "secret", do_secret },	{ "guard", do_guard },
	{ "shmlock", do_shmlock }, { "clean", do_clean }, { "dirty", do_dirty },
	{ "bloat", do_bloat }, { "file-here", do_small_file }, { "most", do_most },
	{ "uffd", do_uffd },   { "device", do_device },	{ "stripes", do_stripes },
};

/* "resident=MIB" of small pages; "vmas=N" of a page each. */
static bool run_sized(const char *name)
{
	size_t n;
	char *p;

	if (sscanf(name, "resident=%zu", &n) == 1) {
		p = map_anon(n * MIB);
		madvise(p, n * MIB, MADV_NOHUGEPAGE);
		touch(p, n * MIB, 1);
		return true;
	}
	if (sscanf(name, "vmas=%zu", &n) != 1)
		return false;
	p = map_anon(n * PAGE);
	touch(p, n * PAGE, 1);
	for (size_t i = 0; i < n; i += 2)
		mprotect(p + i * PAGE, PAGE, PROT_READ);
	return true;
}

static void run_mode(const char *name)
{
	if (run_sized(name))
		return;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name)) {
			modes[i].run();
			return;
		}
	fprintf(stderr, "maps: no mode %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	char byte;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 1; i < argc; i++)
		run_mode(argv[i]);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
