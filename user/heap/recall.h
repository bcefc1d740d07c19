/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What looks at a process have found out, for the next ones at the same: in which places
 * of its data allocators have their roots, and which of its libraries have nothing to do
 * with any. Nothing that is remembered is believed: it only says where to look first, and
 * what is found there passes the same self-checks. All is searched again if another file
 * is mapped, or none is any more; if what was found is not there; if memory that nobody
 * claims has grown; and now and then.
 */
#ifndef FALLOW_RECALL_H
#define FALLOW_RECALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/vma.h"

struct recall;

/* NULL when out of memory, which is no harm: it is as one that knows nothing. */
struct recall *recall_new(void);
void recall_free(struct recall *r);

/* A look at what has these mappings begins. */
void recall_begin(struct recall *r, const struct vma_list *l);
/* All is to be searched: in this look; or in the next one. */
void recall_forget(struct recall *r);
void recall_doubt(struct recall *r);
/* Whether this look goes by what the last ones found. */
bool recall_known(const struct recall *r);

/*
 * Whether the look that ends missed something: it went by what was known, and now so
 * many bytes are nobody's. If so, it is to be taken again, and searches all.
 */
bool recall_missed(struct recall *r, uint64_t unclaimed);

/* A part of data, and who made use of it: any address that is @who's own. */
struct recalled {
	const void *who;
	uint64_t at;
	size_t len; /* 0: @who looked through everything */
};

/*
 * @who's places, in the order in which they were noted: the next one after @after, or
 * the first if that is NULL; NULL: no more.
 */
const struct recalled *recall_place(const struct recall *r, const void *who,
				    const struct recalled *after);
/* Whether @who looked through everything when that was done last. */
bool recall_searched(const struct recall *r, const void *who);
void recall_note(struct recall *r, const void *who, uint64_t at, size_t len);

/* Whether the file that @v maps the start of is known to have no mark of an allocator. */
bool recall_plain(const struct recall *r, const struct vma *v);
void recall_note_plain(struct recall *r, const struct vma *v);

/* A decoder's index in heap_decoders[]: whether its heap was found then. */
void recall_note_decoder(struct recall *r, size_t i);
bool recall_had_decoder(const struct recall *r, size_t i);

/* Which keepers are mapped (heap/keepers.h); false: it is to be looked. */
bool recall_keepers(const struct recall *r, uint32_t *found);
void recall_note_keepers(struct recall *r, uint32_t found);

/* The version that was read from the file that has what is at @addr; "" if none was. */
const char *recall_version(const struct recall *r, uint64_t addr);
void recall_note_version(struct recall *r, uint64_t addr, const char *version);

#endif
