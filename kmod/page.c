// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules by which a page is counted. Those of smaps are smaps_account() and
 * smaps_pmd_entry() in fs/proc/task_mmu.c (the same from Linux 6.1 to 6.12);
 * those of reclaim are shrink_folio_list() in mm/vmscan.c.
 */
#include "page.h"

/* In the order in which reclaim would turn a page down. */
static u64 *reclaim_class(struct fallow_counts *c, unsigned int facts)
{
	bool swapbacked = facts & FALLOW_PAGE_SWAPBACKED;

	/*
	 * try_to_unmap() fails in mlocked VMAs, unevictable pages are on no
	 * list that is scanned, and pinned ones are kept by
	 * folio_maybe_dma_pinned() in shrink_folio_list().
	 */
	if (facts & (FALLOW_PAGE_MLOCKED | FALLOW_PAGE_UNEVICTABLE | FALLOW_PAGE_PINNED))
		return &c->unevictable;
	/* MADV_FREE: freed if clean; written to since, it is swap-backed again. */
	if ((facts & FALLOW_PAGE_ANON) && !swapbacked && !(facts & FALLOW_PAGE_DIRTY))
		return &c->drop;
	/* can_reclaim_anon_pages(): without free swap, none is scanned. */
	if ((facts & FALLOW_PAGE_ANON) || swapbacked)
		return facts & FALLOW_PAGE_SWAP_SPACE ? &c->swappable : &c->noswap;
	return facts & (FALLOW_PAGE_DIRTY | FALLOW_PAGE_WRITEBACK) ? &c->writeback : &c->drop;
}

static void account_kind(struct fallow_counts *c, unsigned int facts, u64 size)
{
	u64 *kind, *huge;

	if (facts & FALLOW_PAGE_ANON) {
		kind = &c->anon;
		huge = &c->anon_huge;
	} else if (facts & FALLOW_PAGE_SWAPBACKED) {
		kind = &c->shmem;
		huge = &c->shmem_huge;
	} else {
		kind = &c->file;
		huge = &c->file_huge;
		if (facts & FALLOW_PAGE_DIRTY)
			c->file_dirty += size;
	}
	*kind += size;
	if (facts & FALLOW_PAGE_HUGE)
		*huge += size;
}

void fallow_account(struct fallow_counts *c, unsigned int facts, u64 size)
{
	c->rss += size;
	account_kind(c, facts, size);
	if (facts & FALLOW_PAGE_DIRTY)
		c->dirty += size;
	if ((facts & (FALLOW_PAGE_ANON | FALLOW_PAGE_SWAPBACKED | FALLOW_PAGE_DIRTY)) ==
	    FALLOW_PAGE_ANON)
		c->lazyfree += size;
	if (facts & FALLOW_PAGE_YOUNG)
		c->young += size;
	if (facts & (FALLOW_PAGE_YOUNG | FALLOW_PAGE_REFERENCED))
		c->referenced += size;
	if (facts & FALLOW_PAGE_SOFT_DIRTY)
		c->soft_dirty += size;
	if (facts & FALLOW_PAGE_KSM)
		c->ksm += size;
	if (facts & FALLOW_PAGE_PINNED)
		c->pinned += size;
	*reclaim_class(c, facts) += size;
}

void fallow_account_sharing(struct fallow_counts *c, u64 size, int mapcount)
{
	u64 pss = size << FALLOW_PSS_SHIFT;

	if (mapcount >= 2) {
		c->shared += size;
		pss /= (unsigned int)mapcount;
	}
	c->pss += pss;
}
