/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a heap decoder tells. A decoder finds an allocator's roots in a live
 * process, chooses the layout by self-check, and then streams the whole of
 * what the allocator holds as extents in address order. It knows bytes, not
 * residency: which pages of an extent are resident is the model's work.
 *
 * A decoder trusts nothing that it reads: every length, pointer and count is
 * checked, every loop bounded by what the target maps, and no allocation is
 * sized by the target's word alone.
 */
#ifndef FALLOW_HEAP_H
#define FALLOW_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "target/target.h"
#include "target/vma.h"

enum extent_kind {
	EXTENT_LIVE, /* blocks that the application holds, headers included */
	EXTENT_FREE, /* free, and the purge call leaves it where it is */
	EXTENT_CACHED, /* free, in a thread's cache; the purge leaves it */
	EXTENT_TOP, /* free, the top of an arena that the purge leaves */
	EXTENT_RETURNABLE, /* free, whole pages; the purge gives them back */
	EXTENT_META, /* the allocator's own */
	EXTENT_UNREAD, /* belongs to the allocator, could not be decoded */
	EXTENT_KINDS
};

/*
 * [start, end) is of one kind in one arena. Extents are disjoint and come in
 * address order over the whole walk; neighbours of the same kind, arena and size are
 * already merged. EXTENT_RETURNABLE is page aligned.
 */
struct extent {
	uint64_t start, end;
	enum extent_kind kind;
	uint32_t arena; /* index in struct heap's arenas */
	uint64_t size; /* class of the blocks in it, bytes; 0: no blocks, or not known */
};

/*
 * [start, end), page aligned, is a slab, an arena or alike, of which the allocator
 * gives nothing back as long as there is one live block in it.
 */
struct unit {
	uint64_t start, end;
	uint32_t arena;
};

/* Receives extents. A nonzero return stops the walk, which then returns it. */
struct extent_sink {
	int (*extent)(struct extent_sink *s, const struct extent *x);
	/* The extents that come next are those of @u. May be NULL. */
	int (*unit)(struct extent_sink *s, const struct unit *u);
};

/* Where an arena's memory comes from; fills the advice. */
enum arena_kind {
	ARENA_MAIN, /* glibc: the brk heap and what extends it */
	ARENA_THREAD, /* glibc: a non-main arena */
	ARENA_MMAPPED, /* blocks with a mapping of their own */
	ARENA_POOLS, /* pymalloc: all arenas of an interpreter */
	ARENA_PLAIN, /* any of an allocator that has one kind only */
};

struct heap_arena {
	enum arena_kind kind;
	uint64_t address; /* of the allocator's own record of it; 0 if none */
	uint64_t top; /* address of its top chunk, 0 if none; set by detect() */
	/* By the walk, in bytes. */
	uint64_t mapped; /* all extents */
	uint64_t bytes[EXTENT_KINDS];
	/* By the model's sweep, in bytes of resident pages. */
	uint64_t resident;
	uint64_t used; /* pages with a live byte */
	uint64_t stranded; /* free bytes on those pages */
	uint64_t returnable;
	uint64_t returnable_top; /* part of returnable: the main arena's top */
	uint64_t held; /* fallow pages that the purge leaves */
	uint64_t held_cached, held_top; /* parts of held, by their first cause */
	uint64_t held_unit; /* another part: there is a live block in their unit */
	uint64_t swapped; /* fallow or not */
};

/* A unit whose few live bytes keep much that is free. */
struct remnant {
	struct unit unit;
	uint64_t block; /* address of the first live byte */
	uint64_t live;
	uint64_t free; /* bytes that are free, on resident pages */
	uint8_t data[32]; /* what the block begins with, if that was asked for */
	size_t ndata;
};

#define REMNANTS_MAX 10

/* Blocks of a size class, in bytes. */
struct heap_class {
	uint64_t size; /* of a block, at most: what the allocator rounds to */
	uint64_t live, free;
	uint64_t stranded; /* of what is free, that on pages with a live byte */
};

#define CLASSES_MAX 512 /* of a heap: allocators have half as many */

/* A setting in force in the target, read from the allocator's own variables. */
struct heap_setting {
	const char *name; /* "trim_threshold" */
	int64_t value; /* -1: never, or without limit, as in the allocator's own manual */
	bool is_bytes;
};

enum heap_status {
	HEAP_EXACT, /* every byte decoded, cross-checks held */
	HEAP_PARTIAL, /* some of it is EXTENT_UNREAD or torn: see reason */
	/*
	 * Recognised, not decoded: see reason. If detect() gave it an arena, some memory
	 * is surely its, and the walk tells that as EXTENT_UNREAD; else there is no walk.
	 */
	HEAP_UNSUPPORTED,
};

/* How far a quick look may be wrong, in bytes: of what is told as live, or as used... */
struct heap_error {
	uint64_t live; /* ...at most so much is free */
	uint64_t returnable; /* ...at most so much is returnable */
	uint64_t held; /* ...at most so much is fallow, and kept */
};

struct heap_ops;

struct heap {
	const struct heap_ops *ops;
	char version[64]; /* of the layout that passed the self-check: "2.36", or a
				 * range "2.32-2.41" where layouts are equal; the
				 * library's own version if it is certain */
	enum heap_status status;
	char reason[256]; /* why not exact; "" else */
	struct heap_arena *arenas;
	size_t narenas;
	struct heap_setting *settings;
	size_t nsettings;
	uint64_t torn; /* bytes that changed under the walk and were not settled */
	/*
	 * Free bytes as the allocator's own statistics would give them, where
	 * that differs from the sum over extents: glibc counts thread caches
	 * as used (mallinfo2().fordblks).
	 */
	uint64_t own_free;
	bool quick; /* the walk did not look at all blocks: see error */
	struct heap_error error; /* then */
	/* By the model's sweep: those that keep most, the worst first; and all of them. */
	struct remnant remnants[REMNANTS_MAX];
	size_t nremnants;
	uint64_t pinning, pinning_live, pinning_free; /* how many; bytes, as above */
	struct heap_class *classes; /* by size, if that was asked for; NULL else */
	size_t nclasses;
	void *priv; /* the decoder's */
};

struct recall;

/* What a decoder may look at. */
struct heap_source {
	struct target *target; /* reader included */
	const struct vma_list *vmas;
	bool by_size; /* sizes are wanted, though that makes more extents */
	bool quick; /* blocks are not walked, nor lists within pages: counts are enough */
	struct recall *recall; /* what earlier looks found; may be NULL */
};

struct heap_ops {
	const char *name; /* "glibc" */
	const char *versions; /* that are decoded, for people: "2.31 and newer" */
	/* A quick look tells how many blocks of a slab are free, not which. */
	bool counts;
	/* The call that gives fallow pages back: "malloc_trim(0)"; NULL: no call does. */
	const char *purge;
	/*
	 * Looks for the allocator. Returns 0 with *@out NULL if it is not there,
	 * 0 with a heap if it is (maybe HEAP_UNSUPPORTED), -1 with @e set if the
	 * target is gone or out of memory.
	 */
	int (*detect)(const struct heap_source *src, struct heap **out, struct error *e);
	/*
	 * Streams all extents to @sink and completes @h's status, reason,
	 * arenas' byte counts, own_free and torn. May be called once. Returns
	 * 0, the sink's nonzero answer, or -1 with @e set.
	 */
	int (*walk)(struct heap *h, const struct heap_source *src,
		    struct extent_sink *sink, struct error *e);
	void (*free)(struct heap *h);
};

/* "thread", "partial": the same word in text and in JSON. */
const char *arena_name(enum arena_kind k);
const char *heap_status_name(enum heap_status s);

extern const struct heap_ops heap_glibc;
extern const struct heap_ops heap_pymalloc;
extern const struct heap_ops heap_jemalloc;
extern const struct heap_ops heap_mimalloc;
extern const struct heap_ops heap_gperftools;

/* All of them. Those that can live in another's blocks come first: see model/sweep.h. */
extern const struct heap_ops *const heap_decoders[];
extern const size_t heap_ndecoders;

#endif
