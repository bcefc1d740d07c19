/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guarded reader: the only way in which the tool reads a target's memory.
 *
 * It copies pages that are resident and no others, so that a look never maps
 * the zero page under an untouched address and never swaps a page in. It
 * writes nothing and stops nobody. By the module's device it leaves no trace;
 * process_vm_readv() marks what it copies as referenced, and active the second
 * time.
 */
#ifndef FALLOW_READER_H
#define FALLOW_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The most that one reader_window() call copies. */
#define READER_WINDOW (256u << 10)

/* The most pages in it: none are smaller. */
#define READER_WINDOW_PAGES (READER_WINDOW / 4096)

enum page_presence {
	PAGE_ABSENT = 0, /* never touched, or given back */
	PAGE_RESIDENT, /* copied */
	PAGE_SHARED, /* the same, and others map it as well */
	PAGE_SWAPPED, /* on swap, left there */
};

static inline bool page_is_resident(uint8_t presence)
{
	return presence == PAGE_RESIDENT || presence == PAGE_SHARED;
}

struct reader {
	pid_t pid;
	int pagemap; /* /proc/PID/pagemap */
	int device; /* the module's, bound to the target; -1: process_vm_readv() */
	int mem; /* /proc/PID/mem, where there is no device */
	size_t page_size;
	/*
	 * CLOCK_MONOTONIC; 0: none. From then on nothing is read: all functions fail as if
	 * the target were gone, with which whoever reads soon ends.
	 */
	uint64_t deadline_ns;
	bool late; /* something was not read for that */
};

/*
 * @proc_dir: an open /proc/PID. @device: read through the module where that can
 * be done. Returns 0 or -errno.
 */
int reader_open(struct reader *r, pid_t pid, int proc_dir, bool device);
void reader_close(struct reader *r);

/* Whether the address space that it reads is no more: the process ended, or called exec. */
bool reader_is_gone(const struct reader *r);

/* What it copies with: "fallow", the module's device, or "process_vm_readv". */
const char *reader_name(const struct reader *r);

/*
 * Copies [addr, addr + len) to @buf if all of it is resident.
 * Returns 0; -ENODATA if a page of it is not resident (nothing usable is in
 * @buf); -EFAULT if it could not be read; -ESRCH if the target is gone.
 */
int reader_read(struct reader *r, uint64_t addr, void *buf, size_t len);

/*
 * Copies the resident pages of [addr, addr + len), @addr and @len being
 * multiples of the page size and @len at most READER_WINDOW. Pages that are
 * not resident are zeros in @buf. @present gets one enum page_presence a page.
 * Returns the number of resident pages, or -ESRCH, -EPERM.
 */
ssize_t reader_window(struct reader *r, uint64_t addr, size_t len, void *buf,
		      uint8_t *present);

/*
 * Presence only: one enum page_presence for each of @pages pages from @addr.
 * Returns 0 or -errno.
 */
int reader_presence(struct reader *r, uint64_t addr, size_t pages, uint8_t *present);

/*
 * The pagemap entries of @pages pages from @addr, as
 * Documentation/admin-guide/mm/pagemap.rst has them. Returns 0 or -errno;
 * -ESRCH if the address space is gone.
 */
int reader_pagemap(struct reader *r, uint64_t addr, size_t pages, uint64_t *entries);

#define PM_PRESENT   (1ULL << 63)
#define PM_SWAP	     (1ULL << 62)
#define PM_FILE	     (1ULL << 61) /* page cache, shmem, or the huge zero page */
#define PM_EXCLUSIVE (1ULL << 56) /* mapped once */
#define PM_PFN	     ((1ULL << 55) - 1)

/*
 * Gathers @n pieces of @len bytes each, the i-th from addr[i], to @buf + i *
 * @len; a piece lies within one page. ok[i] says whether the piece was
 * resident and read. For many small looks at scattered places; cheaper than
 * reader_read() one by one. Returns 0, -ESRCH or -EPERM.
 */
int reader_gather(struct reader *r, const uint64_t *addr, size_t n, size_t len, void *buf,
		  uint8_t *ok);

#endif
