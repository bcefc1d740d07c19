// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk_page_range() is not exported, so here is a walk of our own. The upper
 * levels are stable under the mmap lock. A PTE table may be freed under RCU
 * (retract_page_tables()), so its PMD is read once, and compared again once the
 * table's lock is held.
 */
#include <linux/hugetlb.h>
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/swap.h>

#include "compat.h"
#include "facts.h"
#include "walk.h"

/* Entries on their way to the visitor: it is called once for many. */
struct batch {
	unsigned int n;
	struct fallow_entry entry[FALLOW_BATCH];
};

static void flush(struct fallow_visitor *v, struct vm_area_struct *vma, struct batch *b)
{
	if (b->n)
		v->entries(v, vma, b->entry, b->n);
	b->n = 0;
}

static void tell_hole(struct fallow_visitor *v, struct vm_area_struct *vma, unsigned long start,
		      unsigned long end)
{
	if (v->hole && start < end)
		v->hole(v, vma, start, end);
}

/* A hole up to @boundary, or as much of it as one step may cover. */
static unsigned long skip_hole(struct fallow_visitor *v, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long boundary)
{
	if (v->hole)
		boundary = min(boundary, addr + FALLOW_HOLE_STEP);
	tell_hole(v, vma, addr, boundary);
	return boundary;
}

/*
 * vm_normal_page() (mm/memory.c), which is not exported: the page behind an
 * entry unless it is the zero page, device memory or a raw frame.
 */
static struct page *normal_page(struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	unsigned long pfn = pte_pfn(pte);

	if (pte_special(pte))
		return fallow_special_page(vma, addr);
	/* Where entries cannot be marked as special, the VMA is, or the frame. */
	if (!IS_ENABLED(CONFIG_ARCH_HAS_PTE_SPECIAL) &&
	    ((vma->vm_flags & VM_PFNMAP) || is_zero_pfn(pfn)))
		return NULL;
	/* Frames without a struct page are mapped by drivers alone. */
	if ((vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP | VM_IO)) && !pfn_valid(pfn))
		return NULL;
	return pfn_to_page(pfn);
}

static void tell_leaf(struct fallow_entry *e, const struct fallow_leaf *leaf)
{
	e->page = leaf->page;
	/* smaps takes device-private memory for present. */
	e->flags |= (leaf->swap ? FALLOW_ENTRY_SWAP : 0) |
		    (leaf->guard ? FALLOW_ENTRY_GUARD : 0) |
		    (leaf->device ? FALLOW_ENTRY_PRESENT : 0);
}

#ifdef CONFIG_ARM64
#define is_cont(pte) pte_cont(pte)
#else
#define is_cont(pte) false
#endif

/* Entries that stand for nothing: markers of userfaultfd, poison. */
#define FALLOW_ENTRY_TOLD \
	(FALLOW_ENTRY_ZERO | FALLOW_ENTRY_SWAP | FALLOW_ENTRY_DEVICE | FALLOW_ENTRY_GUARD)

static unsigned int pte_flags_of(pte_t pte)
{
	return FALLOW_ENTRY_PRESENT | (pte_young(pte) ? FALLOW_ENTRY_YOUNG : 0) |
	       (pte_dirty(pte) ? FALLOW_ENTRY_DIRTY : 0) |
	       (pte_soft_dirty(pte) ? FALLOW_ENTRY_SOFT_DIRTY : 0) |
	       (is_cont(pte) ? FALLOW_ENTRY_CONT : 0);
}

/* Whether there is anything to tell of an entry that is not none. */
static bool look_at_pte(struct fallow_entry *e, struct vm_area_struct *vma, pte_t pte)
{
	struct fallow_leaf leaf;

	if (pte_present(pte)) {
		e->flags = pte_flags_of(pte);
		e->page = normal_page(vma, e->addr, pte);
		if (!e->page)
			e->flags |= is_zero_pfn(pte_pfn(pte)) ? FALLOW_ENTRY_ZERO :
								FALLOW_ENTRY_DEVICE;
		return true;
	}
	leaf = fallow_pte_leaf(pte);
	e->flags = pte_swp_soft_dirty(pte) ? FALLOW_ENTRY_SOFT_DIRTY : 0;
	tell_leaf(e, &leaf);
	return e->page || (e->flags & FALLOW_ENTRY_TOLD);
}

/*
 * How many of the next entries, at most @max, map the pages that follow e->page in its
 * folio, with the same flags.
 */
static unsigned long same_folio(const struct fallow_entry *e, struct folio *folio, pte_t *ptep,
				pte_t pte, unsigned long max)
{
	unsigned long n;

	max = min(max, fallow_folio_pages_after(folio, e->page));
	for (n = 0; n < max; n++) {
		pte_t next = ptep_get(++ptep);

		if (!pte_present(next) || pte_special(next) ||
		    pte_pfn(next) != pte_pfn(pte) + n + 1 || pte_flags_of(next) != e->flags)
			break;
	}
	return n;
}

/*
 * How many of the next entries, at most @max, equal this one in their flags, and their
 * pages this one's in all facts. Most of the pages that a server has are passed here.
 */
static unsigned long same_kind(struct fallow_entry *e, const struct vm_area_struct *vma,
			       pte_t *ptep, pte_t pte, unsigned long max)
{
	const struct fallow_kind kind = fallow_kind_of(e->page);
	const unsigned long flags = pgprot_val(pte_pgprot(pte));
	unsigned long n;

	/* What normal_page() asks of a frame, it need not be asked about the next ones. */
	if (pte_special(pte) || (vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP | VM_IO)) ||
	    !fallow_is_plain(e->page, &kind))
		return 0;
	e->flags |= FALLOW_ENTRY_PLAIN;
	for (n = 0; n < max; n++) {
		pte_t next = ptep_get(++ptep);

		if (pgprot_val(pte_pgprot(next)) != flags ||
		    !fallow_is_plain(pfn_to_page(pte_pfn(next)), &kind))
			break;
	}
	return n;
}

/* How many of the next entries are told with this one. */
static unsigned long followers(const struct fallow_visitor *v, struct fallow_entry *e,
			       const struct vm_area_struct *vma, pte_t *ptep, pte_t pte,
			       unsigned long max)
{
	struct folio *folio = page_folio(e->page);

	if (folio_test_large(folio))
		return same_folio(e, folio, ptep, pte, max);
	return v->merge_small ? same_kind(e, vma, ptep, pte, max) : 0;
}

/* [addr, end) within one table; where it stopped: @addr if the table went away. */
static unsigned long walk_ptes(struct fallow_visitor *v, struct vm_area_struct *vma, pmd_t *pmdp,
			       pmd_t pmd, unsigned long addr, unsigned long end)
{
	unsigned long hole = addr;
	/* By what was read: the PMD itself may be empty by now. */
	spinlock_t *ptl = pte_lockptr(vma->vm_mm, &pmd);
	/* A hardened kernel would clear all of it for the sake of a page. */
	struct batch b __uninitialized;
	pte_t *ptep;

	end = min(end, addr + FALLOW_STEP_ENTRIES * PAGE_SIZE);
	spin_lock(ptl);
	if (!pmd_same(pmd, READ_ONCE(*pmdp))) {
		spin_unlock(ptl);
		return addr;
	}
	b.n = 0;
	v->looked += (end - addr) >> PAGE_SHIFT;
	ptep = pte_offset_kernel(pmdp, addr);
	for (; addr < end; ptep++, addr += PAGE_SIZE) {
		struct fallow_entry *e = &b.entry[b.n];
		pte_t pte = ptep_get(ptep);

		if (pte_none(pte))
			continue;
		if (hole < addr) {
			flush(v, vma, &b);
			tell_hole(v, vma, hole, addr);
			e = &b.entry[0];
		}
		hole = addr + PAGE_SIZE;
		e->addr = addr;
		e->size = PAGE_SIZE;
		e->pte = ptep;
		e->pmd = NULL;
		if (!look_at_pte(e, vma, pte))
			continue;
		if (v->merge && e->page && pte_present(pte) && addr + PAGE_SIZE < end) {
			unsigned long n = followers(v, e, vma, ptep, pte,
						    ((end - addr) >> PAGE_SHIFT) - 1);

			e->size += n << PAGE_SHIFT;
			ptep += n;
			addr += n << PAGE_SHIFT;
			hole = addr + PAGE_SIZE;
		}
		if (++b.n == FALLOW_BATCH)
			flush(v, vma, &b);
	}
	flush(v, vma, &b);
	tell_hole(v, vma, hole, end);
	spin_unlock(ptl);
	return end;
}

static unsigned int pmd_flags_of(pmd_t pmd)
{
	return FALLOW_ENTRY_HUGE | FALLOW_ENTRY_PRESENT |
	       (pmd_young(pmd) ? FALLOW_ENTRY_YOUNG : 0) |
	       (pmd_dirty(pmd) ? FALLOW_ENTRY_DIRTY : 0) |
	       (pmd_soft_dirty(pmd) ? FALLOW_ENTRY_SOFT_DIRTY : 0);
}

/* As same_kind(), of huge pages, up to @end. */
static unsigned long same_huge(const struct fallow_entry *e, const struct vm_area_struct *vma,
			       unsigned long end)
{
	const struct fallow_kind kind = fallow_kind_of(e->page);
	unsigned long max = (end - e->addr) / PMD_SIZE, n;

	if (e->size != PMD_SIZE || (vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP | VM_IO)) ||
	    !fallow_is_plain_huge(e->page, &kind))
		return 0;
	for (n = 1; n < max; n++) {
		pmd_t next = READ_ONCE(e->pmd[n]);

		if (!pmd_present(next) || !pmd_leaf(next) || fallow_pmd_special(next) ||
		    pmd_flags_of(next) != e->flags ||
		    !fallow_is_plain_huge(pmd_page(next), &kind))
			break;
	}
	return n - 1;
}

/*
 * A huge page maps what is between @addr and @end. In anonymous memory, what is
 * not an anonymous page is the huge zero page, whose address is not exported.
 * Up to where all that is in the table, which ends at @table_end, was told.
 */
static unsigned long tell_huge_pmd(struct fallow_visitor *v, struct vm_area_struct *vma,
				   pmd_t *pmdp, pmd_t pmd, unsigned long addr,
				   unsigned long end, unsigned long table_end)
{
	unsigned long skip = (addr & ~PMD_MASK) >> PAGE_SHIFT;
	struct fallow_entry e = { .addr = addr, .size = end - addr, .pmd = pmdp,
				  .flags = FALLOW_ENTRY_HUGE };

	if (pmd_present(pmd)) {
		e.flags = pmd_flags_of(pmd);
		if (!pfn_valid(pmd_pfn(pmd)) || (vma->vm_flags & VM_PFNMAP))
			e.flags |= FALLOW_ENTRY_DEVICE;
		else if (vma_is_anonymous(vma) && !PageAnon(pmd_page(pmd)))
			e.flags |= FALLOW_ENTRY_ZERO;
		else if (fallow_pmd_special(pmd))
			e.flags |= FALLOW_ENTRY_DEVICE;
		else
			e.page = pmd_page(pmd) + skip;
	} else {
		struct fallow_leaf leaf = fallow_pmd_leaf(pmd);

		tell_leaf(&e, &leaf);
		if (e.page)
			e.page += skip;
	}
	if (v->merge_huge && e.page && pmd_present(pmd)) {
		unsigned long n = same_huge(&e, vma, table_end);

		v->looked += n;
		e.size += n * PMD_SIZE;
	}
	if (e.page || (e.flags & FALLOW_ENTRY_TOLD))
		v->entries(v, vma, &e, 1);
	return addr + e.size;
}

/* Where it stopped; @addr: look again, the PMD changed. */
static unsigned long walk_pmd(struct fallow_visitor *v, struct vm_area_struct *vma,
			      pmd_t *pmdp, unsigned long addr, unsigned long table_end)
{
	unsigned long end = pmd_addr_end(addr, table_end);
	pmd_t pmd = READ_ONCE(*pmdp);
	spinlock_t *ptl;

	barrier();
	if (pmd_none(pmd)) {
		tell_hole(v, vma, addr, end);
		return end;
	}
	if (fallow_pmd_is_leaf(pmd)) {
		ptl = pmd_lock(vma->vm_mm, pmdp);
		if (!pmd_same(pmd, READ_ONCE(*pmdp))) {
			spin_unlock(ptl);
			return addr;
		}
		v->looked++;
		end = min(end, addr + FALLOW_STEP_ENTRIES * PAGE_SIZE);
		end = tell_huge_pmd(v, vma, pmdp, pmd, addr, end, table_end);
		spin_unlock(ptl);
		return end;
	}
	/* Neither huge nor a table: pmd_none_or_clear_bad() would clear it. */
	if (pmd_bad(pmd))
		return end;
	return walk_ptes(v, vma, pmdp, pmd, addr, end);
}

/*
 * hugetlb maps by PUDs and PMDs and, on arm64, by contiguous PTEs. Its PMD tables
 * may be shared with other processes and unshared without our mmap lock, but not
 * freed while interrupts are off: that is what lockless GUP relies on
 * (huge_pmd_unshare()). Its PTE tables go with the VMA alone.
 */
static void tell_hugetlb(struct fallow_visitor *v, struct vm_area_struct *vma,
			 unsigned long addr, unsigned long size)
{
	struct fallow_entry e = { .addr = addr, .size = size,
				  .flags = FALLOW_ENTRY_HUGE | FALLOW_ENTRY_PRESENT };

	v->entries(v, vma, &e, 1);
}

static unsigned long walk_hugetlb_ptes(struct fallow_visitor *v, struct vm_area_struct *vma,
				       pmd_t pmd, unsigned long addr, unsigned long end)
{
	pte_t *ptep = pte_offset_kernel(&pmd, addr);

	end = min(end, addr + FALLOW_STEP_ENTRIES * PAGE_SIZE);
	for (; addr < end; ptep++, addr += PAGE_SIZE) {
		v->looked++;
		if (pte_present(ptep_get(ptep)))
			tell_hugetlb(v, vma, addr, PAGE_SIZE);
	}
	return end;
}

static unsigned long walk_hugetlb_pmds(struct fallow_visitor *v, struct vm_area_struct *vma,
				       pud_t pud, unsigned long addr, unsigned long end)
{
	pmd_t *pmdp = pmd_offset(&pud, addr);
	unsigned long next;

	for (; addr < end; addr = next, pmdp++) {
		pmd_t pmd = READ_ONCE(*pmdp);

		v->looked++;
		next = pmd_addr_end(addr, end);
		if (!pmd_present(pmd))
			continue;
		if (!pmd_leaf(pmd))
			return walk_hugetlb_ptes(v, vma, pmd, addr, next);
		tell_hugetlb(v, vma, addr, next - addr);
	}
	return end;
}

static unsigned long walk_hugetlb(struct fallow_visitor *v, struct vm_area_struct *vma,
				  pud_t *pudp, unsigned long addr, unsigned long end)
{
	unsigned long flags;
	pud_t pud;

	end = min(pud_addr_end(addr, end), addr + FALLOW_STEP_ENTRIES * PMD_SIZE);
	local_irq_save(flags);
	pud = READ_ONCE(*pudp);
	if (pud_present(pud) && pud_leaf(pud)) {
		v->looked++;
		tell_hugetlb(v, vma, addr, end - addr);
	} else if (pud_present(pud)) {
		end = walk_hugetlb_pmds(v, vma, pud, addr, end);
	}
	local_irq_restore(flags);
	return end;
}

#define PMD_RETRIES 8

static unsigned long walk_pmd_patiently(struct fallow_visitor *v, struct vm_area_struct *vma,
					pmd_t *pmdp, unsigned long addr, unsigned long table_end)
{
	int i;

	for (i = 0; i < PMD_RETRIES; i++) {
		unsigned long stopped;

		rcu_read_lock();
		stopped = walk_pmd(v, vma, pmdp, addr, table_end);
		rcu_read_unlock();
		if (stopped != addr)
			return stopped;
	}
	/* Under a storm of collapses and splits, a PMD is passed over. */
	return pmd_addr_end(addr, table_end);
}

/* Empty PMDs up to the first that is not; all of them are in one table. */
static unsigned long skip_empty_pmds(struct fallow_visitor *v, struct vm_area_struct *vma,
				     pmd_t *pmdp, unsigned long addr, unsigned long end)
{
	unsigned long start = addr;

	while (addr < end && pmd_none(READ_ONCE(*pmdp))) {
		addr = pmd_addr_end(addr, end);
		pmdp++;
		if (v->hole && addr - start >= FALLOW_HOLE_STEP)
			break;
	}
	tell_hole(v, vma, start, addr);
	return addr;
}

static unsigned long walk_pmds(struct fallow_visitor *v, struct vm_area_struct *vma, pud_t *pud,
			       unsigned long addr, unsigned long end)
{
	pmd_t *pmdp = pmd_offset(pud, addr);
	unsigned long next;

	end = pud_addr_end(addr, end);
	next = skip_empty_pmds(v, vma, pmdp, addr, end);
	if (next > addr)
		return next;
	if (v->table && !v->table(v, vma, addr)) {
		next = pmd_addr_end(addr, end);
		tell_hole(v, vma, addr, next);
		return next;
	}
	return walk_pmd_patiently(v, vma, pmdp, addr, end);
}

/* A PUD that maps memory itself maps a device's: not in RSS. */
static unsigned long tell_huge_pud(struct fallow_visitor *v, struct vm_area_struct *vma,
				   unsigned long addr, unsigned long end)
{
	struct fallow_entry e = { .addr = addr, .size = pud_addr_end(addr, end) - addr,
				  .flags = FALLOW_ENTRY_HUGE | FALLOW_ENTRY_PRESENT |
					   FALLOW_ENTRY_DEVICE };

	v->looked++;
	v->entries(v, vma, &e, 1);
	return addr + e.size;
}

unsigned long fallow_walk_step(struct fallow_visitor *v, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end)
{
	pgd_t *pgd = pgd_offset(vma->vm_mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return skip_hole(v, vma, addr, pgd_addr_end(addr, end));
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return skip_hole(v, vma, addr, p4d_addr_end(addr, end));
	pud = pud_offset(p4d, addr);
	if (is_vm_hugetlb_page(vma))
		return walk_hugetlb(v, vma, pud, addr, end);
	if (pud_none(*pud))
		return skip_hole(v, vma, addr, pud_addr_end(addr, end));
	if (pud_leaf(*pud))
		return tell_huge_pud(v, vma, addr, end);
	if (pud_bad(*pud))
		return pud_addr_end(addr, end);
	return walk_pmds(v, vma, pud, addr, end);
}

#if defined(CONFIG_X86) || defined(CONFIG_ARM64)

#ifdef CONFIG_X86
#define ACCESSED_BIT _PAGE_BIT_ACCESSED
#else
#define ACCESSED_BIT ilog2(PTE_AF)
#endif

static unsigned long *word_of(const struct fallow_entry *entry)
{
	return entry->pte ? (unsigned long *)entry->pte : (unsigned long *)entry->pmd;
}

/* What has no accessed bit is in no TLB. */
void fallow_entry_set_young(struct vm_area_struct *vma, const struct fallow_entry *entry)
{
	set_bit(ACCESSED_BIT, word_of(entry));
}

#else

void fallow_entry_set_young(struct vm_area_struct *vma, const struct fallow_entry *entry)
{
	folio_set_young(page_folio(entry->page));
}

#endif

bool fallow_entry_clear_young(struct vm_area_struct *vma, const struct fallow_entry *entry)
{
	if (!(entry->flags & FALLOW_ENTRY_YOUNG))
		return false;
#ifdef CONFIG_X86
	/* ptep_test_and_clear_young() and its like are not exported: they do this. */
	return test_and_clear_bit(ACCESSED_BIT, word_of(entry));
#else
	if (entry->pte || !IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		return ptep_test_and_clear_young(vma, entry->addr, entry->pte);
	return pmdp_test_and_clear_young(vma, entry->addr, entry->pmd);
#endif
}
