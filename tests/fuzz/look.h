/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One look of a decoder at an image, with its contract (heap/heap.h) enforced. */
#ifndef FALLOW_FUZZ_LOOK_H
#define FALLOW_FUZZ_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "heap/heap.h"
#include "image.h"

struct look {
	bool found;
	enum heap_status status;
	char version[64];
	char reason[256];
	uint64_t bytes[EXTENT_KINDS];
	uint64_t own_free;
	uint64_t extents; /* how many */
	uint64_t digest; /* of all extents and the status */
	uint32_t calls; /* of the reader */
};

struct how {
	bool by_size, quick; /* as in struct heap_source */
	struct recall *recall; /* the same; may be NULL */
	uint64_t stop; /* the sink's answer to extent or unit of that number is not 0 */
};

/*
 * Detects and walks with @n edits. @how may be NULL: to the end, without sizes. What
 * breaks the contract is told on stderr and aborts.
 */
void look(struct image *im, const struct heap_ops *ops, const struct edit *edits,
	  size_t n, const struct how *how, struct look *l);

#endif
