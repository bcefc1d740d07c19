// SPDX-License-Identifier: GPL-2.0-or-later
/* What looks at a process remember; see recall.h. */
#include "heap/recall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/array.h"

#define LOOKS_MAX      30u /* that go by what is known, before all is searched again */
#define PLACES_MAX     4096u /* what has more of them is searched for each time */
#define UNCLAIMED_MIN  (1u << 20) /* growth that may be a new allocator's, and a part */
#define UNCLAIMED_PART 8u
#define VERSION_TEXT   64

struct plain {
	uint64_t start, end, inode;
	uint32_t dev_major, dev_minor;
};

struct recall {
	bool known; /* this look goes by what follows */
	bool complete; /* what follows is all that one search found */
	unsigned int looks; /* since then */
	uint64_t shape; /* of the mappings of files then */
	uint64_t unclaimed; /* bytes, then */
	uint64_t decoders; /* a bit each */
	uint32_t keepers; /* likewise */
	bool has_keepers;
	struct recalled *places;
	size_t nplaces, places_cap;
	struct plain *plain;
	size_t nplain, plain_cap;
	uint64_t version_of;
	char version[VERSION_TEXT];
};

struct recall *recall_new(void)
{
	return calloc(1, sizeof(struct recall));
}

void recall_free(struct recall *r)
{
	if (!r)
		return;
	free(r->places);
	free(r->plain);
	free(r);
}

static uint64_t mix(uint64_t h, uint64_t n)
{
	h = (h ^ n) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

/* Changes with what programs and libraries are mapped, and where. */
static uint64_t shape_of(const struct vma_list *l)
{
	uint64_t h = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct vma *v = &l->v[i];

		if (!v->inode || !(v->flags & (VMA_EXEC | VMA_WRITE)) ||
		    (v->flags & VMA_SHARED))
			continue;
		h = mix(mix(h, v->start), v->end);
		h = mix(mix(h, v->inode), (uint64_t)v->dev_major << 32 | v->dev_minor);
		h = mix(mix(h, v->offset), v->flags);
	}
	return h;
}

static void forget(struct recall *r)
{
	r->known = false;
	r->complete = true;
	r->looks = 0;
	r->unclaimed = UINT64_MAX;
	r->decoders = 0;
	r->has_keepers = false;
	r->nplaces = 0;
	r->nplain = 0;
	r->version[0] = '\0';
}

void recall_begin(struct recall *r, const struct vma_list *l)
{
	uint64_t shape;

	if (!r)
		return;
	shape = shape_of(l);
	/* A search that did not end, for an error, has not told how much was claimed. */
	r->known = r->complete && r->unclaimed != UINT64_MAX && shape == r->shape &&
		   r->looks < LOOKS_MAX;
	if (r->known)
		r->looks++;
	else
		forget(r);
	r->shape = shape;
}

void recall_forget(struct recall *r)
{
	if (r)
		forget(r);
}

void recall_doubt(struct recall *r)
{
	if (r)
		r->complete = false;
}

bool recall_known(const struct recall *r)
{
	return r && r->known;
}

bool recall_missed(struct recall *r, uint64_t unclaimed)
{
	if (!r)
		return false;
	if (!r->known) {
		r->unclaimed = unclaimed;
		return false;
	}
	if (unclaimed <= r->unclaimed ||
	    unclaimed - r->unclaimed < UNCLAIMED_MIN + r->unclaimed / UNCLAIMED_PART)
		return false;
	r->complete = false;
	return true;
}

const struct recalled *recall_place(const struct recall *r, const void *who,
				    const struct recalled *after)
{
	if (!r)
		return NULL;
	for (size_t i = after ? (size_t)(after - r->places) + 1 : 0; i < r->nplaces; i++)
		if (r->places[i].who == who && r->places[i].len)
			return &r->places[i];
	return NULL;
}

bool recall_searched(const struct recall *r, const void *who)
{
	for (size_t i = 0; r && i < r->nplaces; i++)
		if (r->places[i].who == who && !r->places[i].len)
			return true;
	return false;
}

/* Where memory does not suffice, the next look searches everything. */
void recall_note(struct recall *r, const void *who, uint64_t at, size_t len)
{
	if (!r || r->known || (!len && recall_searched(r, who)))
		return;
	if (r->nplaces == PLACES_MAX ||
	    !grow(&r->places, &r->places_cap, r->nplaces, sizeof(*r->places))) {
		r->complete = false;
		return;
	}
	r->places[r->nplaces++] = (struct recalled){ who, at, len };
}

static struct plain plain_of(const struct vma *v)
{
	return (struct plain){ v->start, v->end, v->inode, v->dev_major, v->dev_minor };
}

/* They are noted in address order. */
bool recall_plain(const struct recall *r, const struct vma *v)
{
	size_t lo = 0, hi = r && r->known ? r->nplain : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct plain *p = &r->plain[mid];

		if (p->start == v->start)
			return p->end == v->end && p->inode == v->inode &&
			       p->dev_major == v->dev_major &&
			       p->dev_minor == v->dev_minor;
		if (p->start < v->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

void recall_note_plain(struct recall *r, const struct vma *v)
{
	if (r && !r->known &&
	    grow(&r->plain, &r->plain_cap, r->nplain, sizeof(*r->plain)))
		r->plain[r->nplain++] = plain_of(v);
}

void recall_note_decoder(struct recall *r, size_t i)
{
	if (r && !r->known)
		r->decoders |= 1ull << i;
}

bool recall_had_decoder(const struct recall *r, size_t i)
{
	return r && (r->decoders >> i & 1);
}

bool recall_keepers(const struct recall *r, uint32_t *found)
{
	if (!r || !r->known || !r->has_keepers)
		return false;
	*found = r->keepers;
	return true;
}

void recall_note_keepers(struct recall *r, uint32_t found)
{
	if (!r || r->known)
		return;
	r->keepers = found;
	r->has_keepers = true;
}

const char *recall_version(const struct recall *r, uint64_t addr)
{
	return r && r->known && r->version_of == addr ? r->version : "";
}

void recall_note_version(struct recall *r, uint64_t addr, const char *version)
{
	if (!r || r->known)
		return;
	r->version_of = addr;
	snprintf(r->version, sizeof(r->version), "%s", version);
}
