/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweep: joins the heap's extents with page runs, both in address order,
 * and files every resident page in one class of the ledger. Its memory is the
 * stream's, and one range for each contiguous piece of heap.
 */
#ifndef FALLOW_SWEEP_H
#define FALLOW_SWEEP_H

#include "model/snapshot.h"
#include "target/threads.h"

/*
 * Walks all of @s->heaps, then files what no heap claims by the kind of its
 * mapping. Fills @s->regions, the ledger's columns that come from the states of
 * pages, as far as the source knows them, and what struct heap_arena leaves to
 * the model. 0, or -1 with @e set.
 */
int sweep(struct snapshot *s, struct target *t, struct pages *p,
	  const struct stack_pointers *sp, const struct look *how, struct error *e);

#endif
