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

/*
 * The sharing rules of smaps_account(): one reference means one mapping; else
 * each base page has a count of its own.
 */
static void count_page(struct fallow_vma *f, const struct fallow_entry *e)
{
	struct folio *folio = page_folio(e->page);
	unsigned int facts = fallow_facts(&f->facts_of, e);
	unsigned long i;

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
	if (fallow_mapped_once(e)) {
		count_alone(f, facts, e->size);
		return;
	}
	if (e->flags & FALLOW_ENTRY_PLAIN) {
		count_mapped(f, facts, e->size, fallow_mapcount(folio, e->page));
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
	return fallow_vma_is_shmem(vma) && ((vma->vm_flags & VM_SHARED) || !(vma->vm_flags & VM_WRITE));
}

void fallow_vma_follow(struct fallow_vma *f, struct vm_area_struct *vma)
{
	bool shmem = fallow_vma_is_shmem(vma) && !xa_empty(&vma->vm_file->f_mapping->i_pages);

	f->end = vma->vm_end;
	f->vm_flags = vma->vm_flags;
	f->pgoff = vma->vm_pgoff;
	f->file = vma->vm_file;
	f->holes_are_swap = shmem && !counts_whole_shmem(vma);
	/* Holes are told only where they matter, for they cost steps. */
	f->visitor.hole = shmem ? count_hole : NULL;
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

static const struct {
	unsigned long vm;
	u32 flag;
} flag_map[] = {
	{ VM_READ, FALLOW_VMA_READ },
	{ VM_WRITE, FALLOW_VMA_WRITE },
	{ VM_EXEC, FALLOW_VMA_EXEC },
	{ VM_MAYSHARE, FALLOW_VMA_SHARED },
	{ VM_GROWSDOWN, FALLOW_VMA_GROWSDOWN },
	{ VM_LOCKED, FALLOW_VMA_LOCKED },
	{ VM_HUGETLB, FALLOW_VMA_HUGETLB },
	{ VM_PFNMAP | VM_MIXEDMAP, FALLOW_VMA_PFNMAP },
	{ VM_IO, FALLOW_VMA_IO },
	{ VM_DONTCOPY, FALLOW_VMA_DONTFORK },
	{ VM_NOHUGEPAGE, FALLOW_VMA_NOHUGEPAGE },
	{ VM_HUGEPAGE, FALLOW_VMA_HUGEPAGE },
	{ VM_MERGEABLE, FALLOW_VMA_MERGEABLE },
	{ VM_NORESERVE, FALLOW_VMA_NORESERVE },
};

static u32 flags_of(struct vm_area_struct *vma)
{
	u32 flags = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flag_map); i++)
		if (vma->vm_flags & flag_map[i].vm)
			flags |= flag_map[i].flag;
	if (userfaultfd_armed(vma))
		flags |= FALLOW_VMA_UFFD;
	if (fallow_vma_is_shmem(vma))
		flags |= FALLOW_VMA_SHMEM;
	return flags;
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
 * nla_put() of a number, for which there is room. Numbers are nearly all that a message
 * is made of, and most of what a dump of many small VMAs costs.
 */
static void put_number(struct sk_buff *skb, int attr, const void *n, int size)
{
	struct nlattr *nla = __skb_put(skb, nla_attr_size(size));

	nla->nla_type = attr;
	nla->nla_len = nla_attr_size(size);
	memcpy(nla_data(nla), n, size);
}

static void put_u32(struct sk_buff *skb, int attr, u32 n)
{
	put_number(skb, attr, &n, sizeof(n));
}

static void put_u64(struct sk_buff *skb, int attr, u64 n)
{
	nla_align_64bit(skb, FALLOW_A_VMA_PAD);
	put_number(skb, attr, &n, sizeof(n));
}

static void put_file(struct sk_buff *skb, struct vm_area_struct *vma)
{
	const struct inode *inode = fallow_file_inode(vma->vm_file);

	put_u32(skb, FALLOW_A_VMA_DEV_MAJOR, MAJOR(inode->i_sb->s_dev));
	put_u32(skb, FALLOW_A_VMA_DEV_MINOR, MINOR(inode->i_sb->s_dev));
	put_u64(skb, FALLOW_A_VMA_INO, inode->i_ino);
	put_u64(skb, FALLOW_A_VMA_PGOFF, (u64)vma->vm_pgoff << PAGE_SHIFT);
}

static const struct {
	int attr;
	size_t offset;
} count_map[] = {
#define COUNT(attr, member) { FALLOW_A_VMA_##attr, offsetof(struct fallow_counts, member) }
	COUNT(RSS, rss),
	COUNT(ANON, anon),
	COUNT(FILE, file),
	COUNT(SHMEM, shmem),
	COUNT(PSS, pss),
	COUNT(ANON_HUGE, anon_huge),
	COUNT(SHMEM_HUGE, shmem_huge),
	COUNT(FILE_HUGE, file_huge),
	COUNT(DIRTY, dirty),
	COUNT(FILE_DIRTY, file_dirty),
	COUNT(SHARED, shared),
	COUNT(REFERENCED, referenced),
	COUNT(YOUNG, young),
	COUNT(LAZYFREE, lazyfree),
	COUNT(KSM, ksm),
	COUNT(SWAP, swap),
	COUNT(HUGETLB, hugetlb),
	COUNT(ZERO, zero),
	COUNT(PINNED, pinned),
	COUNT(SOFT_DIRTY, soft_dirty),
	COUNT(DROP, drop),
	COUNT(WRITEBACK, writeback),
	COUNT(SWAPPABLE, swappable),
	COUNT(NOSWAP, noswap),
	COUNT(UNEVICTABLE, unevictable),
	COUNT(NOSWAP_LIMIT, noswap_limit),
	COUNT(MLOCKED, mlocked),
	COUNT(SHARED_DIRTY, shared_dirty),
	COUNT(PSS_DIRTY, pss_dirty),
	COUNT(SWAP_CACHED, swap_cached),
	COUNT(LARGE, large),
	COUNT(CONT, cont),
	COUNT(DEVICE, device),
	COUNT(GUARD, guard),
#undef COUNT
};

static void put_counts(struct sk_buff *skb, const struct fallow_counts *c)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(count_map); i++) {
		u64 n = *(const u64 *)((const char *)c + count_map[i].offset);

		if (n)
			put_u64(skb, count_map[i].attr, n);
	}
}

/* Room for all numbers, whether they are there or not. */
#define NUMBERS_MAX \
	((ARRAY_SIZE(count_map) + 5) * nla_total_size_64bit(sizeof(u64)) + \
	 3 * nla_total_size(sizeof(u32)))

int fallow_vma_put(struct sk_buff *skb, const struct fallow_vma *f,
		   struct vm_area_struct *vma, char *path)
{
	const char *name = name_of(vma, path);

	if (skb_tailroom(skb) < NUMBERS_MAX)
		return -EMSGSIZE;
	put_u64(skb, FALLOW_A_VMA_START, vma->vm_start);
	put_u64(skb, FALLOW_A_VMA_END, vma->vm_end);
	put_u32(skb, FALLOW_A_VMA_FLAGS, flags_of(vma));
	if (vma->vm_file)
		put_file(skb, vma);
	put_counts(skb, &f->counts);
	/* smaps' Locked is the PSS of mlocked VMAs. */
	if ((vma->vm_flags & VM_LOCKED) && f->counts.pss)
		put_u64(skb, FALLOW_A_VMA_LOCKED, f->counts.pss);
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
