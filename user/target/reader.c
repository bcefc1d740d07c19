// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guarded reader. Asks pagemap which pages are resident just before it
 * copies, and copies those alone: it must never make the kernel fault a page
 * in on the target's behalf.
 *
 * pagemap entries: Documentation/admin-guide/mm/pagemap.rst.
 */
#include "target/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define GATHER_BATCH 512 /* below IOV_MAX */

int reader_open(struct reader *r, pid_t pid, int proc_dir)
{
	*r = (struct reader){ .pid = pid, .page_size = (size_t)sysconf(_SC_PAGESIZE) };
	r->pagemap = openat(proc_dir, "pagemap", O_RDONLY | O_CLOEXEC);
	return r->pagemap < 0 ? -errno : 0;
}

void reader_close(struct reader *r)
{
	if (r->pagemap >= 0)
		close(r->pagemap);
	r->pagemap = -1;
}

static enum page_presence presence_of(uint64_t entry)
{
	if (entry & PM_PRESENT)
		return PAGE_RESIDENT;
	return entry & PM_SWAP ? PAGE_SWAPPED : PAGE_ABSENT;
}

/*
 * An address space that is gone reads as end of file; addresses past the end
 * of the user's address space do too, but no caller has a VMA there.
 */
int reader_pagemap(struct reader *r, uint64_t addr, size_t pages, uint64_t *entries)
{
	off_t at = (off_t)(addr / r->page_size * sizeof(*entries));
	size_t want = pages * sizeof(*entries);
	ssize_t got = pread(r->pagemap, entries, want, at);

	if (got < 0)
		return -errno;
	return (size_t)got == want ? 0 : -ESRCH;
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

/*
 * Copies one run of pages that were resident a moment ago. A page that is gone
 * by now is turned into zeros and marked absent.
 */
static int copy_run(struct reader *r, uint64_t addr, char *buf, size_t pages,
		    uint8_t *present)
{
	while (pages) {
		struct iovec local = { buf, pages * r->page_size };
		struct iovec remote = { (void *)(uintptr_t)addr, local.iov_len };
		ssize_t got = process_vm_readv(r->pid, &local, 1, &remote, 1, 0);
		size_t done;

		if (got < 0 && (errno == ESRCH || errno == EPERM))
			return -errno;
		done = got < 0 ? 0 : (size_t)got / r->page_size;
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

		for (end = i + 1; end < pages && (present[end] == PAGE_RESIDENT) ==
							 (present[i] == PAGE_RESIDENT);
		     end++)
			;
		if (present[i] != PAGE_RESIDENT) {
			memset((char *)buf + at, 0, (end - i) * r->page_size);
			continue;
		}
		err = copy_run(r, addr + at, (char *)buf + at, end - i, present + i);
		if (err)
			return err;
	}
	for (size_t i = 0; i < pages; i++)
		resident += present[i] == PAGE_RESIDENT;
	return (ssize_t)resident;
}

static int read_piece(struct reader *r, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)addr, len };
	uint64_t first = addr - addr % r->page_size;
	size_t pages = (addr + len - first + r->page_size - 1) / r->page_size;
	uint8_t present[READER_WINDOW_PAGES + 1];
	ssize_t got;
	int err = reader_presence(r, first, pages, present);

	if (err)
		return err;
	for (size_t i = 0; i < pages; i++)
		if (present[i] != PAGE_RESIDENT)
			return -ENODATA;
	got = process_vm_readv(r->pid, &local, 1, &remote, 1, 0);
	if (got < 0)
		return errno == ESRCH || errno == EPERM ? -errno : -EFAULT;
	return (size_t)got == len ? 0 : -EFAULT;
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

/*
 * One batch of resident pieces in one call. The kernel stops at the first
 * piece that it cannot read; that one is marked and the rest tried again.
 */
static int gather_batch(struct reader *r, const uint64_t *addr, const size_t *which,
			size_t n, size_t len, char *buf, uint8_t *ok)
{
	struct iovec local[GATHER_BATCH], remote[GATHER_BATCH];

	for (size_t i = 0; i < n; i++) {
		local[i] = (struct iovec){ buf + which[i] * len, len };
		remote[i] = (struct iovec){ (void *)(uintptr_t)addr[which[i]], len };
	}
	for (size_t at = 0; at < n;) {
		ssize_t got = process_vm_readv(r->pid, local + at, n - at, remote + at,
					       n - at, 0);
		size_t done;

		if (got < 0 && (errno == ESRCH || errno == EPERM))
			return -errno;
		done = got < 0 ? 0 : (size_t)got / len;
		for (size_t i = at; i < at + done; i++)
			ok[which[i]] = 1;
		at += done;
		if (at < n)
			at++;
	}
	return 0;
}

/* Resident? One entry is asked for; neighbours on the same page cost nothing. */
static int piece_resident(struct reader *r, uint64_t addr, uint64_t *last_page,
			  bool *last)
{
	uint64_t page = addr / r->page_size;
	uint64_t entry;
	int err;

	if (page == *last_page)
		return *last;
	err = reader_pagemap(r, addr, 1, &entry);
	if (err)
		return err;
	*last_page = page;
	*last = presence_of(entry) == PAGE_RESIDENT;
	return *last;
}

int reader_gather(struct reader *r, const uint64_t *addr, size_t n, size_t len, void *buf,
		  uint8_t *ok)
{
	uint64_t last_page = UINT64_MAX;
	size_t which[GATHER_BATCH];
	size_t pending = 0;
	bool last = false;
	int err;

	memset(ok, 0, n);
	for (size_t i = 0; i < n; i++) {
		err = piece_resident(r, addr[i], &last_page, &last);
		if (err < 0)
			return err;
		if (err)
			which[pending++] = i;
		if (pending == GATHER_BATCH || (pending && i == n - 1)) {
			err = gather_batch(r, addr, which, pending, len, buf, ok);
			if (err)
				return err;
			pending = 0;
		}
	}
	return 0;
}
