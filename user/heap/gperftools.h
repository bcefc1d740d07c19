/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the decoder of gperftools' tcmalloc. The words are those of gperftools:
 * the page map leads from each page's number to the span that it belongs to; a span is
 * free, or one allocation, or cut into objects of a size class. Free objects are on
 * their span's list, in a slot of their class' central cache, or in a thread's cache.
 */
#ifndef FALLOW_GPERFTOOLS_H
#define FALLOW_GPERFTOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/array.h"
#include "heap/heap.h"
#include "heap/peek.h"

#define GP_ADDRESS_BITS 48 /* common.h: kAddressBits on x86-64 and arm64 */
#define GP_CLASSES_MAX	128u /* common.h: kClassSizesMax since 2.8 */
#define GP_SIZE_MAX	(256u << 10) /* common.h: kMaxSize */
#define GP_OBJECTS_MAX	65536u /* span.h: refcount has 16 bits */
#define GP_CACHES_MAX	65536u /* threads */

/* What differs between versions. */
struct gp_layout {
	const char *versions;
	bool min_span; /* SizeMap has min_span_size_in_pages_ */
	uint32_t next; /* ThreadCache: offset of next_; prev_ is behind it */
};

#define GP_LAYOUTS 3
extern const struct gp_layout gp_layouts[GP_LAYOUTS];

/* pagemap.h: TCMalloc_PageMap2, by kPageShift. */
struct gp_map {
	unsigned int shift; /* of a page of tcmalloc's */
	unsigned int leaf_bits, root_bits;
};

/* span.h: struct Span, since 2.6. */
#define SPAN_SIZE 48u
#define SPAN_NEXT 16u /* in a list; the previous one is behind it */

struct span {
	uint64_t start, length; /* pages of tcmalloc's */
	uint64_t objects; /* the first free one; 0: none */
	uint32_t refcount; /* objects that are not on the list */
	uint32_t class; /* 0: not cut into objects */
	uint32_t location;
};

enum span_location {
	SPAN_IN_USE,
	SPAN_FREE, /* mapped still */
	SPAN_RETURNED, /* given back to the kernel */
};

/* [start, end) */
struct gp_range {
	uint64_t start, end;
};

/* central_freelist.h: CentralFreeList, padded to 64. */
#define CENTRAL_SIZE	 1216u
#define CENTRAL_CLASS	 8u
#define CENTRAL_EMPTY	 16u
#define CENTRAL_NONEMPTY 64u
#define CENTRAL_SPANS	 112u
#define CENTRAL_COUNTER	 120u
#define CENTRAL_FIRST	 128u /* slots: the first object, and the last one */
#define CENTRAL_SLOT	 16u
#define CENTRAL_SLOTS	 64u
#define CENTRAL_USED	 1152u /* slots in use; how many may be; at most */
#define CENTRAL_END	 1164u /* what is behind may never have been touched */

struct gperftools {
	struct heap *heap; /* that this is the private part of */
	const struct heap_source *src;
	const struct gp_layout *layout; /* NULL: which one is not known */
	bool min_span; /* as in struct gp_layout */
	struct gp_map map;
	uint64_t root; /* address of the page map's first level */
	uint64_t lists; /* of the page heap's lists of free spans */
	struct gp_range data; /* the writable data that it is in */
	struct gp_range *runs; /* of private anonymous mappings, by address */
	size_t nruns;
	uint32_t nclasses; /* class 0 included, which has no objects */
	uint32_t size[GP_CLASSES_MAX]; /* bytes of an object */
	uint32_t pages[GP_CLASSES_MAX]; /* of a span */
	uint32_t batch[GP_CLASSES_MAX]; /* objects in a slot of the central cache */
	uint64_t central; /* address of the central caches; 0: not found */
	uint64_t *caches; /* addresses of threads' caches */
	size_t ncaches, caches_cap;
	size_t links; /* between them */
	bool astray; /* some lead elsewhere */
	uint64_t claimed; /* sum of what the caches may hold, bytes */
	uint64_t *cached; /* objects in caches: address << 8 | class; sorted */
	size_t ncached, cached_cap;
	uint64_t counted[GP_CLASSES_MAX]; /* of a quick look: objects in caches */
	struct gp_range
		*meta; /* tcmalloc's own records: page aligned, sorted, disjoint */
	size_t nmeta, meta_cap;
	struct peek peek;
};

/* gperftools_roots.c: fills runs from the source's mappings. 0 or -errno. */
int gp_find_runs(struct gperftools *g);
/* Private, anonymous: where tcmalloc has its memory. */
bool gp_mapped(const struct gperftools *g, uint64_t addr);
/* Whether all of [start, end) is that. */
bool gp_mapped_all(const struct gperftools *g, uint64_t start, uint64_t end);
/* The first run that ends above @addr: its index, or nruns. */
size_t gp_run_above(const struct gperftools *g, uint64_t addr);
/* Whether there is any memory for the root's element @index to lead to. */
bool gp_any_mapped(const struct gperftools *g, struct gp_map map, uint64_t index);
/* 1 if the page map is found, 0 if not, -errno. */
int gp_find_map(struct gperftools *g);

/* gperftools_tables.c: size classes and central caches. 1 if the first are found, 0,
 * -errno.
 */
int gp_find_tables(struct gperftools *g);
/* Whether @b, of CENTRAL_END bytes, is the central cache of @class. */
bool gp_central_holds(const uint8_t *b, uint32_t class);

/* gperftools_map.c: a run of elements of a leaf that lead to the same record. */
struct gp_entry {
	uint64_t at, last; /* addresses of the first and the last of them */
	uint64_t page; /* number of the first one's page, in a walk */
	uint64_t record;
	const uint8_t *raw; /* SPAN_SIZE bytes; NULL: not resident */
};

/* Room for a page of a leaf, and what it leads to. */
struct gp_page {
	struct gperftools *g;
	uint64_t size; /* bytes in a page */
	uint8_t *words;
	struct gp_entry *entries; /* by place */
	size_t n;
	size_t bad; /* words that are no record's address */
	uint64_t *places;
	uint8_t *raw, *ok;
};

int gp_page_init(struct gp_page *p, struct gperftools *g);
void gp_page_free(struct gp_page *p);
/*
 * Takes up the elements at [from, to), which are on one page; the records they lead to
 * as well if @records. 1; 0 if the page is not resident; -errno.
 */
int gp_page_read(struct gp_page *p, uint64_t from, uint64_t to, bool records);

/* The fields of @raw, unchecked. */
void gp_span_fields(const uint8_t *raw, struct span *s);
/* Decodes the record of the span that begins at @page. False if that makes no sense. */
bool gp_span_decode(const struct gperftools *g, const uint8_t *raw, uint64_t page,
		    struct span *s);
uint32_t gp_objects(const struct gperftools *g, const struct span *s);

struct gp_visitor {
	bool records; /* whether entries have raw */
	/* Whether entries that were read together make sense; if not, they are again. */
	bool (*agree)(struct gp_visitor *v, const struct gp_page *p);
	/* A nonzero return ends the walk and is returned. */
	int (*entry)(struct gp_visitor *v, const struct gp_entry *e, uint64_t last_page);
	/* A leaf at [start, end). */
	int (*leaf)(struct gp_visitor *v, uint64_t start, uint64_t end);
	/* Of pages [start, end) the elements are not resident. */
	int (*absent)(struct gp_visitor *v, uint64_t start, uint64_t end);
};

/* The whole map. 0, -errno, or the visitor's answer; -EPROTO: it has no end. */
int gp_walk_map(struct gperftools *g, struct gp_visitor *v);

/* gperftools_cache.c: what peek_read() remembers of the target is read anew. */
void gp_forget(struct gperftools *g);
/* Fills caches and claimed, and settles the layout. 0 or -errno. */
int gp_find_caches(struct gperftools *g);
/* Fills cached by what is in the caches now. 0 or -errno. */
int gp_read_caches(struct gperftools *g);
/* Fills counted by how long their lists are. 0 or -errno. */
int gp_count_caches(struct gperftools *g);
/* Whether some caches are not known of. */
bool gp_caches_missing(const struct gperftools *g);

/* gperftools_settings.c: those that are certain, after gp_find_caches(). 0 or -errno. */
int gp_find_settings(struct gperftools *g);

/* gperftools_meta.c: fills meta. 0 or -errno. */
int gp_find_meta(struct gperftools *g);

#endif
