/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions, from 5.10 on, all of them. The rest of
 * the module is written for the newest. FALLOW_HAVE_* are Kbuild's: headers that
 * the kernel has.
 */
#ifndef FALLOW_COMPAT_H
#define FALLOW_COMPAT_H

#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/page_idle.h>
#include <linux/pgtable.h>
#include <linux/sched/task.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/version.h>
#include <linux/xarray.h>
#include <net/genetlink.h>
#ifdef FALLOW_HAVE_EXEC_STATE
#include <linux/sched/exec_state.h>
#endif

/* Compilers. */

/* Of 6.15: what a function fills itself is not cleared before (INIT_STACK_ALL_ZERO). */
#ifndef __uninitialized
#if __has_attribute(__uninitialized__)
#define __uninitialized __attribute__((__uninitialized__))
#else
#define __uninitialized
#endif
#endif

/* Netlink. */

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
static inline struct nlattr **fallow_dump_attrs(struct netlink_callback *cb)
{
	return genl_dumpit_info(cb)->attrs;
}
#else
static inline struct nlattr **fallow_dump_attrs(struct netlink_callback *cb)
{
	return genl_info_dump(cb)->attrs;
}
#endif

/* From 6.1 on a family says from which command on all are validated strictly. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define FALLOW_RESV_START_OP(n)
#else
#define FALLOW_RESV_START_OP(n) .resv_start_op = (n),
#endif

/* Files. */

/* A file on a stacking file system is mapped from below, but known by its user's path. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline const struct path *fallow_file_path(struct file *file)
{
	return &file->f_path;
}

static inline const struct inode *fallow_file_inode(struct file *file)
{
	return file_inode(file);
}
#else
static inline const struct path *fallow_file_path(struct file *file)
{
	return file_user_path(file);
}

static inline const struct inode *fallow_file_inode(struct file *file)
{
	return file_user_inode(file);
}
#endif

/* File systems whose memory is not for others; the newer ones have these in magic.h. */
#define FALLOW_SECRETMEM_MAGIC		0x5345434d	/* mm/secretmem.c */
#define FALLOW_GUEST_MEMFD_MAGIC	0x474d454d	/* virt/kvm/guest_memfd.c */

/* VMAs. */

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
struct vma_iterator {
	struct mm_struct *mm;
	unsigned long addr;
};

#define VMA_ITERATOR(name, __mm, __addr) struct vma_iterator name = { (__mm), (__addr) }

static inline struct vm_area_struct *vma_next(struct vma_iterator *vmi)
{
	struct vm_area_struct *vma = find_vma(vmi->mm, vmi->addr);

	if (vma)
		vmi->addr = vma->vm_end;
	return vma;
}

#define for_each_vma(vmi, vma) while ((vma = vma_next(&(vmi))))
#endif

/* Tasks. */

/* The user namespace of @task's memory; the caller holds its alloc_lock. */
#ifdef FALLOW_HAVE_EXEC_STATE
static inline struct user_namespace *fallow_user_ns(struct task_struct *task)
{
	return rcu_dereference_protected(task->exec_state,
					 lockdep_is_held(&task->alloc_lock))->user_ns;
}
#else
static inline struct user_namespace *fallow_user_ns(struct task_struct *task)
{
	return task->mm->user_ns;
}
#endif

/* Folios. */

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
/* The head of a compound page, or a page of its own. */
struct folio {
	struct page page;
};

static inline struct folio *page_folio(struct page *page)
{
	return (struct folio *)compound_head(page);
}

static inline int folio_ref_count(struct folio *folio)
{
	return page_ref_count(&folio->page);
}

static inline bool folio_test_large(struct folio *folio)
{
	return PageHead(&folio->page);
}

static inline long folio_nr_pages(struct folio *folio)
{
	return compound_nr(&folio->page);
}

static inline bool folio_test_young(struct folio *folio)
{
	return page_is_young(&folio->page);
}

static inline bool folio_test_clear_young(struct folio *folio)
{
	return test_and_clear_page_young(&folio->page);
}

static inline bool folio_test_idle(struct folio *folio)
{
	return page_is_idle(&folio->page);
}

static inline void folio_clear_idle(struct folio *folio)
{
	clear_page_idle(&folio->page);
}

static inline void folio_set_young(struct folio *folio)
{
	set_page_young(&folio->page);
}

static inline bool folio_maybe_dma_pinned(struct folio *folio)
{
	return page_maybe_dma_pinned(&folio->page);
}
#endif

/* How many pages of @folio follow @page. */
static inline unsigned long fallow_folio_pages_after(struct folio *folio, struct page *page)
{
	return folio_nr_pages(folio) - 1 - (page_to_pfn(page) - page_to_pfn(&folio->page));
}

/* The flags' word, read once. */
static inline unsigned long fallow_folio_flags(struct folio *folio)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
	return READ_ONCE(folio->page.flags);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	return READ_ONCE(folio->flags);
#else
	return READ_ONCE(folio->flags.f);
#endif
}

static inline unsigned long fallow_folio_mapping(struct folio *folio)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
	return (unsigned long)READ_ONCE(folio->page.mapping);
#else
	return (unsigned long)READ_ONCE(folio->mapping);
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define FOLIO_MAPPING_ANON	PAGE_MAPPING_ANON
#define FOLIO_MAPPING_KSM	PAGE_MAPPING_KSM
#define FOLIO_MAPPING_FLAGS	PAGE_MAPPING_FLAGS
#endif

/*
 * How often a page is mapped, as smaps counts it: page_mapcount() until 6.9, then
 * folio_precise_page_mapcount() of fs/proc/internal.h.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline int fallow_mapcount(struct folio *folio, struct page *page)
{
	return page_mapcount(page);
}
#else
static inline int fallow_mapcount(struct folio *folio, struct page *page)
{
	int mapcount = atomic_read(&page->_mapcount) + 1;

	if (page_mapcount_is_type(mapcount))
		mapcount = 0;
	if (folio_test_large(folio))
		mapcount += folio_entire_mapcount(folio);
	return mapcount;
}
#endif

/* Whether smaps takes a page under migration for shared: since 6.12. */
#define FALLOW_MIGRATION_SHARED (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0))

/* The memory control group that @folio is charged to; stable under RCU and its entry's lock. */
static inline struct mem_cgroup *fallow_folio_memcg(struct folio *folio)
{
#ifndef CONFIG_MEMCG
	return NULL;
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
	return READ_ONCE(folio->page.mem_cgroup);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
	return page_memcg(&folio->page);
#else
	return folio_memcg(folio);
#endif
}

/* Equal for two folios only if they are charged to one memory control group. */
static inline unsigned long fallow_folio_memcg_data(struct folio *folio)
{
#ifndef CONFIG_MEMCG
	return 0;
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
	return (unsigned long)READ_ONCE(folio->page.mem_cgroup);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
	return READ_ONCE(folio->page.memcg_data);
#else
	return READ_ONCE(folio->memcg_data);
#endif
}

/* Large folios of shmem were split to be swapped before. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static inline unsigned int fallow_xas_order(struct xa_state *xas)
{
	return 0;
}
#else
static inline unsigned int fallow_xas_order(struct xa_state *xas)
{
	return xas_get_order(xas);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define kmap_local_page(page)	kmap_atomic(page)
#define kunmap_local(addr)	kunmap_atomic(addr)
#endif

/* Page tables. */

/* What an architecture without huge pages (um) has no name for. */
#ifndef CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE
#define pmd_dirty(pmd) false
#endif

#ifdef CONFIG_UML
#define pte_pgprot(pte) __pgprot(pte_val(pte) & ~PAGE_MASK)
#endif

/* A huge entry that maps no page that is counted, as vm_normal_page_pmd() has it. */
static inline bool fallow_pmd_special(pmd_t pmd)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return pmd_devmap(pmd);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	return pmd_devmap(pmd) || pmd_special(pmd);
#else
	return pmd_special(pmd);
#endif
}

/* The page of a special entry that has one all the same (Xen's grant mappings). */
static inline struct page *fallow_special_page(struct vm_area_struct *vma, unsigned long addr)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	return vma->vm_ops && vma->vm_ops->find_special_page ?
	       vma->vm_ops->find_special_page(vma, addr) : NULL;
#elif defined(CONFIG_FIND_NORMAL_PAGE)
	return vma->vm_ops && vma->vm_ops->find_normal_page ?
	       vma->vm_ops->find_normal_page(vma, addr) : NULL;
#else
	return NULL;
#endif
}

/* What an entry that is not present stands for. */
struct fallow_leaf {
	struct page *page;	/* under migration, or of a device; or NULL */
	bool swap;		/* on swap */
	bool device;		/* device-private memory, present in all but name */
	bool guard;		/* MADV_GUARD_INSTALL */
};

#ifdef FALLOW_HAVE_LEAFOPS
#include <linux/leafops.h>

static inline struct fallow_leaf fallow_leaf_of(softleaf_t entry)
{
	return (struct fallow_leaf){
		.page = softleaf_has_pfn(entry) ? softleaf_to_page(entry) : NULL,
		.swap = softleaf_is_swap(entry),
		.device = softleaf_is_device_private(entry),
		.guard = softleaf_is_guard_marker(entry),
	};
}

static inline struct fallow_leaf fallow_pte_leaf(pte_t pte)
{
	return fallow_leaf_of(softleaf_from_pte(pte));
}

static inline struct fallow_leaf fallow_pmd_leaf(pmd_t pmd)
{
	return fallow_leaf_of(softleaf_from_pmd(pmd));
}

static inline bool fallow_pmd_is_leaf(pmd_t pmd)
{
	return pmd_leaf(pmd) || pmd_is_valid_softleaf(pmd);
}
#else
static inline struct fallow_leaf fallow_leaf_of(swp_entry_t entry)
{
	struct fallow_leaf leaf = {
		.swap = !non_swap_entry(entry),
		.device = is_device_private_entry(entry),
	};

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
	if (is_migration_entry(entry) || is_device_private_entry(entry))
		leaf.page = pfn_to_page(swp_offset(entry));
#else
	if (is_pfn_swap_entry(entry))
		leaf.page = pfn_swap_entry_to_page(entry);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	leaf.guard = is_guard_swp_entry(entry);
#endif
	return leaf;
}

static inline struct fallow_leaf fallow_pte_leaf(pte_t pte)
{
	return fallow_leaf_of(pte_to_swp_entry(pte));
}

static inline struct fallow_leaf fallow_pmd_leaf(pmd_t pmd)
{
	return fallow_leaf_of(pmd_to_swp_entry(pmd));
}

static inline bool fallow_pmd_is_leaf(pmd_t pmd)
{
	return pmd_leaf(pmd) || is_swap_pmd(pmd);
}
#endif

/* Whether x86 lets any module flush a CPU's whole TLB: KVM's alone may from 6.18 on. */
#define FALLOW_FLUSH_TLB_ALL (LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0))

/* Whether the kernel has guard entries. */
#define FALLOW_HAVE_GUARD (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0))

/* What the young callbacks of an MMU notifier return: bool once, int before. */
#ifdef CONFIG_MMU_NOTIFIER
typedef typeof(((struct mmu_notifier_ops *)NULL)->test_young(NULL, NULL, 0)) fallow_young_t;
#endif

#endif
