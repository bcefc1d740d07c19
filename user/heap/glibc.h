/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the glibc decoder. The words are those of malloc/malloc.c: a chunk
 * begins with prev_size and size; the size's low three bits are flags; whether a
 * chunk is in use is told by the flag PREV_INUSE of the chunk behind it.
 */
#ifndef FALLOW_GLIBC_H
#define FALLOW_GLIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/array.h"
#include "heap/heap.h"
#include "heap/marks.h"
#include "heap/peek.h"

/* 64-bit little-endian glibc: malloc/malloc-internal.h, MALLOC_ALIGNMENT. */
#define CHUNK_ALIGN  16u
#define CHUNK_MIN    0x20u /* MINSIZE */
#define CHUNK_STRUCT 0x30u /* sizeof(struct malloc_chunk) */
#define PREV_INUSE   1u
#define IS_MMAPPED   2u
#define SIZE_FLAGS   7u

#define NBINS		127 /* bin_at(1) to bin_at(127) */
#define NFASTBINS	10
#define TCACHE_BINS_MAX 76

struct chunk_head {
	uint64_t prev_size;
	uint64_t size; /* with flags */
};

/* struct malloc_state; offsets in bytes. */
struct arena_layout {
	const char *versions;
	uint32_t fastbins; /* 0: has none */
	uint32_t top;
	uint32_t bins;
	uint32_t next;
	uint32_t system_mem;
	uint32_t size; /* sizeof(struct malloc_state) */
};

/* struct malloc_par. */
struct par_layout {
	const char *versions;
	uint32_t thp_pagesize, hp_pagesize; /* 0: has none */
	uint32_t n_mmaps; /* then n_mmaps_max, max_n_mmaps, no_dyn_threshold: int each */
	uint32_t mmapped_mem; /* then max_mmapped_mem, sbrk_base, tcache_bins,
				 * tcache_max_bytes, tcache_count: 8 bytes each */
	uint32_t size;
	bool drifts; /* each mremap() adds a chunk's head to mmapped_mem */
};

/* struct malloc_par as far as it is of use. */
struct malloc_par {
	bool found;
	const struct par_layout *layout;
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	uint64_t thp_pagesize, hp_pagesize;
	uint32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, sbrk_base, tcache_bins, tcache_max_bytes, tcache_count;
};

/* What may be free, though a quick look did not see it so. */
enum hiding {
	HIDES_NOTHING,
	HIDES_SMALL, /* chunks of less than half a page */
	HIDES_PAGES,
};

struct free_chunk {
	uint64_t start, end;
	uint32_t arena;
};

struct arena {
	uint64_t addr; /* of its malloc_state */
	uint64_t top;
	uint64_t system_mem;
	uint64_t fastbins[NFASTBINS];
	bool noncontiguous;
	/* Free chunks in its bins, ascending: where a broken walk goes on. */
	uint64_t *known;
	size_t nknown;
	bool collected;
	size_t renewed; /* chunks that were collected anew */
	/* Of a quick look. */
	enum hiding hides;
	uint64_t fast_bytes; /* in fastbins */
	uint64_t
		unsure; /* in chunks that overlap others: one of them was read too late */
};

enum segment_kind {
	SEGMENT_BRK, /* main arena, by sbrk */
	SEGMENT_MORECORE, /* main arena, mmapped because sbrk failed */
	SEGMENT_HEAP, /* of a thread arena */
	SEGMENT_MMAPPED, /* one block with a mapping of its own */
};

/* A piece of address space that glibc holds. */
struct segment {
	uint64_t start, end;
	uint64_t first; /* its first chunk; what lies before is metadata */
	uint32_t arena; /* index in glibc.arenas; narenas for SEGMENT_MMAPPED */
	enum segment_kind kind;
};

/* What a chunk is that looks in use but is free, or the allocator's own. */
enum mark {
	MARK_NONE,
	MARK_TCACHE, /* is a tcache_perthread_struct */
	MARK_FAST, /* in a fastbin */
	MARK_CACHED, /* in a tcache */
	MARK_KINDS
};

struct glibc {
	struct heap *heap; /* that this is the private part of */
	const struct heap_source *src;
	uint64_t page; /* bytes in a page */
	const struct arena_layout *layout;
	struct malloc_par par;
	struct arena *arenas; /* [0] is main_arena */
	size_t narenas, arenas_cap;
	struct segment *segments; /* by address */
	size_t nsegments, segments_cap;
	uint64_t held; /* bytes in segments */
	struct marks marks[MARK_KINDS]; /* addresses of chunks */
	size_t marks_max; /* bytes that they may take */
	bool marks_full;
	const struct vma *near; /* has the chunk that a list led to last; may be NULL */
	size_t chunks_max; /* as many as what is mapped could hold */
	/* Of a quick look: what lists have, by address; the first that is not told. */
	struct free_chunk *free;
	size_t nfree, next_free;
	struct peek peek;
	uint32_t found_mmaps;
	uint64_t found_mmapped;
};

/*
 * Private, anonymous, writable: the mapping that has @addr, or that may have grown to
 * have it since mappings were read; or NULL.
 */
const struct vma *heap_memory_of(const struct glibc *g, uint64_t addr);
/* Whether chunks can be there. */
bool in_heap_memory(const struct glibc *g, uint64_t addr);
/* A pointer to a chunk, or to a chunk's memory, that could be true. */
bool plausible_chunk(const struct glibc *g, uint64_t addr);

/*
 * glibc_roots.c: main_arena, mp_, the ring of arenas. 1 if found, 0 if this
 * process has no initialised glibc malloc, -errno.
 */
int glibc_find_roots(struct glibc *g);

/* glibc_segments.c: fills segments. 0 or -errno. */
int glibc_find_segments(struct glibc *g);

/* glibc_marks.c: fills marks from tcaches and fastbins. 0 or -errno. */
int glibc_find_marks(struct glibc *g);
/* An enum mark for each place of the MARKS_BLOCK at @start. */
void glibc_marks_in(const struct glibc *g, uint64_t start, uint8_t slots[MARKS_SLOTS]);
/* The first one above @addr and below @end, if it is near; 0 if there is none. */
uint64_t glibc_next_mark(const struct glibc *g, uint64_t addr, uint64_t end);
/* Fills @a->known from its bins. 0 or -errno. */
int glibc_collect_bins(struct glibc *g, struct arena *a);
/* The same anew, until that was done too often: then they are as they were last. */
int glibc_renew_bins(struct glibc *g, struct arena *a);

/* Whether fastbins are mangled (PROTECT_PTR), by the one that begins with @head. */
bool glibc_fastbin_mangled(struct glibc *g, uint64_t head, unsigned int bin);

/* What the walk meets, in address order. */
enum chunk_kind {
	CHUNK_INUSE, /* or in a tcache or fastbin: marks tell */
	CHUNK_FREE,
	CHUNK_TOP,
	CHUNK_META, /* before the first chunk, and fence posts */
	CHUNK_BROKEN, /* could not be followed */
};

/* Why a part is CHUNK_BROKEN. */
enum break_cause {
	BREAK_NONE,
	BREAK_ABSENT, /* swapped out, or not resident */
	BREAK_TORN, /* the target changed it under the walk */
	BREAK_FOREIGN, /* somebody else's, within the brk heap */
};

/* A visitor sees [start, end). A nonzero return ends the walk and is returned. */
struct chunk_visitor {
	int (*chunk)(struct chunk_visitor *v, const struct segment *s,
		     enum chunk_kind kind, uint64_t start, uint64_t end,
		     enum break_cause cause);
};

/* glibc_walk.c: all chunks of one segment. 0, -errno, or the visitor's answer. */
struct walk_window;
struct walk_window *walk_window_new(void);
void walk_window_free(struct walk_window *w);
int glibc_walk_segment(struct glibc *g, struct walk_window *w, const struct segment *s,
		       struct chunk_visitor *v);

/* glibc_quick.c: fills free from all lists. 0 or -errno. */
int glibc_find_free(struct glibc *g);
/* A segment by that, as glibc_walk_segment(). Segments come in address order. */
int glibc_tell_free(struct glibc *g, const struct segment *s, struct chunk_visitor *v);
/* How far that may be wrong: fills the heap's error, once all is told. */
void glibc_bound_error(struct glibc *g);

#endif
