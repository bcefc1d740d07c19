/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a page is in, in our own terms, and how the kernel's files say it. Facts
 * in, state out: nothing here reads anything but zero_page_learn().
 */
#ifndef FALLOW_RUNS_H
#define FALLOW_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/reader.h"
#include "target/vma.h"

/*
 * The state of a page that is there: it is one of RESIDENT, SWAPPED and ZERO, and all
 * other bits are of resident pages. One that is neither ANON nor SHMEM is page
 * cache. What maps nothing is in no run: raw frames, guards, hugetlb.
 */
#define RUN_RESIDENT (1U << 0) /* in RSS */
#define RUN_SWAPPED  (1U << 1) /* the entry is a swap entry: not so for shmem */
#define RUN_ANON     (1U << 2)
#define RUN_SHMEM    (1U << 3)
#define RUN_DIRTY    (1U << 4) /* the entry or the page */
#define RUN_HUGE     (1U << 5) /* mapped by a huge entry */
#define RUN_PINNED   (1U << 6) /* see FALLOW_A_VMA_PINNED */
#define RUN_ZERO     (1U << 7) /* the zero page, or the huge one: not in RSS */

/* Neighbouring pages of equal state and age. */
struct page_run {
	uint64_t start, end;
	uint32_t state; /* RUN_*; 0: nothing is there */
	/*
	 * 0: unknown; 1: accessed within the last interval, or new; n: not
	 * accessed for at least 2^(n - 2) intervals.
	 */
	uint8_t age;
};

/*
 * pagemap shows a mapped zero page as present, RSS does not count it. With
 * CAP_SYS_ADMIN it is known by its frame number. Without, an anonymous page
 * that is not mapped exclusively may be either that or shared with a child; the
 * VMA's RSS then says how many are zero pages, though not which: the first ones
 * are taken for them (struct vma's zero_below).
 */
struct zero_page {
	uint64_t pfn; /* 0: frame numbers are hidden from the caller */
	/* The huge zero page, where pagemap's flags do not tell it; 0: not seen. */
	uint64_t huge_pfn, huge_pages;
};

/* Learns the zero page's frame number from a mapping of our own. */
void zero_page_learn(struct zero_page *z);

/* A further bit of pagemap's entries, whose others are in target/reader.h. */
#define PM_GUARD (1ULL << 58) /* Linux 6.15 */
/* Never set by the kernel, but by us once it is known that the page is mapped huge. */
#define PM_HUGE (1ULL << 60)

/* Whether the entry may be of the zero page, as far as its flags say. */
bool pagemap_maybe_zero(uint64_t entry);

/* Whether the entry, in @v, is of the huge zero page, as far as its flags say. */
bool pagemap_huge_zero(uint64_t entry, const struct vma *v);

/* RUN_* of the page at @addr in @v; 0 for none. */
uint32_t pagemap_state(uint64_t entry, uint64_t addr, const struct vma *v,
		       const struct zero_page *zero);

/*
 * The frame of a huge page that may map the @n pages of a PMD with these entries:
 * anonymous, in a row, and aligned; 0 for none. Small pages, too, may lie so, and
 * parts that are mapped one by one.
 */
uint64_t pagemap_huge_frame(const uint64_t *entries, size_t n);

/* /proc/kpageflags: include/uapi/linux/kernel-page-flags.h */
#define KPF_HUGE_PART (1ULL << 22) /* KPF_THP: part of a transparent huge page */
#define KPF_ZERO_PAGE (1ULL << 24)

/*
 * PAGEMAP_SCAN of Linux 6.7 on /proc/PID/pagemap, by names of our own: headers
 * may be older than the kernel (include/uapi/linux/fs.h).
 */
#define SCAN_FILE    (1ULL << 2)
#define SCAN_PRESENT (1ULL << 3)
#define SCAN_SWAPPED (1ULL << 4)
#define SCAN_ZERO    (1ULL << 5)
#define SCAN_HUGE    (1ULL << 6) /* a PMD maps it */
#define SCAN_GUARD   (1ULL << 8) /* Linux 6.15 */

struct scan_region {
	uint64_t start, end;
	uint64_t categories; /* SCAN_* */
};

/*
 * RUN_* of a region in @v; 0 for none. Of what @v maps huge and anonymously, the
 * huge zero page is not told apart.
 */
uint32_t scan_state(uint64_t categories, const struct vma *v);

#endif
