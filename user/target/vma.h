/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mappings of a process with what is resident in each: the common currency
 * of the page sources, the heap decoders and the model.
 */
#ifndef FALLOW_VMA_H
#define FALLOW_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A count that the source in use cannot give. Printed as "-" and null. */
#define UNKNOWN UINT64_MAX

#define VMA_READ       (1U << 0)
#define VMA_WRITE      (1U << 1)
#define VMA_EXEC       (1U << 2)
#define VMA_SHARED     (1U << 3)
#define VMA_HUGETLB    (1U << 4)
#define VMA_PFNMAP     (1U << 5) /* maps raw frames, which are not resident, too or only */
#define VMA_SHMEM      (1U << 6) /* tmpfs, memfd, SysV, shared anonymous */
#define VMA_IO	       (1U << 7) /* memory of a device */
#define VMA_LOCKED     (1U << 8)
#define VMA_GROWSDOWN  (1U << 9)
#define VMA_DONTFORK   (1U << 10)
#define VMA_NORESERVE  (1U << 11)
#define VMA_HUGEPAGE   (1U << 12)
#define VMA_NOHUGEPAGE (1U << 13)
#define VMA_MERGEABLE  (1U << 14)
#define VMA_UFFD       (1U << 15) /* registered with userfaultfd */

/* The flags that have a name; read, write, exec and shared are the permissions. */
struct vma_flag {
	uint32_t flag;
	const char *name;
	/* Two-letter codes in VmFlags of smaps, blank before each; "" for none. */
	const char *codes;
};

#define VMA_FLAGS 12
extern const struct vma_flag vma_flags[VMA_FLAGS];

/*
 * Per-VMA counts in bytes, as smaps defines them (fs/proc/task_mmu.c); any of
 * them may be UNKNOWN. <linux/fallow.h> has each as FALLOW_A_VMA_*.
 */
struct vma_stats {
	uint64_t rss;
	uint64_t pss, pss_dirty;
	uint64_t anon; /* Anonymous */
	uint64_t file; /* page cache, shmem apart */
	uint64_t shmem;
	uint64_t anon_huge, shmem_huge, file_huge; /* mapped by a PMD */
	uint64_t large; /* part of a large folio, however it is mapped */
	uint64_t cont; /* mapped by contiguous entries */
	uint64_t dirty; /* Shared_Dirty + Private_Dirty */
	uint64_t file_dirty; /* dirty page cache */
	uint64_t shared; /* Shared_Clean + Shared_Dirty */
	uint64_t shared_dirty;
	uint64_t referenced;
	uint64_t young; /* accessed bit of the entry */
	uint64_t soft_dirty;
	uint64_t lazyfree;
	uint64_t ksm;
	uint64_t locked; /* Locked: pss of mlocked mappings */
	uint64_t mlocked; /* mlocked pages */
	uint64_t pinned;
	uint64_t swap_cached;
	/* Apart from rss. */
	uint64_t swap;
	uint64_t hugetlb;
	uint64_t zero; /* zero page mapped */
	uint64_t device; /* device memory and raw frames */
	uint64_t guard;
	/* The reclaimable split of rss. */
	uint64_t drop;
	uint64_t writeback;
	uint64_t swappable;
	uint64_t noswap;
	uint64_t unevictable;
	uint64_t noswap_limit; /* the part of noswap that a control group's limit makes */
};

/* Counts in struct vma_stats, which has nothing else; a count by its offset. */
#define VMA_STATS (sizeof(struct vma_stats) / sizeof(uint64_t))

static inline uint64_t *vma_stat(struct vma_stats *st, size_t offset)
{
	return (uint64_t *)((char *)st + offset);
}

static inline uint64_t vma_stat_of(const struct vma_stats *st, size_t offset)
{
	return *(const uint64_t *)((const char *)st + offset);
}

struct vma {
	uint64_t start, end; /* [start, end), page aligned */
	uint64_t offset; /* in the file, bytes */
	uint32_t flags; /* VMA_* */
	uint32_t dev_major, dev_minor;
	uint64_t inode; /* 0: no file */
	char *name; /* raw, as the target named it; "" for none; owned by the list */
	struct vma_stats st;
	bool huge_checked, huge_told; /* see pages/procfs_entries.c */
	uint64_t zero_below; /* 0: not counted yet; see pages/runs.h */
};

struct vma_list {
	struct vma *v; /* by address, disjoint */
	size_t n;
	size_t cap;
};

/* Appends a copy of @v, name included. Returns NULL when out of memory. */
struct vma *vma_list_add(struct vma_list *l, const struct vma *v);
void vma_list_free(struct vma_list *l);

/* The VMA that contains @addr, or NULL. O(log n). */
const struct vma *vma_find(const struct vma_list *l, uint64_t addr);

/* The last VMA that begins at or below @addr, whether or not that is in it; or NULL. */
const struct vma *vma_at_or_below(const struct vma_list *l, uint64_t addr);

/* "rw-p", as maps has it. Returns @buf, of at least 5 bytes. */
const char *vma_perms(const struct vma *v, char *buf);

/* Private and without a file: what a heap can live in ([heap] included). */
bool vma_is_anon(const struct vma *v);

/*
 * Parses one header line of /proc/PID/maps or smaps into @v. @v->name points
 * into @line, which is modified; octal escapes of newlines are undone. False
 * if the line is not of that form.
 */
bool vma_parse(char *line, struct vma *v);

#endif
