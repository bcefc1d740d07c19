/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What gives the free pages of an allocator back: calls and settings by name. */
#ifndef FALLOW_KNOBS_H
#define FALLOW_KNOBS_H

#include "heap/heap.h"

struct knobs {
	const char *allocator; /* as heap_ops.name */
	const char *purge; /* what to call, at once; NULL: there is no such call */
	const char
		*setting; /* what to start with, so that less is kept; NULL: see rules */
	const char *caches; /* what threads' caches obey; NULL: nothing that is known */
	bool replace; /* other allocators keep less of the same load */
};

/* Of an allocator that has none, all is empty. */
const struct knobs *knobs_of(const struct heap *h);

#endif
