/* SPDX-License-Identifier: GPL-2.0-only */
/* The facts of pages: the one place where the flags of folios are read. */
#ifndef FALLOW_FACTS_H
#define FALLOW_FACTS_H

#include <linux/mm_types.h>
#include <linux/types.h>

#include "walk.h"

/* What all pages of a VMA have in common. */
struct fallow_vma_facts {
	unsigned int all;	/* FALLOW_PAGE_* of every page */
	unsigned int cached;	/* of page cache and shmem alone */
	/* The last control group that was asked about swap, compared only. */
	const struct mem_cgroup *memcg;
	bool memcg_full;
};

void fallow_vma_facts(struct fallow_vma_facts *f, const struct vm_area_struct *vma);

/* Whether the VMA maps shmem: tmpfs, memfd, SysV, shared anonymous memory. */
bool fallow_vma_is_shmem(const struct vm_area_struct *vma);

/* The facts of the page of @entry, which is not NULL. */
unsigned int fallow_facts(struct fallow_vma_facts *f, const struct fallow_entry *entry);

/*
 * Whether the page of a present @entry surely is mapped once. If not, its base
 * pages have counts of their own: fallow_mapcount().
 */
bool fallow_mapped_once(const struct fallow_entry *entry);

/*
 * Whether a base page may be looked into: it is memory that this CPU has in its
 * own map (device-private memory is not, and yet counts as resident) and not
 * known to be broken.
 */
bool fallow_page_readable(struct page *page);

#endif
