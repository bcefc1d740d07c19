/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the mimalloc decoder. The words are those of mimalloc (types.h): a page
 * is a run of slices that is cut into blocks of one size, and has lists of those that
 * are free. In 2.x the records of pages are at the head of the segment that they lie
 * in; in 3.x pages are in arenas, or are mappings by themselves, and a map of the
 * address space leads to their records.
 */
#ifndef FALLOW_MIMALLOC_H
#define FALLOW_MIMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/array.h"
#include "heap/emit.h"
#include "heap/heap.h"
#include "heap/peek.h"

/* 64-bit little-endian, as built by default. */
#define MI_SLICE      (64u << 10) /* MI_SEGMENT_SLICE_SIZE, MI_ARENA_SLICE_SIZE */
#define MI_RECORD_MAX 136u /* of a page */
#define MI_BLOCKS_MAX 65536u /* in a page: they are counted in 16 bits */
#define MI_HEADS_MAX  1024u /* of them where a page is larger than a window */
#define MI_LISTS      3
#define MI_ARENAS_MAX 1024u /* 160 in a sub-process */
#define MI_LOOKS      4 /* at what makes no sense */

/* Where a page's blocks begin. */
enum mi_start {
	MI_START_BEHIND_GAP, /* of one length, where they are small (2.0) */
	MI_START_BEHIND_BLOCKS, /* behind the room of some, where they are small */
	MI_START_POINTER, /* the record has the address */
	MI_START_OFFSET, /* the record has the distance from itself */
	MI_START_WORDS, /* the same, 32 bits, in words */
};

/* struct mi_page_s, offsets in bytes. */
struct mi_page_layout {
	uint32_t bytes; /* of a record */
	uint32_t list[MI_LISTS]; /* free, local_free, xthread_free */
	uint32_t used, capacity, reserved; /* 16 bits each */
	uint32_t size, size_bytes; /* of a block */
	uint32_t huge; /* MI_HUGE_BLOCK_SIZE: the size does not fit in the record */
	uint32_t heap; /* that owns the page */
	uint32_t keys; /* two, by which lists are encoded; 0: they are not */
	enum mi_start begins;
	uint32_t gap;
	uint32_t start; /* of the blocks; where the record has it */
	uint32_t thread, memid; /* only in 3.x */
};

/* A page decoded, and found consistent. */
struct mi_page {
	uint64_t record; /* address */
	uint64_t start, end; /* of all that is the page's */
	uint64_t blocks; /* where they begin */
	uint64_t size; /* of a block */
	uint32_t used, capacity, reserved; /* blocks */
	uint64_t list[MI_LISTS]; /* the first of each */
	uint64_t keys[2];
	uint64_t heap;
	bool fresh; /* the record was read just now */
	bool gone; /* no thread's, and empty: it was given up since its arena was read */
};

/* Memory that is walked in one go. */
enum mi_piece_kind {
	MI_PIECE_SEGMENT,
	MI_PIECE_ARENA,
	MI_PIECE_PAGE, /* 3.x: a page that is a mapping by itself */
	MI_PIECE_META, /* the allocator's own */
};

struct mi_piece {
	uint64_t start, end;
	enum mi_piece_kind kind;
	uint64_t record; /* of the segment, arena, page */
};

/* Settings in force, by their names in options.c; those that tell of purging. */
enum mi_option {
	MI_OPTION_DECOMMIT_DELAY, /* ms; 2.0 */
	MI_OPTION_DECOMMIT_EXTEND,
	MI_OPTION_SEGMENT_DECOMMIT_DELAY,
	MI_OPTION_PURGE_DELAY, /* ms; since 2.1.2 */
	MI_OPTION_PURGE_EXTEND, /* ms; 2.x */
	MI_OPTION_PURGE_MULT,
	MI_OPTION_PURGE_DECOMMITS,
	MI_OPTION_PURGE_MIN_SIZE, /* KiB; 3.6 */
	MI_OPTION_MINIMAL_PURGE, /* the same; 3.1.6 to 3.4 */
	MI_OPTION_ALLOW_THP, /* 2, since 3.3.2, or not 0: huge pages are purged whole */
	MI_OPTION_NUMA_LOCAL, /* since 3.3.2 */
	MI_OPTIONS
};

/* struct mi_memid_s. */
#define MEMID_ARENA  0u
#define MEMID_BASE   0u /* of what was mapped */
#define MEMID_INDEX  8u /* 32 bits: the first slice */
#define MEMID_SIZE   8u
#define MEMID_COUNT  12u /* 32 bits: slices */
#define MEMID_KIND   16u
#define MEMID_PINNED 20u /* a byte */

/*
 * struct mi_arena_s; its memid comes first. Bitmaps follow each other in memory, in the
 * order of the pointers to them: free, committed, dirty, purge.
 */
struct mi_arena_layout {
	uint32_t at; /* of the record in the arena */
	uint32_t slices, info_slices;
	uint32_t bitmaps; /* the pointers */
	uint32_t pages; /* the pointer to another, of slices that pages begin at; or 0 */
	uint32_t kind_mapped, kind_arena; /* MI_MEM_OS, MI_MEM_ARENA */
	bool heaps; /* each but the main one has a bitmap of its own for its pages */
	uint32_t records; /* the pointer to the records of pages, one a slice; or 0 */
	uint32_t region; /* slices with the records of their pages before them; or 0 */
	uint32_t map_head; /* bytes before the page map, in what leads to it */
};

struct mi_layout {
	const char *version;
	const struct mi_page_layout *page;
	const struct mi_arena_layout *arena; /* 3.x */
	const struct mi_segment_layout *segment; /* 2.x */
};

/* mimalloc_arena_layouts.c */
extern const struct mi_layout mi_arena_layouts[];
extern const size_t mi_arena_layout_count;

struct mimalloc {
	struct heap *heap; /* that this is the private part of */
	const struct heap_source *src;
	const struct mi_layout *layout; /* NULL: not known */
	struct peek peek;
	uint32_t layouts; /* 2.x: a bit each of those that were met */
	uint64_t cookie; /* 2.x */
	uint32_t cookies; /* that were looked for, of one layout */
	uint64_t map; /* 3.x: address of the page map; 0: not found */
	uint64_t arenas[MI_ARENAS_MAX]; /* 3.x: addresses of their records */
	size_t narenas;
	bool thp; /* 3.x: it found that the system gives huge pages; or it is not known */
	bool loaded; /* some mimalloc is, and was set up */
	struct mi_piece *pieces; /* by address, disjoint */
	size_t npieces, pieces_cap;
	uint64_t *delayed; /* 2.x: blocks that other threads freed, by address */
	size_t ndelayed, delayed_cap;
	uint64_t *heaps; /* 2.x: that own pages, by address */
	size_t nheaps, heaps_cap;
	int64_t option[MI_OPTIONS];
	bool option_known[MI_OPTIONS];
	uint64_t budget; /* looks that are left: forged records are more than memory */
	/* The walk. */
	bool quick; /* no list is followed where the counts of a page are enough */
	struct emitter out;
	uint64_t at; /* all below is told */
	uint8_t *free; /* a bit a block of the page that was decoded last */
	uint32_t nfree; /* of its blocks, of those that were ever cut */
	bool filled, in_window; /* a page that fits in a window is read as a whole */
	uint8_t *data; /* READER_WINDOW bytes */
	uint8_t present[READER_WINDOW_PAGES];
	uint64_t *places, *words; /* of the heads of its blocks, and what is there */
	uint8_t *there;
};

/* Whether all of [start, end) is private, and no file's. */
bool mi_mapped(const struct mimalloc *m, uint64_t start, uint64_t end);
/* reader_read() at an address that the target made up. */
int mi_read(struct mimalloc *m, uint64_t addr, void *buf, size_t len);
/*
 * The same, where what was never touched reads as zeros. -ENODATA: some of it is
 * swapped out.
 */
int mi_read_sparse(struct mimalloc *m, uint64_t addr, void *buf, size_t len);
/* Tells of [start, end), as far as it is not told yet. As emit(). */
int mi_tell(struct mimalloc *m, enum extent_kind kind, uint64_t start, uint64_t end);
/* The same, for what could not be decoded: @err is why. */
int mi_tell_unread(struct mimalloc *m, int err, uint64_t start, uint64_t end);
/* Takes @n looks off the budget. 0, or -EFBIG: they are used up. */
int mi_spend(struct mimalloc *m, uint32_t n);
/* Adds to the pieces, in no order. 0 or -ENOMEM. */
int mi_add_piece(struct mimalloc *m, const struct mi_piece *p);
/* Puts the pieces in order; of those that overlap the first one stays. */
void mi_sort_pieces(struct mimalloc *m);

/*
 * mimalloc_page.c. Fills @p, of which record, start and end are set, from @raw. False
 * if that makes no sense.
 */
bool mi_parse_page(const struct mimalloc *m, const uint8_t *raw, struct mi_page *p);
/* Whether @p has as many blocks as there is room for, if that is how they are counted. */
bool mi_fills_room(const struct mimalloc *m, const struct mi_page *p);
/*
 * How many blocks of @p the application holds; which ones are free is in m->free and
 * m->nfree. -ENODATA: its lists are not resident; -EPROTO: they make no sense, also
 * when looked at again; -ESRCH.
 */
int64_t mi_count_live(struct mimalloc *m, struct mi_page *p);
/* Tells of all bytes of @p. */
int mi_walk_page(struct mimalloc *m, struct mi_page *p);
/* Whether the heap that owns the page is the first thread's. */
bool mi_of_main_heap(const struct mimalloc *m, const struct mi_page *p);
/* Whether the application holds none of its blocks. */
bool mi_is_empty(struct mimalloc *m, struct mi_page *p);
/* Whether mi_collect() in the only thread that there is would give up the page. */
bool mi_gives_up(struct mimalloc *m, struct mi_page *p);

/*
 * mimalloc_segment_roots.c, mimalloc_arena.c: by version. 1: layout is set; 0: it is
 * another one; -errno.
 */
int mi_find_segments_root(struct mimalloc *m);
int mi_find_arenas_root(struct mimalloc *m);
/* Fills pieces. 0 or -errno. */
int mi_find_segments(struct mimalloc *m);
int mi_find_arenas(struct mimalloc *m);
/* mimalloc_segment.c, mimalloc_arena.c: tells of all of a piece. */
int mi_walk_segment(struct mimalloc *m, const struct mi_piece *p);
int mi_walk_arena(struct mimalloc *m, const struct mi_piece *p);

/* mimalloc_arena.c: adds the arena that has its record at @record, if there is one. */
int mi_try_arena(struct mimalloc *m, uint64_t record);

/*
 * mimalloc_map.c. Finds the map, which must lead to @p. 0, also if there is none, or
 * -errno.
 */
int mi_find_map(struct mimalloc *m, const struct mi_page *p);
/* Adds pieces for what it leads to, and for itself; those that there are are arenas. */
int mi_walk_map(struct mimalloc *m);
int mi_walk_lone_page(struct mimalloc *m, const struct mi_piece *p);

/* mimalloc_options.c: fills option and loaded; thp. 0 or -errno. */
int mi_find_options(struct mimalloc *m);
int mi_find_thp(struct mimalloc *m);

/*
 * mimalloc_main.c: whether the first thread's heap has a page: 1 or 0; -errno. A
 * program may have mimalloc in it, set up, and allocate from it only if told to.
 */
int mi_main_heap_is_used(const struct mimalloc *m);

#endif
