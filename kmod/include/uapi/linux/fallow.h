/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * fallow: page-level reclaim inspection over generic netlink.
 *
 * This is the one header that the module and its clients share.
 *
 * Conventions
 *  - Counts of memory are bytes (__u64) unless the name says otherwise.
 *  - A count that is zero is left out of a message; a count that the running
 *    kernel cannot give has its bit clear in FALLOW_A_INFO_CAPS.
 *  - Ranges are half open: [start, end).
 *  - "resident" is what /proc/PID/smaps counts as Rss: present page-table
 *    entries that map a normal page; the zero page, the huge zero page, device
 *    memory and hugetlb are not in it (fs/proc/task_mmu.c: smaps_account()).
 *
 * Errors (negative errno in NLMSG_ERROR or NLMSG_DONE, with extack text)
 *  -EINVAL   a missing, malformed or unknown attribute; START not below END
 *  -ERANGE   FALLOW_A_REQ_PID is 0
 *  -ESRCH    no such process in the caller's pid namespace, or it has no
 *            address space: kernel thread, zombie, exiting
 *  -EPERM    CAP_SYS_PTRACE is missing in the user namespace of the target's
 *            address space, for the caller or for the opener of the socket
 *  -ENOMEM   no memory for the answer; nothing was left half said
 * A dump that saw the address space change while it ran carries
 * NLM_F_DUMP_INTR in its messages from then on.
 */
#ifndef _UAPI_LINUX_FALLOW_H
#define _UAPI_LINUX_FALLOW_H

#include <linux/types.h>

#define FALLOW_GENL_NAME	"fallow"
#define FALLOW_GENL_VERSION	1

/**
 * enum fallow_cmd - commands of the family
 * @FALLOW_CMD_UNSPEC: never sent
 * @FALLOW_CMD_GET_INFO: what the module is, can tell, and has cost so far.
 *	Request: no attribute. Needs no privilege.
 *	Reply: &enum fallow_info_attr.
 * @FALLOW_CMD_GET_VMA: dump; one message a VMA, in address order.
 *	Request: FALLOW_A_REQ_PID, and optionally FALLOW_A_REQ_START and
 *	FALLOW_A_REQ_END; VMAs that overlap the range are told whole.
 *	Reply: &enum fallow_vma_attr.
 */
enum fallow_cmd {
	FALLOW_CMD_UNSPEC,
	FALLOW_CMD_GET_INFO,
	FALLOW_CMD_GET_VMA,

	__FALLOW_CMD_MAX,
	FALLOW_CMD_MAX = __FALLOW_CMD_MAX - 1
};

/**
 * enum fallow_req_attr - attributes of requests
 * @FALLOW_A_REQ_UNSPEC: never sent
 * @FALLOW_A_REQ_PID: __u32, the process id in the caller's pid namespace; >= 1
 * @FALLOW_A_REQ_START: __u64, first address that is asked for; default 0
 * @FALLOW_A_REQ_END: __u64, end of what is asked for; default: everything
 */
enum fallow_req_attr {
	FALLOW_A_REQ_UNSPEC,
	FALLOW_A_REQ_PID,
	FALLOW_A_REQ_START,
	FALLOW_A_REQ_END,

	__FALLOW_A_REQ_MAX,
	FALLOW_A_REQ_MAX = __FALLOW_A_REQ_MAX - 1
};

/**
 * enum fallow_info_attr - reply to FALLOW_CMD_GET_INFO; all are always there
 * @FALLOW_A_INFO_UNSPEC: never sent
 * @FALLOW_A_INFO_PAD: padding for 64-bit alignment
 * @FALLOW_A_INFO_VERSION: string, the module's version
 * @FALLOW_A_INFO_PAGE_SIZE: __u32, bytes in a base page
 * @FALLOW_A_INFO_CAPS: __u64, FALLOW_CAP_* bits
 * @FALLOW_A_INFO_LOCK_BUDGET_US: __u32, target upper bound of one hold of an
 *	mmap lock, in microseconds
 * @FALLOW_A_INFO_LOCK_MAX_NS: __u64, longest hold seen since load, nanoseconds
 * @FALLOW_A_INFO_SLICES: __u64, holds of an mmap lock since load
 * @FALLOW_A_INFO_PAGES: __u64, page-table entries looked at since load; one
 *	for a huge entry
 * @FALLOW_A_INFO_WALK_NS: __u64, nanoseconds spent in walks since load
 */
enum fallow_info_attr {
	FALLOW_A_INFO_UNSPEC,
	FALLOW_A_INFO_PAD,
	FALLOW_A_INFO_VERSION,
	FALLOW_A_INFO_PAGE_SIZE,
	FALLOW_A_INFO_CAPS,
	FALLOW_A_INFO_LOCK_BUDGET_US,
	FALLOW_A_INFO_LOCK_MAX_NS,
	FALLOW_A_INFO_SLICES,
	FALLOW_A_INFO_PAGES,
	FALLOW_A_INFO_WALK_NS,

	__FALLOW_A_INFO_MAX,
	FALLOW_A_INFO_MAX = __FALLOW_A_INFO_MAX - 1
};

/* FALLOW_A_INFO_CAPS: what the module can tell on the running kernel. */
#define FALLOW_CAP_PINNED	(1ULL << 0)	/* FALLOW_A_VMA_PINNED */
#define FALLOW_CAP_SOFT_DIRTY	(1ULL << 1)	/* FALLOW_A_VMA_SOFT_DIRTY */
#define FALLOW_CAP_ANON_NAME	(1ULL << 2)	/* names given by prctl(PR_SET_VMA) */
#define FALLOW_CAP_IDLE_FLAG	(1ULL << 3)	/* kernel has PG_young and PG_idle */

/* FALLOW_A_VMA_FLAGS */
#define FALLOW_VMA_READ		(1U << 0)
#define FALLOW_VMA_WRITE	(1U << 1)
#define FALLOW_VMA_EXEC		(1U << 2)
#define FALLOW_VMA_SHARED	(1U << 3)	/* VM_MAYSHARE, the 's' of maps */
#define FALLOW_VMA_GROWSDOWN	(1U << 4)
#define FALLOW_VMA_LOCKED	(1U << 5)
#define FALLOW_VMA_HUGETLB	(1U << 6)
#define FALLOW_VMA_PFNMAP	(1U << 7)	/* VM_PFNMAP or VM_MIXEDMAP */
#define FALLOW_VMA_IO		(1U << 8)
#define FALLOW_VMA_DONTFORK	(1U << 9)	/* MADV_DONTFORK */
#define FALLOW_VMA_NOHUGEPAGE	(1U << 10)
#define FALLOW_VMA_HUGEPAGE	(1U << 11)
#define FALLOW_VMA_MERGEABLE	(1U << 12)
#define FALLOW_VMA_UFFD		(1U << 13)	/* registered with userfaultfd */
#define FALLOW_VMA_NORESERVE	(1U << 14)
#define FALLOW_VMA_SHMEM	(1U << 15)	/* the file is shmem: tmpfs, memfd, SysV, shared anonymous */

/**
 * enum fallow_vma_attr - reply to FALLOW_CMD_GET_VMA
 * @FALLOW_A_VMA_UNSPEC: never sent
 * @FALLOW_A_VMA_PAD: padding for 64-bit alignment
 * @FALLOW_A_VMA_START: __u64; always there
 * @FALLOW_A_VMA_END: __u64; always there
 * @FALLOW_A_VMA_FLAGS: __u32, FALLOW_VMA_* bits; always there
 * @FALLOW_A_VMA_PGOFF: __u64, offset in the file in bytes
 * @FALLOW_A_VMA_DEV_MAJOR: __u32, of the file's super block
 * @FALLOW_A_VMA_DEV_MINOR: __u32
 * @FALLOW_A_VMA_INO: __u64, inode number
 * @FALLOW_A_VMA_NAME: string, as /proc/PID/maps has it but not escaped:
 *	path of the file, "[heap]", "[stack]", "[vdso]" and others
 * @FALLOW_A_VMA_RSS: resident
 * @FALLOW_A_VMA_ANON: resident and anonymous (smaps Anonymous)
 * @FALLOW_A_VMA_FILE: resident page cache, shmem apart
 * @FALLOW_A_VMA_SHMEM: resident shmem
 * @FALLOW_A_VMA_PSS: __u64 in 1/4096 of a byte: each page's size over the
 *	number of times that it is mapped (smaps Pss, before its shift)
 * @FALLOW_A_VMA_ANON_HUGE: anonymous, mapped by a PMD (smaps AnonHugePages)
 * @FALLOW_A_VMA_SHMEM_HUGE: shmem, mapped by a PMD (smaps ShmemPmdMapped)
 * @FALLOW_A_VMA_FILE_HUGE: page cache, mapped by a PMD (smaps FilePmdMapped)
 * @FALLOW_A_VMA_DIRTY: entry or page is dirty (smaps Shared_Dirty + Private_Dirty)
 * @FALLOW_A_VMA_FILE_DIRTY: the part of DIRTY that is page cache, shmem apart
 * @FALLOW_A_VMA_SHARED: mapped more than once (smaps Shared_*)
 * @FALLOW_A_VMA_REFERENCED: accessed bit, PG_young or PG_referenced (smaps Referenced)
 * @FALLOW_A_VMA_YOUNG: accessed bit of the entry is set
 * @FALLOW_A_VMA_LAZYFREE: MADV_FREE and not written since (smaps LazyFree)
 * @FALLOW_A_VMA_KSM: resident KSM pages
 * @FALLOW_A_VMA_LOCKED: smaps Locked, in 1/4096 of a byte: PSS if the VMA is mlocked
 * @FALLOW_A_VMA_SWAP: swap entries, and shmem that is swapped (smaps Swap)
 * @FALLOW_A_VMA_HUGETLB: hugetlb memory, not in RSS
 * @FALLOW_A_VMA_ZERO: entries that map the zero page or the huge zero page,
 *	not in RSS
 * @FALLOW_A_VMA_PINNED: page_maybe_dma_pinned(); a long-term pin, or for a
 *	small page, a reference count so high that it looks like one
 * @FALLOW_A_VMA_SOFT_DIRTY: written since the last clear_refs
 * @FALLOW_A_VMA_DROP: reclaimable split of RSS, 1 of 5: clean page cache and
 *	clean lazyfree: freed without I/O
 * @FALLOW_A_VMA_WRITEBACK: 2 of 5: dirty page cache
 * @FALLOW_A_VMA_SWAPPABLE: 3 of 5: swap-backed, and swap space is in use here
 * @FALLOW_A_VMA_NOSWAP: 4 of 5: swap-backed, and there is no swap
 * @FALLOW_A_VMA_UNEVICTABLE: 5 of 5: mlocked, unevictable mapping, or pinned
 */
enum fallow_vma_attr {
	FALLOW_A_VMA_UNSPEC,
	FALLOW_A_VMA_PAD,
	FALLOW_A_VMA_START,
	FALLOW_A_VMA_END,
	FALLOW_A_VMA_FLAGS,
	FALLOW_A_VMA_PGOFF,
	FALLOW_A_VMA_DEV_MAJOR,
	FALLOW_A_VMA_DEV_MINOR,
	FALLOW_A_VMA_INO,
	FALLOW_A_VMA_NAME,
	FALLOW_A_VMA_RSS,
	FALLOW_A_VMA_ANON,
	FALLOW_A_VMA_FILE,
	FALLOW_A_VMA_SHMEM,
	FALLOW_A_VMA_PSS,
	FALLOW_A_VMA_ANON_HUGE,
	FALLOW_A_VMA_SHMEM_HUGE,
	FALLOW_A_VMA_FILE_HUGE,
	FALLOW_A_VMA_DIRTY,
	FALLOW_A_VMA_FILE_DIRTY,
	FALLOW_A_VMA_SHARED,
	FALLOW_A_VMA_REFERENCED,
	FALLOW_A_VMA_YOUNG,
	FALLOW_A_VMA_LAZYFREE,
	FALLOW_A_VMA_KSM,
	FALLOW_A_VMA_LOCKED,
	FALLOW_A_VMA_SWAP,
	FALLOW_A_VMA_HUGETLB,
	FALLOW_A_VMA_ZERO,
	FALLOW_A_VMA_PINNED,
	FALLOW_A_VMA_SOFT_DIRTY,
	FALLOW_A_VMA_DROP,
	FALLOW_A_VMA_WRITEBACK,
	FALLOW_A_VMA_SWAPPABLE,
	FALLOW_A_VMA_NOSWAP,
	FALLOW_A_VMA_UNEVICTABLE,

	__FALLOW_A_VMA_MAX,
	FALLOW_A_VMA_MAX = __FALLOW_A_VMA_MAX - 1
};

#endif /* _UAPI_LINUX_FALLOW_H */
