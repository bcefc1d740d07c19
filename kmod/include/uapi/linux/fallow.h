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
 *  - Attributes of requests have numbers below 32, those of replies from 32 on:
 *    one table describes a command in both directions.
 *  - A process is what its id names at the time of the request. After execve(2)
 *    that is another address space; dumps and trackers stay with the old one.
 *  - "resident" is what /proc/PID/smaps counts as Rss: present page-table
 *    entries that map a normal page; the zero page, the huge zero page, device
 *    memory and hugetlb are not in it (fs/proc/task_mmu.c: smaps_account()).
 *
 * Errors (negative errno in NLMSG_ERROR or NLMSG_DONE, with extack text)
 *  -EINVAL   a missing, malformed or unknown attribute; START not below END;
 *            ranges that are empty, overlap or are out of order
 *  -ERANGE   FALLOW_A_REQ_PID is 0
 *  -ESRCH    no such process in the caller's pid namespace, or it has no
 *            address space: kernel thread, zombie, exiting
 *  -EPERM    CAP_SYS_PTRACE is missing in the user namespace of the target's
 *            address space, for the caller or for the opener of the socket
 *  -EBUSY    AGE_START: the address space is being tracked already
 *  -ENOENT   AGE_STOP: this socket does not track that process
 *  -EOPNOTSUPP  the kernel, or the machine, cannot do it
 *  -ENOMEM   no memory for the answer; nothing was left half said
 * A dump that saw the address space change while it ran carries
 * NLM_F_DUMP_INTR in its messages from then on.
 */
#ifndef _UAPI_LINUX_FALLOW_H
#define _UAPI_LINUX_FALLOW_H

#include <linux/ioctl.h>
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
 * @FALLOW_CMD_GET_PAGES: dump; the pages that are there, as extents of equal
 *	state in address order.
 *	Request: FALLOW_A_REQ_PID; FALLOW_A_REQ_RANGES, or FALLOW_A_REQ_START
 *	and FALLOW_A_REQ_END, or neither for everything; optionally
 *	FALLOW_A_REQ_STATE_MASK and FALLOW_A_REQ_FLAGS.
 *	Reply: &enum fallow_pages_attr.
 * @FALLOW_CMD_AGE_START: begin to track when pages are accessed.
 *	Request: FALLOW_A_REQ_PID, FALLOW_A_REQ_INTERVAL_MS.
 *	Tracking ends with FALLOW_CMD_AGE_STOP, when the socket is closed, or
 *	with the address space. GET_PAGES on the same socket tells the ages.
 * @FALLOW_CMD_AGE_STOP: end it.
 *	Request: FALLOW_A_REQ_PID.
 */
enum fallow_cmd {
	FALLOW_CMD_UNSPEC,
	FALLOW_CMD_GET_INFO,
	FALLOW_CMD_GET_VMA,
	FALLOW_CMD_GET_PAGES,
	FALLOW_CMD_AGE_START,
	FALLOW_CMD_AGE_STOP,

	__FALLOW_CMD_MAX,
	FALLOW_CMD_MAX = __FALLOW_CMD_MAX - 1
};

/**
 * enum fallow_req_attr - attributes of requests
 * @FALLOW_A_REQ_UNSPEC: never sent
 * @FALLOW_A_REQ_PID: __u32, the process id in the caller's pid namespace; >= 1
 * @FALLOW_A_REQ_START: __u64, first address that is asked for; default 0
 * @FALLOW_A_REQ_END: __u64, end of what is asked for; default: everything
 * @FALLOW_A_REQ_RANGES: array of &struct fallow_range, at most
 *	FALLOW_RANGES_MAX, in address order and disjoint
 * @FALLOW_A_REQ_STATE_MASK: __u32, the FALLOW_STATE_* bits that are of
 *	interest: pages that differ in others alone are told as one extent, and
 *	pages with none of them are not told. Default: all
 * @FALLOW_A_REQ_FLAGS: __u32, FALLOW_REQ_* bits
 * @FALLOW_A_REQ_INTERVAL_MS: __u32, milliseconds from one harvest of accessed
 *	bits to the next, FALLOW_INTERVAL_MIN_MS to FALLOW_INTERVAL_MAX_MS
 */
enum fallow_req_attr {
	FALLOW_A_REQ_UNSPEC,
	FALLOW_A_REQ_PID,
	FALLOW_A_REQ_START,
	FALLOW_A_REQ_END,
	FALLOW_A_REQ_RANGES,
	FALLOW_A_REQ_STATE_MASK,
	FALLOW_A_REQ_FLAGS,
	FALLOW_A_REQ_INTERVAL_MS,

	__FALLOW_A_REQ_MAX,
	FALLOW_A_REQ_MAX = __FALLOW_A_REQ_MAX - 1
};

/* FALLOW_A_REQ_FLAGS */
#define FALLOW_REQ_ZERO_TEST	(1U << 0)	/* find FALLOW_STATE_ZERO_FILLED: reads anonymous pages */

#define FALLOW_RANGES_MAX	4095		/* as many as an attribute holds */
#define FALLOW_INTERVAL_MIN_MS	10
#define FALLOW_INTERVAL_MAX_MS	3600000

/* Addresses [start, end); parts of pages at its ends are taken whole. */
struct fallow_range {
	__u64 start;
	__u64 end;
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
 * @FALLOW_A_INFO_TRACKERS: __u32, trackers now (FALLOW_CMD_AGE_START)
 * @FALLOW_A_INFO_AGE_BYTES: __u64, memory that holds ages now
 * @FALLOW_A_INFO_AGE_MAX_BYTES: __u64, its limit, for all trackers together
 */
enum fallow_info_attr {
	FALLOW_A_INFO_UNSPEC,
	FALLOW_A_INFO_PAD = 32,
	FALLOW_A_INFO_VERSION,
	FALLOW_A_INFO_PAGE_SIZE,
	FALLOW_A_INFO_CAPS,
	FALLOW_A_INFO_LOCK_BUDGET_US,
	FALLOW_A_INFO_LOCK_MAX_NS,
	FALLOW_A_INFO_SLICES,
	FALLOW_A_INFO_PAGES,
	FALLOW_A_INFO_WALK_NS,
	FALLOW_A_INFO_TRACKERS,
	FALLOW_A_INFO_AGE_BYTES,
	FALLOW_A_INFO_AGE_MAX_BYTES,

	__FALLOW_A_INFO_MAX,
	FALLOW_A_INFO_MAX = __FALLOW_A_INFO_MAX - 1
};

/* FALLOW_A_INFO_CAPS: what the module can tell on the running kernel. */
#define FALLOW_CAP_PINNED	(1ULL << 0)	/* FALLOW_A_VMA_PINNED */
#define FALLOW_CAP_SOFT_DIRTY	(1ULL << 1)	/* FALLOW_A_VMA_SOFT_DIRTY */
#define FALLOW_CAP_ANON_NAME	(1ULL << 2)	/* names given by prctl(PR_SET_VMA) */
#define FALLOW_CAP_IDLE_FLAG	(1ULL << 3)	/* kernel has PG_young and PG_idle */
#define FALLOW_CAP_GUARD	(1ULL << 4)	/* FALLOW_A_VMA_GUARD (Linux 6.13) */
#define FALLOW_CAP_SWAP_LIMIT	(1ULL << 5)	/* FALLOW_A_VMA_NOSWAP_LIMIT: control groups */
#define FALLOW_CAP_CONT		(1ULL << 6)	/* FALLOW_A_VMA_CONT */
#define FALLOW_CAP_AGE		(1ULL << 7)	/* FALLOW_CMD_AGE_START */
#define FALLOW_CAP_READ		(1ULL << 8)	/* the device FALLOW_DEVICE */

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
 * @FALLOW_A_VMA_SHARED: mapped more than once (smaps Shared_*); the rest of
 *	RSS is exclusive (smaps Private_*)
 * @FALLOW_A_VMA_SHARED_DIRTY: smaps Shared_Dirty
 * @FALLOW_A_VMA_REFERENCED: accessed bit, PG_young or PG_referenced (smaps Referenced)
 * @FALLOW_A_VMA_YOUNG: accessed bit of the entry is set
 * @FALLOW_A_VMA_LAZYFREE: MADV_FREE and not written since (smaps LazyFree)
 * @FALLOW_A_VMA_KSM: resident KSM pages
 * @FALLOW_A_VMA_LOCKED: smaps Locked, in 1/4096 of a byte: PSS if the VMA is mlocked
 * @FALLOW_A_VMA_SWAP: swap entries, and shmem that is swapped (smaps Swap)
 * @FALLOW_A_VMA_HUGETLB: hugetlb memory, not in RSS
 * @FALLOW_A_VMA_ZERO: entries that map the zero page or the huge zero page,
 *	not in RSS
 * @FALLOW_A_VMA_PINNED: page_maybe_dma_pinned(): for a small page, a reference
 *	count of 1024 or more, which pins make and hardly anything else; for
 *	a part of a large folio, that the folio is pinned, in whatever part
 * @FALLOW_A_VMA_SOFT_DIRTY: written since the last clear_refs
 * @FALLOW_A_VMA_DROP: reclaimable split of RSS, 1 of 5: clean page cache and
 *	clean lazyfree: freed without I/O
 * @FALLOW_A_VMA_WRITEBACK: 2 of 5: dirty page cache
 * @FALLOW_A_VMA_SWAPPABLE: 3 of 5: swap-backed, and swap space is in use here
 * @FALLOW_A_VMA_NOSWAP: 4 of 5: swap-backed, and there is no swap
 * @FALLOW_A_VMA_UNEVICTABLE: 5 of 5: mlocked, pinned, of an unevictable mapping
 *	(ramfs, secretmem, SHM_LOCK) or none
 * @FALLOW_A_VMA_NOSWAP_LIMIT: the part of NOSWAP for which there is swap, but
 *	its control group has used all that it may (memory.swap.max)
 * @FALLOW_A_VMA_MLOCKED: mlocked pages, and all pages of mlocked VMAs
 * @FALLOW_A_VMA_PSS_DIRTY: in 1/4096 of a byte, smaps Pss_Dirty
 * @FALLOW_A_VMA_SWAP_CACHED: anonymous, and with a place on swap already: freed
 *	without I/O if not written to since
 * @FALLOW_A_VMA_LARGE: part of a large folio, however it is mapped
 * @FALLOW_A_VMA_CONT: mapped by contiguous entries (arm64)
 * @FALLOW_A_VMA_DEVICE: entries for device memory and raw frames, not in RSS
 * @FALLOW_A_VMA_GUARD: guard entries (MADV_GUARD_INSTALL)
 */
enum fallow_vma_attr {
	FALLOW_A_VMA_UNSPEC,
	FALLOW_A_VMA_PAD = 32,
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
	FALLOW_A_VMA_NOSWAP_LIMIT,
	FALLOW_A_VMA_MLOCKED,
	FALLOW_A_VMA_SHARED_DIRTY,
	FALLOW_A_VMA_PSS_DIRTY,
	FALLOW_A_VMA_SWAP_CACHED,
	FALLOW_A_VMA_LARGE,
	FALLOW_A_VMA_CONT,
	FALLOW_A_VMA_DEVICE,
	FALLOW_A_VMA_GUARD,

	__FALLOW_A_VMA_MAX,
	FALLOW_A_VMA_MAX = __FALLOW_A_VMA_MAX - 1
};

/**
 * struct fallow_extent - neighbouring pages of equal state
 * @start: address
 * @pages: base pages, at least 1
 * @state: FALLOW_STATE_* bits, FALLOW_STATE_RECLAIM() and FALLOW_STATE_AGE()
 */
struct fallow_extent {
	__u64 start;
	__u32 pages;
	__u32 state;
};

/*
 * The state of a page. One of RESIDENT, SWAPPED, ZERO, HUGETLB, DEVICE and GUARD
 * is set; all others but SOFT_DIRTY are of resident pages. A resident page that is
 * neither ANON nor SHMEM is page cache.
 */
#define FALLOW_STATE_RESIDENT	(1U << 0)	/* in RSS */
#define FALLOW_STATE_SWAPPED	(1U << 1)	/* the entry is a swap entry; not so for shmem */
#define FALLOW_STATE_ZERO	(1U << 2)	/* the zero page, or the huge zero page */
#define FALLOW_STATE_HUGETLB	(1U << 3)
#define FALLOW_STATE_DEVICE	(1U << 4)
#define FALLOW_STATE_GUARD	(1U << 5)
#define FALLOW_STATE_ANON	(1U << 6)
#define FALLOW_STATE_SHMEM	(1U << 7)
#define FALLOW_STATE_LAZYFREE	(1U << 8)
#define FALLOW_STATE_KSM	(1U << 9)
#define FALLOW_STATE_DIRTY	(1U << 10)	/* the entry or the page */
#define FALLOW_STATE_WRITEBACK	(1U << 11)
#define FALLOW_STATE_REFERENCED	(1U << 12)	/* YOUNG, PG_young or PG_referenced */
#define FALLOW_STATE_YOUNG	(1U << 13)	/* accessed bit of the entry */
#define FALLOW_STATE_SOFT_DIRTY	(1U << 14)
#define FALLOW_STATE_SHARED	(1U << 15)	/* mapped more than once */
#define FALLOW_STATE_MLOCKED	(1U << 16)
#define FALLOW_STATE_PINNED	(1U << 17)	/* see FALLOW_A_VMA_PINNED */
#define FALLOW_STATE_HUGE	(1U << 18)	/* a PMD maps it */
#define FALLOW_STATE_LARGE	(1U << 19)	/* part of a large folio */
#define FALLOW_STATE_SWAP_CACHED (1U << 20)
#define FALLOW_STATE_ZERO_FILLED (1U << 21)	/* FALLOW_REQ_ZERO_TEST: anonymous, and all zeros */

/* What reclaim could do with the page, as the split of FALLOW_CMD_GET_VMA. */
#define FALLOW_STATE_RECLAIM_SHIFT	24
#define FALLOW_STATE_RECLAIM_MASK	(7U << FALLOW_STATE_RECLAIM_SHIFT)
#define FALLOW_STATE_RECLAIM(state)	(((state) & FALLOW_STATE_RECLAIM_MASK) >> FALLOW_STATE_RECLAIM_SHIFT)
#define FALLOW_RECLAIM_DROP		1	/* 0: not resident */
#define FALLOW_RECLAIM_WRITEBACK	2
#define FALLOW_RECLAIM_SWAP		3
#define FALLOW_RECLAIM_NOSWAP		4
#define FALLOW_RECLAIM_UNEVICTABLE	5

/*
 * How long the page was not accessed through this mapping, if this socket tracks
 * it. 0: unknown (not tracked, pinned for DMA, seen by a secondary MMU as well);
 * 1: accessed in the last interval, or first seen then; n: not accessed for at
 * least 2^(n - 2) intervals.
 */
#define FALLOW_STATE_AGE_SHIFT		27
#define FALLOW_STATE_AGE_MASK		(31U << FALLOW_STATE_AGE_SHIFT)
#define FALLOW_STATE_AGE(state)		((state) >> FALLOW_STATE_AGE_SHIFT)

/**
 * enum fallow_pages_attr - reply to FALLOW_CMD_GET_PAGES
 * @FALLOW_A_PAGES_UNSPEC: never sent
 * @FALLOW_A_PAGES_PAD: padding for 64-bit alignment
 * @FALLOW_A_PAGES_EXTENTS: array of &struct fallow_extent
 * @FALLOW_A_PAGES_HARVESTS: __u64, harvests that the socket's tracker of this
 *	process has made, the first included; in the first message, if there is
 *	one. Ages are known from the second on.
 * @FALLOW_A_PAGES_AGE_FLAGS: __u32, FALLOW_AGE_* bits; with HARVESTS
 */
enum fallow_pages_attr {
	FALLOW_A_PAGES_UNSPEC,
	FALLOW_A_PAGES_PAD = 32,
	FALLOW_A_PAGES_EXTENTS,
	FALLOW_A_PAGES_HARVESTS,
	FALLOW_A_PAGES_AGE_FLAGS,

	__FALLOW_A_PAGES_MAX,
	FALLOW_A_PAGES_MAX = __FALLOW_A_PAGES_MAX - 1
};

/* FALLOW_A_PAGES_AGE_FLAGS */
#define FALLOW_AGE_CAPPED	(1U << 0)	/* not all fits into the memory for ages: the rest is unknown */
#define FALLOW_AGE_SECONDARY	(1U << 1)	/* a secondary MMU maps the memory too: all is unknown */

/*
 * Reading memory without a trace: pread(2) on the device copies pages that are
 * resident and leaves their accessed bits, flags and places on the LRU lists as
 * they are. The file is bound to a process once, by FALLOW_IOC_TARGET with the
 * address of a __u32, its id in the caller's pid namespace; the file offset is the
 * address. A read ends before the first page that is not resident; if that is the
 * first page, it fails. The protection of a mapping is not asked for, PROT_NONE
 * included, as ptrace(2) does not. The zero page reads as zeros.
 *
 *  -EINVAL   not bound; bound already; a member of &struct fallow_gather is out of
 *            bounds
 *  -ENODATA  nothing is mapped there, the first page is not resident, or its
 *            contents are not for others: secretmem, guest_memfd, device memory;
 *            nor are hugetlb pages, and pages whose memory is broken
 *  -ESRCH    the process, or its address space, is gone
 *  -EPERM    CAP_SYS_PTRACE is missing, for the caller or for the opener
 */
#define FALLOW_DEVICE		"/dev/fallow"
#define FALLOW_IOC_TARGET	_IOW('f', 0xf0, __u32)

#define FALLOW_GATHER_MAX	4096

/**
 * struct fallow_gather - many small reads in one call
 * @addr: pointer to @count addresses (__u64), in any order
 * @buf: pointer to @count * @len bytes: the pieces, in the order of @addr; one
 *	that is not to be had is zeros
 * @ok: pointer to @count bytes: 1 if all of the piece was read, else 0
 * @count: 1 to FALLOW_GATHER_MAX
 * @len: of each piece, in bytes; 1 to the page size
 *
 * What a read would end with -ENODATA for is no error here. After an error the
 * contents of @buf and @ok are undefined.
 */
struct fallow_gather {
	__u64 addr;
	__u64 buf;
	__u64 ok;
	__u32 count;
	__u32 len;
};

#define FALLOW_IOC_GATHER	_IOW('f', 0xf1, struct fallow_gather)

#endif /* _UAPI_LINUX_FALLOW_H */
