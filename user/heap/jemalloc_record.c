// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records of extents and the size classes: what a record must fulfil to be one. It
 * says nothing about whether its extent is mapped.
 */
#include "heap/jemalloc.h"

#include <string.h>

#define SLAB		(1u << 12)
#define ARENA_MASK	(JE_ARENAS - 1)
#define SZIND_MASK	0xffu
#define NFREE_MASK	0x3ffu
#define LG_TINY_MIN	3
#define LG_GROUP	2 /* four classes to each doubling */
#define LG_CLASSES_LAST 62 /* the doubling that has three only */

/* The table of size_classes() in sc.c: a class every quantum, then four a doubling. */
static void fill_table(struct class_table *c, unsigned int lg_quantum)
{
	unsigned int lg = lg_quantum + LG_GROUP;

	*c = (struct class_table){ .lg_quantum = lg_quantum };
	for (unsigned int tiny = LG_TINY_MIN; tiny < lg_quantum; tiny++)
		c->size[c->n++] = 1ull << tiny;
	for (unsigned int i = 1; i <= 1u << LG_GROUP; i++)
		c->size[c->n++] = (uint64_t)i << lg_quantum;
	for (; lg <= LG_CLASSES_LAST; lg++)
		for (uint64_t i = 1; i <= 4 && !(lg == LG_CLASSES_LAST && i == 4); i++)
			c->size[c->n++] = (1ull << lg) + (i << (lg - LG_GROUP));
	while (c->size[c->nsmall] < (uint64_t)JE_PAGE << LG_GROUP)
		c->nsmall++;
}

void je_fill_classes(struct jemalloc *j)
{
	fill_table(&j->tables[0], 4);
	fill_table(&j->tables[1], 3);
}

unsigned int je_regions(const struct class_table *c, const struct record *r)
{
	return (unsigned int)((r->end - r->start) / c->size[r->szind]);
}

unsigned int je_free_regions(const struct class_table *c, const struct record *r)
{
	unsigned int n = je_regions(c, r), sum = 0;

	for (unsigned int i = 0; i < n; i += 64) {
		uint64_t word = r->bitmap[i / 64];

		if (n - i < 64)
			word &= (1ull << (n - i)) - 1;
		sum += (unsigned int)__builtin_popcountll(word);
	}
	return sum;
}

/* A slab is of whole pages and of no more regions than its bitmap holds. */
static bool slab_holds(const struct class_table *c, const struct record *r)
{
	unsigned int n;

	if (r->state != RECORD_ACTIVE || r->szind >= c->nsmall || r->addr != r->start)
		return false;
	if (r->end - r->start > (uint64_t)JE_REGIONS * c->size[r->szind])
		return false;
	n = je_regions(c, r);
	if (!n || n > JE_REGIONS || r->nfree > n)
		return false;
	/* bitmap_init() clears what is above the last region in its word. */
	return n % 64 == 0 || !(r->bitmap[n / 64] >> n % 64);
}

/*
 * An allocation is larger than the class below its own: 5.3.1 cuts it to the page
 * (disable_large_size_classes). One of a small class that was sampled for a profile
 * may be of any size.
 */
static bool large_holds(const struct class_table *c, const struct record *r)
{
	return !r->szind || r->end - r->start > c->size[r->szind - 1];
}

enum je_padding je_padding_of(const struct jemalloc *j, const struct record *r)
{
	const struct class_table *c = j->classes;
	uint64_t size = r->end - r->start;

	if (r->addr != r->start || size > c->size[r->szind])
		return PADDED;
	/* What is left without the page would be of a smaller class. */
	if (size - JE_PAGE <= c->size[r->szind - 1] || j->record->split_bins)
		return NOT_PADDED;
	return PADDING_UNKNOWN;
}

bool je_is_large(const struct class_table *c, const struct record *r)
{
	return !r->slab && r->szind < c->n && r->szind >= c->nsmall;
}

bool je_decode(const struct jemalloc *j, const struct record_layout *l,
	       const struct class_table *c, const uint8_t *raw, uint64_t start,
	       struct record *r)
{
	uint64_t bits = get64(raw, 0), size = get64(raw, RECORD_EXTENT);

	*r = (struct record){
		.start = start,
		.end = start + size - size % JE_PAGE,
		.addr = get64(raw, RECORD_ADDR),
		.state = (bits >> l->state) & ((1u << l->state_bits) - 1),
		.huge = l->pai && (bits >> l->pai & 1),
		.szind = bits >> l->szind & SZIND_MASK,
		.nfree = bits >> l->nfree & NFREE_MASK,
		.arena = bits & ARENA_MASK,
	};
	/* 5.3 leaves the bit as it is when a slab is given up. */
	r->slab = (bits & SLAB) && r->szind < c->n;
	memcpy(r->bitmap, raw + RECORD_BITMAP, sizeof(r->bitmap));
	if (r->addr - r->addr % JE_PAGE != start || r->end <= start ||
	    r->state > RECORD_MERGING || r->szind > c->n || r->arena == ARENA_MASK ||
	    !je_mapped_all(j, r->start, r->end))
		return false;
	if (r->slab)
		return slab_holds(c, r);
	/* What is no allocation has no class. */
	return r->szind == c->n || (r->state == RECORD_ACTIVE && large_holds(c, r));
}
