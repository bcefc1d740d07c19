/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the jemalloc decoder. The words are those of jemalloc: a radix tree
 * (rtree.h) leads from each page's address to the record of the extent that it
 * belongs to (extent_t up to 5.2, edata_t since 5.3); records, tree and arenas lie in
 * base blocks (base.c).
 */
#ifndef FALLOW_JEMALLOC_H
#define FALLOW_JEMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/array.h"
#include "heap/heap.h"
#include "heap/peek.h"

/* 64-bit little-endian, as built by default. */
#define JE_PAGE	       4096u /* LG_PAGE 12; builds with others are not known here */
#define JE_HUGEPAGE    (2u << 20) /* LG_HUGEPAGE 21: base blocks are aligned to it */
#define JE_ARENAS      4096u /* MALLOCX_ARENA_BITS 12 */
#define JE_REGIONS     512u /* SLAB_MAXREGS: LG_PAGE - LG_TINY_MIN = 9 bits */
#define JE_CLASSES_MAX 235u /* SC_NSIZES with quantum 8; 232 with 16 */
#define JE_LEVELS_MAX  3

/* rtree.h: RTREE_HEIGHT, rtree_levels[], by LG_VADDR. */
struct tree_layout {
	unsigned int levels;
	unsigned int bits; /* of an address, that each level distinguishes */
	size_t element; /* bytes of a leaf's element; it begins with the pointer */
	uint64_t pointer; /* the bits of an element that are the record's address */
};

/* extent_structs.h, edata.h: struct extent_s, struct edata_s. */
#define RECORD_SIZE   128u
#define RECORD_ADDR   8u
#define RECORD_EXTENT 16u /* size, and a serial number below the page size */
#define RECORD_BITMAP 64u

/* Fields of the word at its start. Arena: bits 0 to 11; slab: bit 12. */
struct record_layout {
	const char *versions;
	unsigned int pai; /* bit: from the huge page allocator; 0: has none */
	unsigned int state, state_bits;
	unsigned int szind; /* 8 bits */
	unsigned int nfree; /* 10 bits */
	bool split_bins; /* a thread cache has small and large bins apart, as up to 5.2 */
	bool no_rings; /* nothing leads to thread caches, as in 5.0 */
};

/* Size classes (sc.c), by LG_QUANTUM. */
struct class_table {
	unsigned int lg_quantum;
	unsigned int n; /* SC_NSIZES: szind of what is no allocation */
	unsigned int nsmall; /* SC_NBINS */
	uint64_t size[JE_CLASSES_MAX];
};

enum record_state {
	RECORD_ACTIVE,
	RECORD_DIRTY,
	RECORD_MUZZY,
	RECORD_RETAINED,
	RECORD_TRANSITION, /* 5.3: on its way between two of the others */
	RECORD_MERGING,
};

/* A record decoded, and found consistent. */
struct record {
	uint64_t start, end; /* page aligned */
	uint64_t addr; /* of the allocation: behind start by less than a page */
	enum record_state state;
	bool slab, huge;
	unsigned int szind, nfree, arena;
	uint64_t bitmap[JE_REGIONS / 64]; /* of a slab: bits of free regions are set */
};

/* A block that holds jemalloc's own records. */
struct block {
	uint64_t start, end;
	uint64_t used; /* where what it has not given out begins */
	uint32_t arena; /* of records in it; JE_ARENAS: none seen */
};

/* Whether large allocations have a page more than they can use (cache_oblivious). */
enum je_padding { PADDING_UNKNOWN, PADDED, NOT_PADDED };

struct jemalloc {
	struct heap *heap; /* that this is the private part of */
	const struct heap_source *src;
	const struct tree_layout *tree;
	const struct record_layout *record;
	const struct class_table *classes;
	struct class_table tables[2];
	uint64_t root; /* address of the tree's first level */
	bool several; /* there is another root: a second jemalloc in the process */
	unsigned int looks; /* that may still be spent on finding it */
	struct block *blocks; /* by address */
	size_t nblocks, blocks_cap;
	bool rings; /* led to thread caches */
	uint64_t *cached; /* what thread caches hold, by address */
	size_t ncached, cached_cap;
	enum je_padding padding;
	bool decay_known;
	int64_t dirty_decay_ms, muzzy_decay_ms;
	uint32_t slot[JE_ARENAS]; /* arena's index in heap->arenas, plus 1; 0: none */
	size_t arenas_cap;
	struct peek peek;
};

/* Private, anonymous: where jemalloc has its memory. */
bool je_mapped(const struct jemalloc *j, uint64_t addr);
/* Whether all of [start, end) is that. */
bool je_mapped_all(const struct jemalloc *j, uint64_t start, uint64_t end);

/*
 * jemalloc_roots.c: the tree's root and layout. 1 if found, 0 if there is no jemalloc
 * that is known here, -errno.
 */
int je_find_root(struct jemalloc *j);
/*
 * The layout of records and the classes, by what is in the tree; which arena the
 * blocks are of. record stays NULL if none holds. 0 or -errno.
 */
int je_choose_layout(struct jemalloc *j);
/* Settles j->padding by all records. 0 or -errno. */
int je_find_padding(struct jemalloc *j);

/* jemalloc_record.c: fills j->tables. */
void je_fill_classes(struct jemalloc *j);
/*
 * Decodes the record @raw of what starts at @start by @l and @c. False if that makes
 * no sense.
 */
bool je_decode(const struct jemalloc *j, const struct record_layout *l,
	       const struct class_table *c, const uint8_t *raw, uint64_t start,
	       struct record *r);
/* Whether it is a large allocation, and what it shows of padding. */
bool je_is_large(const struct class_table *c, const struct record *r);
enum je_padding je_padding_of(const struct jemalloc *j, const struct record *r);
/* Of a slab: regions, and how many of them its bitmap has as free. */
unsigned int je_regions(const struct class_table *c, const struct record *r);
unsigned int je_free_regions(const struct class_table *c, const struct record *r);

/* jemalloc_tree.c: what the walk meets, in address order. */
struct tree_entry {
	uint64_t start; /* the first page that leads to the record */
	uint64_t last; /* the last one that was seen to lead there */
	uint64_t record; /* address of the record */
	const uint8_t *raw; /* RECORD_SIZE bytes; NULL: not resident */
};

struct tree_visitor {
	/* Whether entries that were read together make sense; if not, they are again. */
	bool (*agree)(struct tree_visitor *v, const struct tree_entry *e, size_t n);
	/* A nonzero return ends the walk and is returned. */
	int (*entry)(struct tree_visitor *v, const struct tree_entry *e);
	/* [start, end): that part of the tree is not resident. */
	int (*absent)(struct tree_visitor *v, uint64_t start, uint64_t end);
};

/* The whole tree. 0, -errno, or the visitor's answer; -EPROTO: it has no end. */
int je_walk_tree(struct jemalloc *j, struct tree_visitor *v);

/* jemalloc_meta.c: fills blocks. 0 or -errno. */
int je_find_blocks(struct jemalloc *j);
/* The block that @addr is in, or NULL. */
struct block *je_block_of(const struct jemalloc *j, uint64_t addr);

#define JE_BIN 24u /* sizeof(cache_bin_t), in all versions */

/* A bin of a thread cache: addresses of free regions, with room for more before them. */
struct je_bin {
	uint64_t start; /* of the room; up to 5.2 it is not known, and is items */
	uint64_t items, n;
	uint64_t end;
};

/* jemalloc_cache.c: fills cached and the decay times. 0 or -errno. */
int je_find_caches(struct jemalloc *j);
/* What JE_BIN bytes @b say. False if that makes no sense. */
bool je_bin_of(const struct jemalloc *j, const uint8_t *b, struct je_bin *bin);
/* Takes what is in the bins of a thread cache; where those of large regions are, up to 5.2. */
int je_take_cache(struct jemalloc *j, uint64_t bins, uint64_t large);

/* jemalloc_scan.c: the same of a jemalloc from whose arenas nothing leads to caches. */
int je_scan_caches(struct jemalloc *j);

#endif
