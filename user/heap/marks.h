/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of addresses, which may be millions side by side, or a few in each of many
 * places: both take little memory, and nothing is sorted.
 */
#ifndef FALLOW_MARKS_H
#define FALLOW_MARKS_H

#include <stddef.h>
#include <stdint.h>

#define MARKS_ALIGN 16u /* addresses are multiples of it */
#define MARKS_BLOCK (64u << 10) /* bytes of address space that are kept together */
#define MARKS_SLOTS (MARKS_BLOCK / MARKS_ALIGN)

struct marks_block;

/* All zeros: an empty set. */
struct marks {
	struct marks_block *table; /* by hash */
	size_t nblocks, cap;
	size_t last; /* index of the block that was asked for last */
	size_t n; /* addresses in the set */
	size_t bytes; /* of memory that it takes */
};

/*
 * Adds @addr. 1: it is new; 0: the set had it; -ENOMEM; -ENOSPC: the set would take
 * more than @limit bytes.
 */
int marks_add(struct marks *m, uint64_t addr, size_t limit);

/* Writes @kind to slots[(addr - start) / MARKS_ALIGN] of each addr in the block at @start. */
void marks_spread(const struct marks *m, uint64_t start, uint8_t kind,
		  uint8_t slots[MARKS_SLOTS]);

void marks_free(struct marks *m);

#endif
