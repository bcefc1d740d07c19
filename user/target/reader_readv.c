// SPDX-License-Identifier: GPL-2.0-or-later
/* process_vm_readv(), the way to copy where the module is not; see the header. */
#include "target/reader_readv.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define GATHER_BATCH 512 /* below IOV_MAX */
#define ASKED_PAGES  64

ssize_t readv_copy(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)addr, len };
	ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (got < 0 && (errno == ESRCH || errno == EPERM))
		return -errno;
	return got < 0 ? 0 : got;
}

ssize_t mem_copy(struct reader *r, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = pread(r->mem, (char *)buf + done, len - done,
				    (off_t)(addr + done));

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
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

/* Pages that pagemap was asked about. */
struct asked {
	uint64_t first; /* page number */
	size_t n;
	uint8_t present[ASKED_PAGES];
};

/* The presence of the page of addr[0]. Asks for those of the next ones along with it. */
static int presence_of_piece(struct reader *r, const uint64_t *addr, size_t n,
			     struct asked *a)
{
	uint64_t page = addr[0] / r->page_size, last = page;

	if (page - a->first < a->n)
		return a->present[page - a->first];
	for (size_t i = 1; i < n; i++) {
		uint64_t next = addr[i] / r->page_size;

		if (next < last || next - page >= ASKED_PAGES)
			break;
		last = next;
	}
	a->first = page;
	a->n = last - page + 1;
	int err = reader_presence(r, page * r->page_size, a->n, a->present);

	return err ? err : a->present[0];
}

int readv_gather(struct reader *r, const uint64_t *addr, size_t n, size_t len, char *buf,
		 uint8_t *ok)
{
	struct asked asked = { .n = 0 };
	size_t which[GATHER_BATCH];
	size_t pending = 0;

	memset(ok, 0, n);
	for (size_t i = 0; i < n; i++) {
		int err = 0, presence = presence_of_piece(r, addr + i, n - i, &asked);

		if (presence < 0)
			return presence;
		if (presence == PAGE_RESIDENT)
			which[pending++] = i;
		else if (presence == PAGE_SHARED)
			ok[i] = mem_copy(r, addr[i], buf + i * len, len) == (ssize_t)len;
		if (pending == GATHER_BATCH || (pending && i == n - 1)) {
			err = gather_batch(r, addr, which, pending, len, buf, ok);
			if (err)
				return err;
			pending = 0;
		}
	}
	return 0;
}
