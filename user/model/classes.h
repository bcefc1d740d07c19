/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Size classes of a heap, as extents come in. */
#ifndef FALLOW_CLASSES_H
#define FALLOW_CLASSES_H

#include "heap/heap.h"

#define CLASSES_HASH (2 * CLASSES_MAX)

struct classes {
	struct heap *heap; /* that the classes are of */
	uint16_t slot[CLASSES_HASH]; /* by size: index in heap->classes, plus 1 */
	/* Of the page that is being gathered: free bytes of each class on it. */
	uint32_t free[CLASSES_MAX];
	uint16_t touched[CLASSES_MAX]; /* classes that have some */
	size_t ntouched;
};

/* Begins with @h: 0 or -ENOMEM. */
int classes_begin(struct classes *c, struct heap *h);

/* Counts @bytes of @x, which lie on the page that is being gathered if @on_page. */
void classes_take(struct classes *c, const struct extent *x, uint64_t bytes,
		  bool on_page);

/* The page has a live byte, and is one of @pages resident ones that are alike. */
void classes_strand(struct classes *c, uint64_t pages);

/* The next page. */
void classes_turn(struct classes *c);

/* Orders them by size. */
void classes_end(struct classes *c);

#endif
