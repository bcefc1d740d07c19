// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guarded reader. It must never make the kernel fault a page in on the
 * target's behalf. The module's device sees to that itself; before
 * process_vm_readv(), pagemap is asked which pages are resident.
 *
 * pagemap entries: Documentation/admin-guide/mm/pagemap.rst.
 */
#include "target/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "target/reader_device.h"
#include "target/reader_readv.h"

int reader_open(struct reader *r, pid_t pid, int proc_dir, bool device)
{
	*r = (struct reader){ .pid = pid,
			      .device = -1,
			      .mem = -1,
			      .page_size = (size_t)sysconf(_SC_PAGESIZE) };
	r->pagemap = openat(proc_dir, "pagemap", O_RDONLY | O_CLOEXEC);
	if (r->pagemap < 0)
		return -errno;
	if (device)
		r->device = device_open(pid);
	if (r->device < 0)
		r->mem = openat(proc_dir, "mem", O_RDONLY | O_CLOEXEC);
	/* Only as long as it lives is the pid surely that of the directory. */
	if (r->device >= 0 && faccessat(proc_dir, "stat", F_OK, 0)) {
		reader_close(r);
		return -ESRCH;
	}
	return 0;
}

void reader_close(struct reader *r)
{
	if (r->pagemap >= 0)
		close(r->pagemap);
	if (r->device >= 0)
		close(r->device);
	if (r->mem >= 0)
		close(r->mem);
	r->pagemap = r->device = r->mem = -1;
}

const char *reader_name(const struct reader *r)
{
	return r->device >= 0 ? "fallow" : "process_vm_readv";
}

static enum page_presence presence_of(uint64_t entry)
{
	if (entry & PM_PRESENT)
		return entry & PM_EXCLUSIVE ? PAGE_RESIDENT : PAGE_SHARED;
	return entry & PM_SWAP ? PAGE_SWAPPED : PAGE_ABSENT;
}

static bool is_late(struct reader *r)
{
	if (!r->deadline_ns)
		return false;
	if (clock_ns(CLOCK_MONOTONIC) >= r->deadline_ns)
		r->late = true;
	return r->late;
}

/* An address space that is gone reads as end of file, from its first page on. */
bool reader_is_gone(const struct reader *r)
{
	uint64_t entry;

	return pread(r->pagemap, &entry, sizeof(entry), 0) != sizeof(entry);
}

/*
 * What is past the end of the user's part of the address space reads as end of file,
 * too. Nothing is there, but pointers of the target may lead there.
 */
int reader_pagemap(struct reader *r, uint64_t addr, size_t pages, uint64_t *entries)
{
	off_t at = (off_t)(addr / r->page_size * sizeof(*entries));
	size_t want = pages * sizeof(*entries);
	ssize_t got;

	if (is_late(r))
		return -ESRCH;
	got = pread(r->pagemap, entries, want, at);
	if (got < 0)
		return -errno;
	if ((size_t)got == want)
		return 0;
	if (reader_is_gone(r))
		return -ESRCH;
	memset((char *)entries + got, 0, want - (size_t)got);
	return 0;
}

int reader_presence(struct reader *r, uint64_t addr, size_t pages, uint8_t *present)
{
	uint64_t entries[READER_WINDOW_PAGES];

	while (pages) {
		size_t n = pages < READER_WINDOW_PAGES ? pages : READER_WINDOW_PAGES;
		int err = reader_pagemap(r, addr, n, entries);

		if (err)
			return err;
		for (size_t i = 0; i < n; i++)
			present[i] = (uint8_t)presence_of(entries[i]);
		present += n;
		pages -= n;
		addr += n * r->page_size;
	}
	return 0;
}

/* Copies as much as can be read; how many bytes, or -ESRCH, -EPERM. */
static ssize_t copy(struct reader *r, uint64_t addr, void *buf, size_t len,
		    enum page_presence presence)
{
	if (is_late(r))
		return -ESRCH;
	if (r->device >= 0)
		return device_copy(r->device, addr, buf, len);
	return presence == PAGE_SHARED ? mem_copy(r, addr, buf, len)
				       : readv_copy(r->pid, addr, buf, len);
}

/*
 * Copies one run of pages that were resident a moment ago, in the same way. A page
 * that is gone by now is turned into zeros and marked absent.
 */
static int copy_run(struct reader *r, uint64_t addr, char *buf, size_t pages,
		    uint8_t *present)
{
	while (pages) {
		ssize_t got = copy(r, addr, buf, pages * r->page_size, present[0]);
		size_t done;

		if (got < 0)
			return (int)got;
		done = (size_t)got / r->page_size;
		if (done < pages) {
			memset(buf + done * r->page_size, 0, r->page_size);
			present[done] = PAGE_ABSENT;
			done++;
		}
		addr += done * r->page_size;
		buf += done * r->page_size;
		present += done;
		pages -= done;
	}
	return 0;
}

ssize_t reader_window(struct reader *r, uint64_t addr, size_t len, void *buf,
		      uint8_t *present)
{
	size_t pages = len / r->page_size, resident = 0;
	int err;

	if (!len || len > READER_WINDOW || addr % r->page_size || len % r->page_size)
		return -EINVAL;
	err = reader_presence(r, addr, pages, present);
	if (err)
		return err;
	for (size_t i = 0, end; i < pages; i = end) {
		size_t at = i * r->page_size;

		for (end = i + 1; end < pages && present[end] == present[i]; end++)
			;
		if (!page_is_resident(present[i])) {
			memset((char *)buf + at, 0, (end - i) * r->page_size);
			continue;
		}
		err = copy_run(r, addr + at, (char *)buf + at, end - i, present + i);
		if (err)
			return err;
	}
	for (size_t i = 0; i < pages; i++)
		resident += page_is_resident(present[i]);
	return (ssize_t)resident;
}

/* PAGE_SHARED if that is some of [addr, addr + len), else PAGE_RESIDENT; -ENODATA, -ESRCH. */
static int presence_at(struct reader *r, uint64_t addr, size_t len)
{
	uint64_t first = addr - addr % r->page_size;
	size_t pages = (addr + len - first + r->page_size - 1) / r->page_size;
	uint8_t present[READER_WINDOW_PAGES + 1];
	int err = reader_presence(r, first, pages, present), all = PAGE_RESIDENT;

	if (err)
		return err;
	for (size_t i = 0; i < pages; i++) {
		if (!page_is_resident(present[i]))
			return -ENODATA;
		if (present[i] == PAGE_SHARED)
			all = PAGE_SHARED;
	}
	return all;
}

static int read_piece(struct reader *r, uint64_t addr, void *buf, size_t len)
{
	int presence = r->device >= 0 ? PAGE_RESIDENT : presence_at(r, addr, len);
	ssize_t got;

	if (presence < 0)
		return presence;
	got = copy(r, addr, buf, len, presence);
	if (got < 0)
		return (int)got;
	if ((size_t)got == len)
		return 0;
	return r->device >= 0 ? -ENODATA : -EFAULT;
}

int reader_read(struct reader *r, uint64_t addr, void *buf, size_t len)
{
	if (addr + len < addr)
		return -EFAULT;
	while (len) {
		size_t n = len < READER_WINDOW ? len : READER_WINDOW;
		int err = read_piece(r, addr, buf, n);

		if (err)
			return err;
		addr += n;
		buf = (char *)buf + n;
		len -= n;
	}
	return 0;
}

int reader_gather(struct reader *r, const uint64_t *addr, size_t n, size_t len, void *buf,
		  uint8_t *ok)
{
	if (is_late(r))
		return -ESRCH;
	return r->device >= 0 ? device_gather(r->device, addr, n, len, buf, ok)
			      : readv_gather(r, addr, n, len, buf, ok);
}
