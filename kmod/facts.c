// SPDX-License-Identifier: GPL-2.0-only
/* Reads the flags of folios, and what their VMA and control group say of them. */
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page_counter.h>
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "compat.h"
#include "facts.h"
#include "page.h"

/* A flag of a folio, or of an entry, as a fact. */
#define FACT(flags, flag, fact) ((flags) & (flag) ? (fact) : 0)

/* shmem_mapping() is not exported before 6.6. */
bool fallow_vma_is_shmem(const struct vm_area_struct *vma)
{
	return vma->vm_file && !is_vm_hugetlb_page((struct vm_area_struct *)vma) &&
	       vma->vm_file->f_mapping->host->i_sb->s_magic == TMPFS_MAGIC;
}

void fallow_vma_facts(struct fallow_vma_facts *f, const struct vm_area_struct *vma)
{
	bool unevictable = vma->vm_file && mapping_unevictable(vma->vm_file->f_mapping);

	*f = (struct fallow_vma_facts){
		.all = FACT(vma->vm_flags, VM_LOCKED, FALLOW_PAGE_MLOCKED) |
		       FACT(vma->vm_flags, VM_SOFTDIRTY, FALLOW_PAGE_SOFT_DIRTY) |
		       (get_nr_swap_pages() > 0 ? FALLOW_PAGE_SWAP_SPACE : 0),
		.cached = unevictable ? FALLOW_PAGE_UNEVICTABLE : 0,
	};
}

#ifdef CONFIG_MEMCG
/* mem_cgroup_get_nr_swap_pages(), which is not exported, below the root. */
static bool swap_limit_reached(struct mem_cgroup *memcg)
{
	if (mem_cgroup_disabled() || !cgroup_subsys_on_dfl(memory_cgrp_subsys))
		return false;
	for (; memcg && parent_mem_cgroup(memcg); memcg = parent_mem_cgroup(memcg))
		if (READ_ONCE(memcg->swap.max) <= page_counter_read(&memcg->swap))
			return true;
	return false;
}
#else
static bool swap_limit_reached(struct mem_cgroup *memcg)
{
	return false;
}
#endif

/*
 * Neighbours mostly are of one control group, so that one answer serves many. The
 * walk is under RCU.
 */
static bool memcg_full(struct fallow_vma_facts *f, struct folio *folio)
{
	struct mem_cgroup *memcg = fallow_folio_memcg(folio);

	if (memcg != f->memcg) {
		f->memcg = memcg;
		f->memcg_full = swap_limit_reached(memcg);
	}
	return f->memcg_full;
}

static unsigned int kind_of(const struct fallow_vma_facts *f, struct folio *folio,
			    unsigned long flags)
{
	unsigned long mapping = fallow_folio_mapping(folio);
	unsigned int facts;

	if (mapping & FOLIO_MAPPING_ANON) {
		facts = FALLOW_PAGE_ANON | FACT(flags, BIT(PG_swapcache), FALLOW_PAGE_SWAP_CACHED);
		if ((mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_KSM)
			facts |= FALLOW_PAGE_KSM;
		/* The flag is its owner's, and means this for swap-backed pages alone. */
		return flags & BIT(PG_swapbacked) ? facts : facts & ~FALLOW_PAGE_SWAP_CACHED;
	}
	/* Without a mapping it is the kernel's own, as is the vDSO. */
	return mapping ? f->cached : FALLOW_PAGE_UNEVICTABLE;
}

unsigned int fallow_facts(struct fallow_vma_facts *f, const struct fallow_entry *e)
{
	struct folio *folio = page_folio(e->page);
	/* Read once: the flags change under our eyes, but must not disagree. */
	unsigned long flags = fallow_folio_flags(folio);
	unsigned int facts = f->all | kind_of(f, folio, flags);

	facts |= FACT(flags, BIT(PG_swapbacked), FALLOW_PAGE_SWAPBACKED) |
		 FACT(flags, BIT(PG_dirty), FALLOW_PAGE_DIRTY) |
		 FACT(flags, BIT(PG_writeback), FALLOW_PAGE_WRITEBACK) |
		 FACT(flags, BIT(PG_referenced), FALLOW_PAGE_REFERENCED) |
		 FACT(flags, BIT(PG_mlocked), FALLOW_PAGE_MLOCKED) |
		 FACT(flags, BIT(PG_unevictable), FALLOW_PAGE_UNEVICTABLE) |
		 FACT(flags, BIT(PG_head), FALLOW_PAGE_LARGE) |
		 FACT(e->flags, FALLOW_ENTRY_DIRTY, FALLOW_PAGE_DIRTY) |
		 FACT(e->flags, FALLOW_ENTRY_YOUNG, FALLOW_PAGE_YOUNG) |
		 FACT(e->flags, FALLOW_ENTRY_SOFT_DIRTY, FALLOW_PAGE_SOFT_DIRTY) |
		 FACT(e->flags, FALLOW_ENTRY_HUGE, FALLOW_PAGE_HUGE) |
		 FACT(e->flags, FALLOW_ENTRY_CONT, FALLOW_PAGE_CONT);
	if (folio_test_young(folio))
		facts |= FALLOW_PAGE_REFERENCED;
	if (folio_maybe_dma_pinned(folio))
		facts |= FALLOW_PAGE_PINNED;
	if ((facts & FALLOW_PAGE_SWAP_SPACE) && (facts & FALLOW_PAGE_SWAPBACKED) &&
	    memcg_full(f, folio))
		facts |= FALLOW_PAGE_SWAP_LIMIT;
	return facts;
}

/* By smaps_account(), one reference is one mapping. */
int fallow_common_mapcount(const struct fallow_entry *e)
{
	struct folio *folio = page_folio(e->page);

	if (folio_ref_count(folio) == 1)
		return 1;
	return e->flags & FALLOW_ENTRY_PLAIN ? max(fallow_mapcount(folio, e->page), 1) : 0;
}

bool fallow_page_readable(struct page *page)
{
	return !is_zone_device_page(page) && !PageHWPoison(page);
}
