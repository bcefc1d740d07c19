// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules by which a page is counted. Those of smaps are smaps_account() and
 * smaps_pmd_entry() in fs/proc/task_mmu.c (the same from Linux 5.10 to 7.2);
 * those of reclaim are shrink_folio_list() in mm/vmscan.c.
 */
#ifdef __KERNEL__
#include <uapi/linux/fallow.h>
#else
#include <linux/fallow.h>
#endif

#include "page.h"

/* In the order in which reclaim would turn a page down: FALLOW_RECLAIM_*. */
static unsigned int reclaim_class(unsigned int facts)
{
	bool swapbacked = facts & FALLOW_PAGE_SWAPBACKED;

	/*
	 * try_to_unmap() fails in mlocked VMAs, unevictable pages are on no
	 * list that is scanned, and pinned ones are kept by
	 * folio_maybe_dma_pinned() in shrink_folio_list().
	 */
	if (facts & (FALLOW_PAGE_MLOCKED | FALLOW_PAGE_UNEVICTABLE | FALLOW_PAGE_PINNED))
		return FALLOW_RECLAIM_UNEVICTABLE;
	/* MADV_FREE: freed if clean; written to since, it is swap-backed again. */
	if ((facts & FALLOW_PAGE_ANON) && !swapbacked && !(facts & FALLOW_PAGE_DIRTY))
		return FALLOW_RECLAIM_DROP;
	/* can_reclaim_anon_pages(): without free swap, none is scanned. */
	if ((facts & FALLOW_PAGE_ANON) || swapbacked) {
		if ((facts & FALLOW_PAGE_SWAP_SPACE) && !(facts & FALLOW_PAGE_SWAP_LIMIT))
			return FALLOW_RECLAIM_SWAP;
		return FALLOW_RECLAIM_NOSWAP;
	}
	if (facts & (FALLOW_PAGE_DIRTY | FALLOW_PAGE_WRITEBACK))
		return FALLOW_RECLAIM_WRITEBACK;
	return FALLOW_RECLAIM_DROP;
}

static void account_reclaim(struct fallow_counts *c, unsigned int facts, u64 size)
{
	switch (reclaim_class(facts)) {
	case FALLOW_RECLAIM_DROP:
		c->drop += size;
		break;
	case FALLOW_RECLAIM_WRITEBACK:
		c->writeback += size;
		break;
	case FALLOW_RECLAIM_SWAP:
		c->swappable += size;
		break;
	case FALLOW_RECLAIM_NOSWAP:
		c->noswap += size;
		if (facts & FALLOW_PAGE_SWAP_SPACE)
			c->noswap_limit += size;
		break;
	default:
		c->unevictable += size;
	}
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

static bool is_lazyfree(unsigned int facts)
{
	return (facts & (FALLOW_PAGE_ANON | FALLOW_PAGE_SWAPBACKED | FALLOW_PAGE_DIRTY)) ==
	       FALLOW_PAGE_ANON;
}

void fallow_account(struct fallow_counts *c, unsigned int facts, u64 size)
{
	c->rss += size;
	account_kind(c, facts, size);
	if (facts & FALLOW_PAGE_DIRTY)
		c->dirty += size;
	if (is_lazyfree(facts))
		c->lazyfree += size;
	if (facts & FALLOW_PAGE_YOUNG)
		c->young += size;
	if (facts & (FALLOW_PAGE_YOUNG | FALLOW_PAGE_REFERENCED))
		c->referenced += size;
	if (facts & FALLOW_PAGE_SOFT_DIRTY)
		c->soft_dirty += size;
	if (facts & FALLOW_PAGE_KSM)
		c->ksm += size;
	if (facts & FALLOW_PAGE_MLOCKED)
		c->mlocked += size;
	if (facts & FALLOW_PAGE_PINNED)
		c->pinned += size;
	if (facts & FALLOW_PAGE_SWAP_CACHED)
		c->swap_cached += size;
	if (facts & FALLOW_PAGE_LARGE)
		c->large += size;
	if (facts & FALLOW_PAGE_CONT)
		c->cont += size;
	account_reclaim(c, facts, size);
}

void fallow_account_sharing(struct fallow_counts *c, unsigned int facts, u64 size,
			    int mapcount)
{
	bool dirty = facts & FALLOW_PAGE_DIRTY;
	u64 pss = size << FALLOW_PSS_SHIFT;

	if (mapcount >= 2) {
		c->shared += size;
		if (dirty)
			c->shared_dirty += size;
		pss /= (unsigned int)mapcount;
	}
	c->pss += pss;
	if (dirty)
		c->pss_dirty += pss;
}

static const struct {
	unsigned int fact;
	u32 state;
} state_map[] = {
	{ FALLOW_PAGE_ANON, FALLOW_STATE_ANON },
	{ FALLOW_PAGE_KSM, FALLOW_STATE_KSM },
	{ FALLOW_PAGE_DIRTY, FALLOW_STATE_DIRTY },
	{ FALLOW_PAGE_WRITEBACK, FALLOW_STATE_WRITEBACK },
	{ FALLOW_PAGE_REFERENCED | FALLOW_PAGE_YOUNG, FALLOW_STATE_REFERENCED },
	{ FALLOW_PAGE_MLOCKED, FALLOW_STATE_MLOCKED },
	{ FALLOW_PAGE_PINNED, FALLOW_STATE_PINNED },
	{ FALLOW_PAGE_YOUNG, FALLOW_STATE_YOUNG },
	{ FALLOW_PAGE_SOFT_DIRTY, FALLOW_STATE_SOFT_DIRTY },
	{ FALLOW_PAGE_HUGE, FALLOW_STATE_HUGE },
	{ FALLOW_PAGE_SWAP_CACHED, FALLOW_STATE_SWAP_CACHED },
	{ FALLOW_PAGE_LARGE, FALLOW_STATE_LARGE },
};

u32 fallow_page_state(unsigned int facts)
{
	u32 state = FALLOW_STATE_RESIDENT | reclaim_class(facts) << FALLOW_STATE_RECLAIM_SHIFT;
	unsigned int i;

	for (i = 0; i < sizeof(state_map) / sizeof(state_map[0]); i++)
		if (facts & state_map[i].fact)
			state |= state_map[i].state;
	if (is_lazyfree(facts))
		state |= FALLOW_STATE_LAZYFREE;
	if ((facts & (FALLOW_PAGE_ANON | FALLOW_PAGE_SWAPBACKED)) == FALLOW_PAGE_SWAPBACKED)
		state |= FALLOW_STATE_SHMEM;
	return state;
}

/* Codes below 8 count; above, code / 8 - 1 is the exponent, code % 8 the mantissa. */
static unsigned int age_exponent(unsigned int code)
{
	return code < 8 ? 0 : code / 8 - 1;
}

unsigned int fallow_age_next(unsigned int code, u64 interval)
{
	u64 step = 1ULL << age_exponent(code);

	/* Where a code stands for more than one interval, pages take a step at a time. */
	if (code >= FALLOW_AGE_CODE_MAX || (interval & (step - 1)))
		return code;
	return code + 1;
}

u64 fallow_age_intervals(unsigned int code)
{
	unsigned int exponent = age_exponent(code), mantissa = code % 8;
	u64 early;

	if (code < 8)
		return code;
	/*
	 * Steps are taken in intervals whose numbers are multiples of them: the first
	 * of an exponent comes early, by less than a step of its own. A page that has
	 * yet to take it is early by less than a step of the exponent below.
	 */
	early = ((1ULL << exponent) - 1) >> !mantissa;
	return ((u64)(8 + mantissa) << exponent) - early;
}

u32 fallow_age_log2(unsigned int code)
{
	u64 n = fallow_age_intervals(code);
	u32 log = 1;

	for (; n; n >>= 1)
		log++;
	return log;
}
