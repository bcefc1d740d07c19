// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page states from /proc/PID/pagemap, whose entries are made by
 * pte_to_pagemap_entry() and pagemap_pmd_range() in fs/proc/task_mmu.c.
 */
#include "pages/runs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void zero_page_learn(struct zero_page *z)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *page;
	uint64_t entry;

	z->pfn = 0;
	if (fd < 0)
		return;
	page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		(void)*page; /* a read fault maps the zero page */
		if (pread(fd, &entry, sizeof(entry),
			  (off_t)((uintptr_t)page / size * sizeof(entry))) ==
		    sizeof(entry))
			z->pfn = entry & PM_PFN;
		munmap((void *)page, size);
	}
	close(fd);
}

static bool maybe_zero(uint64_t entry)
{
	return (entry & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE)) == PM_PRESENT;
}

/*
 * Private anonymous memory maps no page cache, so that what looks like it there
 * is the huge zero page, which is not PageAnon.
 */
static bool is_huge_zero(const struct vma *vma, uint64_t entry)
{
	return (entry & PM_FILE) && vma_is_anon(vma);
}

static bool is_zero(struct runs *r, uint64_t entry)
{
	if (is_huge_zero(r->vma, entry))
		return true;
	if (!maybe_zero(entry))
		return false;
	/* A raw frame, of a device or of the kernel's. */
	if (r->vma->flags & VMA_PFNMAP)
		return true;
	if (r->zero->pfn)
		return (entry & PM_PFN) == r->zero->pfn;
	if (!r->vma->zero_pages)
		return false;
	r->vma->zero_pages--;
	return true;
}

static enum run_state state_of(struct runs *r, uint64_t entry)
{
	if (!(entry & PM_PRESENT))
		return entry & PM_SWAP ? RUN_SWAPPED : RUN_NONE;
	if (is_zero(r, entry))
		return RUN_NONE;
	return entry & PM_FILE ? RUN_FILE : RUN_ANON;
}

static int refill(struct runs *r)
{
	uint64_t left = (r->end - r->next) / r->reader->page_size;

	r->n = left < RUNS_BUFFER ? left : RUNS_BUFFER;
	r->at = 0;
	return reader_pagemap(r->reader, r->next, r->n, r->entries);
}

/* The next page as a run of its own; 0 at the end. */
static int next_page(struct runs *r, struct page_run *page)
{
	if (r->next >= r->end)
		return 0;
	if (r->at == r->n) {
		int err = refill(r);

		if (err < 0)
			return err;
	}
	page->start = r->next;
	page->state = state_of(r, r->entries[r->at++]);
	r->next += r->reader->page_size;
	page->end = r->next;
	return 1;
}

void runs_init(struct runs *r, struct reader *reader, const struct zero_page *zero,
	       struct vma *vma, uint64_t start, uint64_t end, uint64_t *buffer)
{
	*r = (struct runs){ .reader = reader,
			    .zero = zero,
			    .vma = vma,
			    .next = start,
			    .end = end,
			    .entries = buffer };
	/* hugetlb is present, yet no part of RSS. */
	if (vma->flags & VMA_HUGETLB)
		r->next = r->end;
	/* A reservation in which nothing is costs no look at its page table. */
	if (!vma->st.rss && !vma->st.swap)
		r->next = r->end;
}

int runs_next(struct runs *r, struct page_run *run)
{
	struct page_run page;
	int more;

	if (r->ahead.end) {
		*run = r->ahead;
		r->ahead.end = 0;
	} else {
		more = next_page(r, run);
		if (more <= 0)
			return more;
	}
	while ((more = next_page(r, &page)) > 0) {
		if (page.state != run->state) {
			r->ahead = page;
			return 1;
		}
		run->end = page.end;
	}
	return more < 0 ? more : 1;
}

int runs_survey(struct reader *reader, const struct zero_page *zero, struct vma *vma,
		uint64_t *buffer)
{
	uint64_t present = 0, candidates = 0;
	size_t size = reader->page_size;

	vma->zero_pages = 0;
	if (zero->pfn || !vma->st.rss || (vma->flags & (VMA_HUGETLB | VMA_PFNMAP)))
		return 0;
	for (uint64_t at = vma->start; at < vma->end;) {
		uint64_t left = (vma->end - at) / size;
		size_t n = left < RUNS_BUFFER ? left : RUNS_BUFFER;
		int err = reader_pagemap(reader, at, n, buffer);

		if (err)
			return err;
		for (size_t i = 0; i < n; i++) {
			present +=
				(buffer[i] & PM_PRESENT) && !is_huge_zero(vma, buffer[i]);
			candidates += maybe_zero(buffer[i]);
		}
		at += n * size;
	}
	if (present > vma->st.rss / size)
		vma->zero_pages = present - vma->st.rss / size;
	if (vma->zero_pages > candidates)
		vma->zero_pages = candidates;
	return vma->zero_pages && vma->zero_pages < candidates;
}
