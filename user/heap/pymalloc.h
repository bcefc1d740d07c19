/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the decoder of CPython's small-object allocator. The words are those of
 * Objects/obmalloc.c: blocks of one size class are cut from a pool, pools from an
 * arena, and a vector of records, one an arena, is all that leads to them.
 */
#ifndef FALLOW_PYMALLOC_H
#define FALLOW_PYMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"
#include "heap/peek.h"

/* struct arena_object, 64-bit. */
struct arena_record {
	uint64_t address; /* 0: the record is in the list of unused ones */
	uint64_t pool_address; /* the next pool to be carved off */
	uint32_t nfreepools; /* carved ones and others */
	uint32_t ntotalpools;
	uint64_t freepools;
	uint64_t nextarena, prevarena; /* of arenas without free pools: stale */
};

/* struct pool_header, 64-bit. */
struct pool_head {
	uint32_t count; /* blocks in use */
	uint32_t padding;
	uint64_t freeblock; /* each free block begins with a pointer to the next */
	uint64_t nextpool, prevpool;
	uint32_t arenaindex;
	uint32_t szidx;
	uint32_t nextoffset; /* of what was never carved into blocks */
	uint32_t maxnextoffset; /* of the last block */
};

#define POOL_HEAD    sizeof(struct pool_head)
#define BLOCK_ALIGN  16u
#define SIZE_CLASSES 32u
#define BLOCKS_MAX   1024u /* more than fit in the largest pool */
#define REJECTED     1024u
#define LOOKS_MAX    3 /* looks at what made no sense */

struct pool_layout {
	const char *versions;
	uint32_t arena, pool; /* bytes */
};

/* The vector of an interpreter, or of all that share it. */
struct pool_root {
	const struct pool_layout *layout;
	uint64_t records; /* address of the vector */
	uint64_t slot; /* where the first pointer to it was seen */
	uint32_t nrecords; /* 0: not known */
	bool in_state; /* the pointer is in a struct _obmalloc_state, as since 3.12 */
};

/* An arena that is mapped. */
struct pool_arena {
	uint64_t address;
	uint32_t root; /* index in pymalloc.roots, and in heap.arenas */
	uint32_t index; /* in the root's vector */
};

struct pymalloc {
	struct heap *heap; /* that this is the private part of */
	const struct heap_source *src;
	uint64_t page; /* bytes in a page */
	struct peek peek;
	struct pool_root *roots;
	size_t nroots, roots_cap;
	unsigned int tries; /* vectors that were looked at closely */
	struct pool_arena *arenas; /* by address, disjoint */
	size_t narenas, arenas_cap;
	size_t arenas_max; /* as many as what is mapped could hold */
	uint64_t rejected[REJECTED]; /* addresses that are no root, by their low bits */
	uint64_t runtime; /* address of _PyRuntime; 0: not found, or before 3.12 */
	bool is_3_12; /* by how that begins */
	uint32_t version; /* PY_VERSION_HEX; 0: not known */
};

/* Bytes of a block in size class @szidx. */
static inline uint32_t block_size(uint32_t szidx)
{
	return (szidx + 1) * BLOCK_ALIGN;
}

/* The first pool of an arena, which need not be aligned as pools are. */
static inline uint64_t first_pool(const struct pool_layout *l, uint64_t arena)
{
	return (arena + l->pool - 1) / l->pool * l->pool;
}

/* Whether @r is that of an arena in use, by what it says of itself. */
bool record_holds(const struct pymalloc *p, const struct pool_layout *l,
		  const struct arena_record *r);

/* Whether a pool begins with @h, if it is one of arena @index. */
bool pool_holds(const struct pool_layout *l, uint32_t index, const struct pool_head *h);

/* Reads anew, past what was seen before. 0 or -errno as reader_read(). */
int read_record(struct pymalloc *p, const struct pool_arena *a, struct arena_record *r);

/* peek_read() at an address that the target made up: it may be that of no memory. */
int pymalloc_look(struct pymalloc *p, uint64_t addr, void *buf, size_t len);

/* Takes what the pointer at @slot leads to, if it is a vector. 0 or -errno. */
int pymalloc_try_root(struct pymalloc *p, uint64_t slot, uint64_t records);

/* pymalloc_interpreters.c: takes note if _PyRuntime is what the @len bytes at @b are. */
void pymalloc_see_runtime(struct pymalloc *p, uint64_t addr, const uint8_t *b,
			  size_t len);

/* The roots of interpreters other than the first, by runtime. 0 or -errno. */
int pymalloc_find_interpreters(struct pymalloc *p);

/* Fills roots and arenas. 0, or -errno; no roots: it is not there. */
int pymalloc_find_roots(struct pymalloc *p);

#endif
