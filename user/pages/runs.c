// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page states from what the kernel tells: entries of pagemap are made by
 * pte_to_pagemap_entry() and pagemap_pmd_range(), categories of PAGEMAP_SCAN by
 * pagemap_page_category() and pagemap_thp_category(), in fs/proc/task_mmu.c.
 */
#include "pages/runs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void zero_page_learn(struct zero_page *z)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *page;
	uint64_t entry;

	*z = (struct zero_page){ 0 };
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

bool pagemap_maybe_zero(uint64_t entry)
{
	return (entry & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE)) == PM_PRESENT;
}

/*
 * Private anonymous memory maps no page cache, so that what looks like it there
 * is the huge zero page, which is not PageAnon.
 */
bool pagemap_huge_zero(uint64_t entry, const struct vma *v)
{
	return (entry & PM_FILE) && vma_is_anon(v);
}

static bool is_zero(uint64_t entry, uint64_t addr, const struct vma *v,
		    const struct zero_page *zero)
{
	if (pagemap_huge_zero(entry, v))
		return true;
	if (!pagemap_maybe_zero(entry))
		return false;
	if ((entry & PM_PFN) - zero->huge_pfn < zero->huge_pages)
		return true;
	return zero->pfn ? (entry & PM_PFN) == zero->pfn : addr < v->zero_below;
}

static uint32_t resident(bool file, const struct vma *v)
{
	if (!file)
		return RUN_RESIDENT | RUN_ANON;
	return RUN_RESIDENT | (v->flags & VMA_SHMEM ? RUN_SHMEM : 0);
}

uint32_t pagemap_state(uint64_t entry, uint64_t addr, const struct vma *v,
		       const struct zero_page *zero)
{
	if (entry & PM_GUARD)
		return 0;
	if (!(entry & PM_PRESENT))
		return entry & PM_SWAP ? RUN_SWAPPED : 0;
	/* A raw frame, of a device or of the kernel's. */
	if (pagemap_maybe_zero(entry) && (v->flags & VMA_PFNMAP))
		return 0;
	if (is_zero(entry, addr, v, zero))
		return RUN_ZERO;
	return resident(entry & PM_FILE, v) | (entry & PM_HUGE ? RUN_HUGE : 0);
}

uint64_t pagemap_huge_frame(const uint64_t *entries, size_t n)
{
	uint64_t first = entries[0] & PM_PFN;

	if (!first || first % n)
		return 0;
	for (size_t i = 0; i < n; i++)
		if ((entries[i] & (PM_PRESENT | PM_FILE | PM_PFN)) !=
		    (PM_PRESENT | (first + i)))
			return 0;
	return first;
}

uint32_t scan_state(uint64_t categories, const struct vma *v)
{
	if (categories & SCAN_GUARD)
		return 0;
	if (categories & SCAN_ZERO)
		return RUN_ZERO;
	if (!(categories & SCAN_PRESENT))
		return categories & SCAN_SWAPPED ? RUN_SWAPPED : 0;
	return resident(categories & SCAN_FILE, v) |
	       (categories & SCAN_HUGE ? RUN_HUGE : 0);
}
