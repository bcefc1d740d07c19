/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Libraries that are known to keep memory outside every heap: mapped, and often pinned,
 * after the application let it go. That one is mapped is certain, by what it exports;
 * that it has some of the memory is not.
 */
#ifndef FALLOW_KEEPERS_H
#define FALLOW_KEEPERS_H

#include "heap/heap.h"

struct keeper {
	const char *name;
	const char *symbol; /* an object that exports it has it within */
	const char *keeps; /* what, in a few words */
	const char *setting; /* what makes it keep less, as advice */
};

extern const struct keeper keepers[];
extern const size_t nkeepers;

/* Sets bit i of *@found for each keepers[i] that is mapped. 0, or -1 with @e set. */
int keepers_find(const struct heap_source *src, uint32_t *found, struct error *e);

#endif
