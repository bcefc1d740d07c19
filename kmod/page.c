// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules by which a page is counted. Those of smaps are smaps_account() and
 * smaps_pmd_entry() in fs/proc/task_mmu.c (the same from Linux 6.1 to 6.12);
 * those of reclaim are shrink_folio_list() in mm/vmscan.c.
 */
#include "page.h"

static void account_huge(struct fallow_counts *c, const struct fallow_page *page, u64 size)
{
	if (page->anon)
		c->anon_huge += size;
	else if (page->swapbacked)
		c->shmem_huge += size;
	else
		c->file_huge += size;
}

/* In the order in which reclaim would turn a page down. */
static u64 *reclaim_class(struct fallow_counts *c, const struct fallow_page *page, bool dirty)
{
	/*
	 * try_to_unmap() fails in mlocked VMAs, unevictable pages are on no
	 * list that is scanned, and pinned ones are kept by
	 * folio_maybe_dma_pinned() in shrink_folio_list().
	 */
	if (page->mlocked || page->unevictable || page->pinned)
		return &c->unevictable;
	/* MADV_FREE: freed if clean; written to since, it is swap-backed again. */
	if (page->anon && !page->swapbacked && !dirty)
		return &c->drop;
	/* can_reclaim_anon_pages(): without free swap, none is scanned. */
	if (page->anon || page->swapbacked)
		return page->swap_space ? &c->swappable : &c->noswap;
	return dirty || page->under_writeback ? &c->writeback : &c->drop;
}

void fallow_account(struct fallow_counts *c, const struct fallow_page *page, u64 size)
{
	bool dirty = page->dirty || page->entry_dirty;

	c->rss += size;
	if (page->anon)
		c->anon += size;
	else if (page->swapbacked)
		c->shmem += size;
	else
		c->file += size;
	if (page->huge)
		account_huge(c, page, size);
	if (dirty)
		c->dirty += size;
	if (dirty && !page->anon && !page->swapbacked)
		c->file_dirty += size;
	if (page->anon && !page->swapbacked && !dirty)
		c->lazyfree += size;
	if (page->entry_young)
		c->young += size;
	if (page->entry_young || page->referenced)
		c->referenced += size;
	if (page->entry_soft_dirty)
		c->soft_dirty += size;
	if (page->ksm)
		c->ksm += size;
	if (page->pinned)
		c->pinned += size;
	*reclaim_class(c, page, dirty) += size;
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
