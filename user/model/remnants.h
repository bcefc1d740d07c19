/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live remnants: the few blocks that keep much free memory, because the allocator gives
 * it back as a whole only.
 */
#ifndef FALLOW_REMNANTS_H
#define FALLOW_REMNANTS_H

#include "heap/heap.h"

/* Counts @r among those of @h, and keeps it if it is among the worst. */
void remnants_take(struct heap *h, const struct remnant *r);

/* Reads what the worst of @h begin with, where it is resident. */
void remnants_read(struct heap *h, struct target *t);

#endif
