/* SPDX-License-Identifier: GPL-2.0-only */
/* The facts of pages: the one place where the flags of folios are read. */
#ifndef FALLOW_FACTS_H
#define FALLOW_FACTS_H

#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/page-flags.h>
#include <linux/types.h>

#include "compat.h"
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

/* The flags of a folio that facts are made of. */
#if defined(CONFIG_PAGE_IDLE_FLAG) || defined(CONFIG_IDLE_PAGE_TRACKING)
#define FALLOW_FLAG_YOUNG BIT(PG_young)
#else
#define FALLOW_FLAG_YOUNG 0
#endif

#define FALLOW_FLAGS \
	(BIT(PG_head) | BIT(PG_swapbacked) | BIT(PG_swapcache) | BIT(PG_dirty) | \
	 BIT(PG_writeback) | BIT(PG_referenced) | BIT(PG_mlocked) | BIT(PG_unevictable) | \
	 FALLOW_FLAG_YOUNG)

/* All that the facts of a folio's first page are made of, but for what its entry says. */
struct fallow_kind {
	unsigned long flags;
	unsigned long mapping;
	unsigned long memcg;
	int mapcount;
};

static inline struct fallow_kind fallow_kind_of(struct page *page)
{
	struct folio *folio = (struct folio *)page;

	return (struct fallow_kind){
		.flags = fallow_folio_flags(folio) & FALLOW_FLAGS,
		.mapping = fallow_folio_mapping(folio),
		.memcg = fallow_folio_memcg_data(folio),
		.mapcount = atomic_read(&page->_mapcount),
	};
}

static inline bool fallow_is_of_kind(struct page *page, const struct fallow_kind *kind)
{
	const struct fallow_kind k = fallow_kind_of(page);

	return !((k.flags ^ kind->flags) | (k.mapping ^ kind->mapping) |
		 (k.memcg ^ kind->memcg)) && k.mapcount == kind->mapcount;
}

/*
 * Whether a page is of that kind, small and not pinned: then its facts, and how often it
 * is mapped, are those of every other such page that is mapped by an equal entry.
 */
static inline bool fallow_is_plain(struct page *page, const struct fallow_kind *kind)
{
	return !PageTail(page) && fallow_is_of_kind(page, kind) &&
	       !(kind->flags & BIT(PG_head)) && !folio_maybe_dma_pinned((struct folio *)page);
}

/* The same of the first page of a huge page which, having one reference, is mapped once. */
static inline bool fallow_is_plain_huge(struct page *page, const struct fallow_kind *kind)
{
	return fallow_is_of_kind(page, kind) && folio_ref_count((struct folio *)page) == 1;
}

/*
 * How often each base page of a present @entry is mapped; 0: each has a count of its
 * own, which fallow_mapcount() tells.
 */
int fallow_common_mapcount(const struct fallow_entry *entry);

/*
 * Whether a base page may be looked into: it is memory that this CPU has in its
 * own map (device-private memory is not, and yet counts as resident) and not
 * known to be broken.
 */
bool fallow_page_readable(struct page *page);

#endif
