/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweep: joins the heap's extents with page runs, both in address order,
 * and files every resident page in one class of the ledger. Its memory is a
 * buffer, and one range for each contiguous piece of heap.
 */
#ifndef FALLOW_SWEEP_H
#define FALLOW_SWEEP_H

#include "model/snapshot.h"
#include "target/threads.h"

/*
 * Walks all of @s->heaps, then files what no heap claims by the kind of its
 * mapping. Fills @s->regions and the ledger's resident and swapped, and what
 * struct heap_arena leaves to the model. 0, or -1 with @e set.
 */
int sweep(struct snapshot *s, struct target *t, const struct stack_pointers *sp,
	  struct progress *progress, struct error *e);

#endif
