// SPDX-License-Identifier: GPL-2.0-only
/* Counts the pages of a VMA and describes it in netlink attributes. */
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>
#include <linux/xarray.h>
#include <net/netlink.h>
#include <uapi/linux/fallow.h>

#include "compat.h"
#include "vma.h"

static void flush_run(struct fallow_vma *f)
{
	if (!f->run)
		return;
	fallow_account(&f->counts, f->facts, f->run);
	fallow_account_sharing(&f->counts, f->facts, f->run, 1);
	f->run = 0;
}

static void count_alone(struct fallow_vma *f, unsigned int facts, u64 size)
{
	if (facts != f->facts)
		flush_run(f);
	f->facts = facts;
	f->run += size;
}

static void count_mapped(struct fallow_vma *f, unsigned int facts, u64 size, int mapcount)
{
	if (mapcount < 2) {
		count_alone(f, facts, size);
		return;
	}
	fallow_account(&f->counts, facts, size);
	fallow_account_sharing(&f->counts, facts, size, mapcount);
}

static void count_page(struct fallow_vma *f, const struct fallow_entry *e)
{
	struct folio *folio = page_folio(e->page);
	unsigned int facts = fallow_facts(&f->facts_of, e);
	unsigned long i;
	int mapcount;

	if (!(e->flags & FALLOW_ENTRY_PRESENT)) {
		/* What a migration entry leads to may not be asked how it is mapped. */
		count_alone(f, facts, e->size);
		if (FALLOW_MIGRATION_SHARED) {
			f->counts.shared += e->size;
			if (facts & FALLOW_PAGE_DIRTY)
				f->counts.shared_dirty += e->size;
		}
		return;
	}
	mapcount = fallow_common_mapcount(e);
	if (mapcount) {
		count_mapped(f, facts, e->size, mapcount);
		return;
	}
	for (i = 0; i < e->size / PAGE_SIZE; i++)
		count_mapped(f, facts, PAGE_SIZE, fallow_mapcount(folio, e->page + i));
}

static void count_entry(struct fallow_vma *f, struct vm_area_struct *vma,
			const struct fallow_entry *e)
{
	if (is_vm_hugetlb_page(vma))
		f->counts.hugetlb += e->size;
	else if (e->page)
		count_page(f, e);
	else if (e->flags & FALLOW_ENTRY_ZERO)
		f->counts.zero += e->size;
	else if (e->flags & FALLOW_ENTRY_DEVICE)
		f->counts.device += e->size;
	else if (e->flags & FALLOW_ENTRY_GUARD)
		f->counts.guard += e->size;
	else
		f->counts.swap += e->size;
}

static void count_entries(struct fallow_visitor *v, struct vm_area_struct *vma,
			  const struct fallow_entry *e, unsigned int n)
{
	struct fallow_vma *f = container_of(v, struct fallow_vma, visitor);

	for (; n; n--, e++)
		count_entry(f, vma, e);
}

/* Pages of [start, end) that are in the shmem object, but on swap. */
static u64 shmem_swapped(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	unsigned long first = linear_page_index(vma, start);
	unsigned long last = first + ((end - start) >> PAGE_SHIFT) - 1;
	XA_STATE(xas, &mapping->i_pages, first);
	u64 pages = 0;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, last) {
		unsigned long end_of_entry;

		if (xas_retry(&xas, entry) || !xa_is_value(entry))
			continue;
		/* An entry may stand for a large folio, and for parts of it out of range. */
		end_of_entry = xas.xa_index | ((1UL << fallow_xas_order(&xas)) - 1);
		pages += min(end_of_entry, last) - xas.xa_index + 1;
	}
	rcu_read_unlock();
	return pages << PAGE_SHIFT;
}

static void count_hole(struct fallow_visitor *v, struct vm_area_struct *vma,
		       unsigned long start, unsigned long end)
{
	struct fallow_vma *f = container_of(v, struct fallow_vma, visitor);

	if (f->holes_are_swap)
		f->counts.swap += shmem_swapped(vma, start, end);
}

/*
 * smap_gather_stats(): all swapped pages of a shared or read-only mapping of
 * shmem count, but of a private writable one only those that no entry hides.
 */
static bool counts_whole_shmem(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_SHARED) || !(vma->vm_flags & VM_WRITE);
}

void fallow_vma_follow(struct fallow_vma *f, struct vm_area_struct *vma)
{
	bool has_shmem;

	f->shmem = fallow_vma_is_shmem(vma);
	has_shmem = f->shmem && !xa_empty(&vma->vm_file->f_mapping->i_pages);
	f->end = vma->vm_end;
	f->vm_flags = vma->vm_flags;
	f->pgoff = vma->vm_pgoff;
	f->file = vma->vm_file;
	f->holes_are_swap = has_shmem && !counts_whole_shmem(vma);
	/* Holes are told only where they matter, for they cost steps. */
	f->visitor.hole = has_shmem ? count_hole : NULL;
	fallow_vma_facts(&f->facts_of, vma);
}

void fallow_vma_begin(struct fallow_vma *f, struct vm_area_struct *vma)
{
	u64 looked = f->visitor.looked;

	*f = (struct fallow_vma){
		.visitor = { .entries = count_entries, .merge = true,
			     .merge_small = true, .merge_huge = true, .looked = looked },
		.start = vma->vm_start,
		.pos = vma->vm_start,
	};
	fallow_vma_follow(f, vma);
}

bool fallow_vma_same(const struct fallow_vma *f, const struct vm_area_struct *vma)
{
	return vma && vma->vm_start == f->start && vma->vm_end == f->end &&
	       vma->vm_flags == f->vm_flags && vma->vm_pgoff == f->pgoff &&
	       vma->vm_file == f->file;
}

bool fallow_vma_step(struct fallow_vma *f, struct vm_area_struct *vma)
{
	unsigned long from = f->pos;

	if (from < f->end)
		f->pos = fallow_walk_step(&f->visitor, vma, from, f->end);
	if (f->visitor.hole && !f->holes_are_swap && f->pos > from)
		f->counts.swap += shmem_swapped(vma, from, f->pos);
	if (f->pos < f->end)
		return false;
	flush_run(f);
	return true;
}

static u32 flags_of(const struct fallow_vma *f, struct vm_area_struct *vma)
{
	const unsigned long vm = vma->vm_flags;

	return (vm & VM_READ ? FALLOW_VMA_READ : 0) |
	       (vm & VM_WRITE ? FALLOW_VMA_WRITE : 0) |
	       (vm & VM_EXEC ? FALLOW_VMA_EXEC : 0) |
	       (vm & VM_MAYSHARE ? FALLOW_VMA_SHARED : 0) |
	       (vm & VM_GROWSDOWN ? FALLOW_VMA_GROWSDOWN : 0) |
	       (vm & VM_LOCKED ? FALLOW_VMA_LOCKED : 0) |
	       (vm & VM_HUGETLB ? FALLOW_VMA_HUGETLB : 0) |
	       (vm & (VM_PFNMAP | VM_MIXEDMAP) ? FALLOW_VMA_PFNMAP : 0) |
	       (vm & VM_IO ? FALLOW_VMA_IO : 0) |
	       (vm & VM_DONTCOPY ? FALLOW_VMA_DONTFORK : 0) |
	       (vm & VM_NOHUGEPAGE ? FALLOW_VMA_NOHUGEPAGE : 0) |
	       (vm & VM_HUGEPAGE ? FALLOW_VMA_HUGEPAGE : 0) |
	       (vm & VM_MERGEABLE ? FALLOW_VMA_MERGEABLE : 0) |
	       (vm & VM_NORESERVE ? FALLOW_VMA_NORESERVE : 0) |
	       (userfaultfd_armed(vma) ? FALLOW_VMA_UFFD : 0) |
	       (f->shmem ? FALLOW_VMA_SHMEM : 0);
}

static bool spans(const struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	return vma->vm_start <= end && vma->vm_end >= start;
}

/* Names as show_map_vma() gives them (fs/proc/task_mmu.c). */
static const char *name_of(struct vm_area_struct *vma, char *path)
{
	struct mm_struct *mm = vma->vm_mm;
	const char *name;

	if (vma->vm_file) {
		name = d_path(fallow_file_path(vma->vm_file), path, PATH_MAX);
		return IS_ERR(name) ? "[path too long]" : name;
	}
	if (vma->vm_ops && vma->vm_ops->name) {
		name = vma->vm_ops->name(vma);
		if (name)
			return name;
	}
	if (spans(vma, mm->start_brk, mm->brk))
		return "[heap]";
	if (spans(vma, mm->start_stack, mm->start_stack))
		return "[stack]";
#ifdef CONFIG_ANON_VMA_NAME
	if (vma->anon_name) {
		scnprintf(path, PATH_MAX, "[anon:%s]", vma->anon_name->name);
		return path;
	}
#endif
	return NULL;
}

/*
 * Numbers are nearly all that a message is made of, and most of what a dump of many
 * small VMAs costs: they are written to @at, where there is room for all of them, and
 * the end of the last is returned.
 */
static u8 *put_number(u8 *at, int attr, const void *n, int size)
{
	struct nlattr *nla = (struct nlattr *)at;

	nla->nla_type = attr;
	nla->nla_len = nla_attr_size(size);
	memcpy(nla_data(nla), n, size);
	return at + nla_total_size(size);
}

static u8 *put_u32(u8 *at, int attr, u32 n)
{
	return put_number(at, attr, &n, sizeof(n));
}

static u8 *put_u64(u8 *at, int attr, u64 n)
{
	/* As nla_align_64bit() does it. */
	if (!IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) &&
	    IS_ALIGNED((unsigned long)at, sizeof(n)))
		at = put_number(at, FALLOW_A_VMA_PAD, &n, 0);
	return put_number(at, attr, &n, sizeof(n));
}

static u8 *put_count(u8 *at, int attr, u64 n)
{
	return n ? put_u64(at, attr, n) : at;
}

static u8 *put_file(u8 *at, struct vm_area_struct *vma)
{
	const struct inode *inode = fallow_file_inode(vma->vm_file);

	at = put_u32(at, FALLOW_A_VMA_DEV_MAJOR, MAJOR(inode->i_sb->s_dev));
	at = put_u32(at, FALLOW_A_VMA_DEV_MINOR, MINOR(inode->i_sb->s_dev));
	at = put_u64(at, FALLOW_A_VMA_INO, inode->i_ino);
	return put_u64(at, FALLOW_A_VMA_PGOFF, (u64)vma->vm_pgoff << PAGE_SHIFT);
}

static u8 *put_counts(u8 *at, const struct fallow_counts *c)
{
	at = put_count(at, FALLOW_A_VMA_RSS, c->rss);
	at = put_count(at, FALLOW_A_VMA_ANON, c->anon);
	at = put_count(at, FALLOW_A_VMA_FILE, c->file);
	at = put_count(at, FALLOW_A_VMA_SHMEM, c->shmem);
	at = put_count(at, FALLOW_A_VMA_PSS, c->pss);
	at = put_count(at, FALLOW_A_VMA_PSS_DIRTY, c->pss_dirty);
	at = put_count(at, FALLOW_A_VMA_ANON_HUGE, c->anon_huge);
	at = put_count(at, FALLOW_A_VMA_SHMEM_HUGE, c->shmem_huge);
	at = put_count(at, FALLOW_A_VMA_FILE_HUGE, c->file_huge);
	at = put_count(at, FALLOW_A_VMA_LARGE, c->large);
	at = put_count(at, FALLOW_A_VMA_CONT, c->cont);
	at = put_count(at, FALLOW_A_VMA_DIRTY, c->dirty);
	at = put_count(at, FALLOW_A_VMA_FILE_DIRTY, c->file_dirty);
	at = put_count(at, FALLOW_A_VMA_SHARED, c->shared);
	at = put_count(at, FALLOW_A_VMA_SHARED_DIRTY, c->shared_dirty);
	at = put_count(at, FALLOW_A_VMA_REFERENCED, c->referenced);
	at = put_count(at, FALLOW_A_VMA_YOUNG, c->young);
	at = put_count(at, FALLOW_A_VMA_LAZYFREE, c->lazyfree);
	at = put_count(at, FALLOW_A_VMA_KSM, c->ksm);
	at = put_count(at, FALLOW_A_VMA_MLOCKED, c->mlocked);
	at = put_count(at, FALLOW_A_VMA_PINNED, c->pinned);
	at = put_count(at, FALLOW_A_VMA_SWAP_CACHED, c->swap_cached);
	at = put_count(at, FALLOW_A_VMA_SOFT_DIRTY, c->soft_dirty);
	at = put_count(at, FALLOW_A_VMA_SWAP, c->swap);
	at = put_count(at, FALLOW_A_VMA_HUGETLB, c->hugetlb);
	at = put_count(at, FALLOW_A_VMA_ZERO, c->zero);
	at = put_count(at, FALLOW_A_VMA_DEVICE, c->device);
	at = put_count(at, FALLOW_A_VMA_GUARD, c->guard);
	at = put_count(at, FALLOW_A_VMA_DROP, c->drop);
	at = put_count(at, FALLOW_A_VMA_WRITEBACK, c->writeback);
	at = put_count(at, FALLOW_A_VMA_SWAPPABLE, c->swappable);
	at = put_count(at, FALLOW_A_VMA_NOSWAP, c->noswap);
	at = put_count(at, FALLOW_A_VMA_UNEVICTABLE, c->unevictable);
	at = put_count(at, FALLOW_A_VMA_NOSWAP_LIMIT, c->noswap_limit);
	return at;
}

/* Room for all numbers, whether they are there or not. */
#define NUMBERS_MAX \
	((sizeof(struct fallow_counts) / sizeof(u64) + 5) * nla_total_size_64bit(sizeof(u64)) + \
	 3 * nla_total_size(sizeof(u32)))

int fallow_vma_put(struct sk_buff *skb, const struct fallow_vma *f,
		   struct vm_area_struct *vma, char *path)
{
	const char *name = name_of(vma, path);
	u8 *start = skb_tail_pointer(skb);
	u8 *at = start;

	if (skb_tailroom(skb) < NUMBERS_MAX)
		return -EMSGSIZE;
	at = put_u64(at, FALLOW_A_VMA_START, vma->vm_start);
	at = put_u64(at, FALLOW_A_VMA_END, vma->vm_end);
	at = put_u32(at, FALLOW_A_VMA_FLAGS, flags_of(f, vma));
	if (vma->vm_file)
		at = put_file(at, vma);
	at = put_counts(at, &f->counts);
	/* smaps' Locked is the PSS of mlocked VMAs. */
	if (vma->vm_flags & VM_LOCKED)
		at = put_count(at, FALLOW_A_VMA_LOCKED, f->counts.pss);
	skb_put(skb, at - start);
	return name ? nla_put_string(skb, FALLOW_A_VMA_NAME, name) : 0;
}

u64 fallow_vma_caps(void)
{
	u64 caps = FALLOW_CAP_PINNED;

	if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		caps |= FALLOW_CAP_SOFT_DIRTY;
	if (IS_ENABLED(CONFIG_ANON_VMA_NAME))
		caps |= FALLOW_CAP_ANON_NAME;
	if (IS_ENABLED(CONFIG_PAGE_IDLE_FLAG) || IS_ENABLED(CONFIG_IDLE_PAGE_TRACKING))
		caps |= FALLOW_CAP_IDLE_FLAG;
	if (FALLOW_HAVE_GUARD)
		caps |= FALLOW_CAP_GUARD;
	if (IS_ENABLED(CONFIG_MEMCG))
		caps |= FALLOW_CAP_SWAP_LIMIT;
	if (IS_ENABLED(CONFIG_ARM64))
		caps |= FALLOW_CAP_CONT;
	return caps;
}
