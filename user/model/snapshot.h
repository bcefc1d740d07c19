/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One look at a process: its mappings, its heaps, and the ledger that joins
 * them. Taking it reads the process; everything after works on this alone.
 */
#ifndef FALLOW_SNAPSHOT_H
#define FALLOW_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "error.h"
#include "heap/heap.h"
#include "model/beside.h"
#include "model/ledger.h"
#include "model/map.h"
#include "pages/pages.h"
#include "target/target.h"
#include "target/vma.h"

/* A VMA and how the sweep filed its pages; parallel to snapshot.vmas. */
struct region {
	const char *owner; /* "glibc", "stack", "io_uring" (who pins it), "" */
	char *mapped_by; /* the function that mapped most of it, raw; NULL: not known */
	uint64_t resident[LEDGER_CLASSES];
	uint64_t swapped[LEDGER_CLASSES];
	uint64_t idle[LEDGER_CLASSES]; /* of resident, as in struct ledger_line */
};

struct process {
	pid_t pid;
	char *comm, *cmdline, *exe, *cgroup; /* raw, from the target */
	uint64_t starttime; /* clock ticks after boot */
	unsigned int threads;
	unsigned int
		execs; /* looks at one target that differ in it are of two programs */
};

/* Totals over the arenas of a heap, in bytes. */
struct heap_totals {
	uint64_t mapped;
	uint64_t live;
	uint64_t free; /* thread caches and tops included */
	uint64_t resident;
	uint64_t used; /* resident pages with a live byte */
	uint64_t stranded;
	uint64_t returnable, returnable_top;
	uint64_t held, held_cached, held_top, held_unit;
	uint64_t swapped;
};

/* A mapping with anonymous memory of no known allocator: so many resident bytes. */
struct piece {
	uint64_t start, end;
	uint64_t bytes;
};

#define SNAPSHOT_WARNINGS 8

#define BOOT_ID_TEXT 37 /* a UUID */

struct mappers;

struct snapshot {
	struct timespec time; /* CLOCK_REALTIME */
	uint64_t monotonic_ns; /* CLOCK_MONOTONIC, for intervals */
	uint64_t uptime_ns; /* CLOCK_BOOTTIME, for intervals between looks of one boot */
	char boot_id[BOOT_ID_TEXT]; /* which boot that is; "" if it cannot be known */
	uint64_t duration_ns;
	uint64_t idle_ns; /* what the ledger's idle means; 0: was not asked for */
	char host[65], kernel[65];
	const char *source; /* "kmod", "procfs" */
	const char *reader; /* "fallow", "process_vm_readv" */
	struct process process;
	struct vma_list vmas;
	struct region *regions;
	struct heap **heaps;
	size_t nheaps;
	struct ledger_line ledger[LEDGER_CLASSES];
	uint64_t rss; /* the sum of the ledger's resident */
	uint64_t swap; /* the sum of its swapped */
	uint64_t live_bytes; /* of all heaps, on resident pages */
	uint64_t stranded_bytes;
	uint64_t lazyfree; /* given up by MADV_FREE, still resident */
	/* In mappings that are locked, and resident from end to end for that. */
	uint64_t locked_whole[LEDGER_CLASSES];
	uint64_t pinned; /* by DMA: UNKNOWN, where neither source nor kernel tells */
	uint32_t keepers; /* bit i: heap/keepers.h's keepers[i] is mapped */
	/* Registered with io_uring, each byte once; 0 also where nothing is pinned. */
	uint64_t uring_bytes;
	size_t uring_buffers, urings;
	uint64_t huge; /* in anonymous transparent huge pages */
	uint64_t huge_zero; /* of that, small pages of zeros alone; UNKNOWN: not looked */
	struct beside beside; /* what RSS does not count */
	struct piece *pieces; /* by address; kept when the mappings are not */
	size_t npieces;
	struct map *map; /* NULL: not asked for */
	struct mappers *mappers; /* model/mappers.h; NULL: calls were not traced */
	uint64_t torn; /* bytes on which two looks disagreed */
	char *warnings[SNAPSHOT_WARNINGS];
	size_t nwarnings;
	bool recorded; /* read back from a file: see store/revive.h */
	char **names; /* then: what the program's own strings are in a look */
	size_t nnames;
};

/* Told now and then during a look, for whoever waits. */
struct progress {
	void (*tick)(struct progress *p, uint64_t done,
		     uint64_t total); /* bytes of heap */
};

struct recall;

/* What a look is to learn. */
struct look {
	uint64_t
		idle_ns; /* when pages are accessed, looking each so often; 0: not that */
	bool by_size; /* the heaps' size classes: slower where blocks are small */
	bool quick; /* heaps by their free lists where that is faster: see heap_error */
	bool totals; /* not what RSS does not count, nor the control group */
	bool map; /* also a map of the address space */
	struct progress *progress; /* may be NULL */
	struct recall *recall; /* of earlier looks at the same process; may be NULL */
};

/*
 * Looks at @t through @p. On failure @e says why and @s needs no freeing. Budget: one
 * pass over the resident part of the heaps, and over the page table.
 */
int snapshot_take(struct snapshot *s, struct target *t, struct pages *p,
		  const struct look *how, struct error *e);
void snapshot_free(struct snapshot *s);

/* From the mappings and what is resident in each: lazyfree, huge and pieces. */
int snapshot_add_kinds(struct snapshot *s, struct error *e);

/* Frees the mappings of a look that is kept for comparison only: they may be many. */
void snapshot_shed(struct snapshot *s);

/* Adds a line for the user; silently bounded. */
void snapshot_warn(struct snapshot *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct heap_totals heap_totals(const struct heap *h);

#endif
