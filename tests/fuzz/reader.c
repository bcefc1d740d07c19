// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guarded reader (target/reader.h) over an image, with the answers that it gives by
 * process_vm_readv() and pagemap.
 */
#include "target/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

static struct image *image_of(struct reader *r)
{
	return (struct image *)((char *)r - offsetof(struct image, target.reader));
}

const char *reader_name(const struct reader *r)
{
	(void)r;
	return "image";
}

static void presence(struct image *im, uint64_t addr, size_t pages, uint8_t *present)
{
	const struct image_page *p, *end = im->pages + im->npages;

	addr -= addr % IMAGE_PAGE;
	p = image_page_above(im, addr);
	for (size_t i = 0; i < pages; i++, addr += IMAGE_PAGE) {
		while (p < end && p->addr < addr)
			p++;
		present[i] = p < end && p->addr == addr ? p->presence : PAGE_ABSENT;
	}
}

int reader_presence(struct reader *r, uint64_t addr, size_t pages, uint8_t *present)
{
	int err = image_call(image_of(r));

	if (!err)
		presence(image_of(r), addr, pages, present);
	return err;
}

int reader_pagemap(struct reader *r, uint64_t addr, size_t pages, uint64_t *entries)
{
	static const uint64_t entry_of[] = {
		[PAGE_ABSENT] = 0,
		[PAGE_RESIDENT] = PM_PRESENT | PM_EXCLUSIVE,
		[PAGE_SHARED] = PM_PRESENT,
		[PAGE_SWAPPED] = PM_SWAP,
	};
	int err = image_call(image_of(r));

	for (size_t i = 0; !err && i < pages; i++) {
		uint8_t present;

		presence(image_of(r), addr + i * IMAGE_PAGE, 1, &present);
		entries[i] = entry_of[present];
	}
	return err;
}

/* A page that is there: 0, or -EFAULT if its mapping does not let it be read. */
static int copy_page(struct image *im, uint64_t addr, void *buf, size_t len)
{
	struct image_page *p = image_page_above(im, addr - addr % IMAGE_PAGE);

	/* /proc/PID/mem, which what is shared is read from, does not mind. */
	if (!p->readable && p->presence != PAGE_SHARED)
		return -EFAULT;
	p->reads++;
	memcpy(buf, p->data + addr % IMAGE_PAGE, len);
	return 0;
}

static int read_piece(struct image *im, uint64_t addr, char *buf, size_t len)
{
	uint8_t present[READER_WINDOW_PAGES + 1];
	uint64_t first = addr - addr % IMAGE_PAGE;
	size_t pages = (addr + len - first + IMAGE_PAGE - 1) / IMAGE_PAGE;
	int err = 0;

	presence(im, first, pages, present);
	for (size_t i = 0; i < pages; i++)
		if (!page_is_resident(present[i]))
			err = -ENODATA;
	while (!err && len) {
		size_t n = IMAGE_PAGE - addr % IMAGE_PAGE;

		n = n < len ? n : len;
		err = copy_page(im, addr, buf, n);
		addr += n;
		buf += n;
		len -= n;
	}
	return err;
}

int reader_read(struct reader *r, uint64_t addr, void *buf, size_t len)
{
	int err = image_call(image_of(r));

	if (addr + len < addr)
		return -EFAULT;
	for (size_t at = 0, n; !err && at < len; at += n) {
		n = len - at < READER_WINDOW ? len - at : READER_WINDOW;
		err = read_piece(image_of(r), addr + at, (char *)buf + at, n);
	}
	return err;
}

ssize_t reader_window(struct reader *r, uint64_t addr, size_t len, void *buf,
		      uint8_t *present)
{
	size_t pages = len / IMAGE_PAGE, resident = 0;
	int err = image_call(image_of(r));

	if (!len || len > READER_WINDOW || addr % IMAGE_PAGE || len % IMAGE_PAGE)
		return -EINVAL;
	if (err)
		return err;
	presence(image_of(r), addr, pages, present);
	for (size_t i = 0; i < pages; i++) {
		char *to = (char *)buf + i * IMAGE_PAGE;

		if (page_is_resident(present[i]) &&
		    copy_page(image_of(r), addr + i * IMAGE_PAGE, to, IMAGE_PAGE))
			present[i] = PAGE_ABSENT;
		if (page_is_resident(present[i]))
			resident++;
		else
			memset(to, 0, IMAGE_PAGE);
	}
	return (ssize_t)resident;
}

int reader_gather(struct reader *r, const uint64_t *addr, size_t n, size_t len, void *buf,
		  uint8_t *ok)
{
	int err = image_call(image_of(r));

	memset(ok, 0, n);
	for (size_t i = 0; !err && i < n; i++) {
		/* The real one would ask for the first page's presence, and read both. */
		if (addr[i] % IMAGE_PAGE + len > IMAGE_PAGE) {
			fprintf(stderr, "reader_gather: a piece lies on two pages\n");
			abort();
		}
		ok[i] = !read_piece(image_of(r), addr[i], (char *)buf + i * len, len);
	}
	return err;
}
