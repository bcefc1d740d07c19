/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every decoder has besides what it decodes: a heap's begin and end, and failing. */
#ifndef FALLOW_DECODER_H
#define FALLOW_DECODER_H

#include "heap/heap.h"

/* A heap with a private part of @size zeros. NULL when out of memory. */
struct heap *decoder_heap(const struct heap_ops *ops, size_t size);
/* Frees both, arenas and settings included; what else the private part has comes first. */
void decoder_free(struct heap *h);

/* Tells that looking for @whose heap failed. Returns -1. */
int decoder_failed(const struct heap_source *src, const char *whose, int err,
		   struct error *e);
/*
 * The end of detect(): 1: @h goes to *@out; 0: there is none; -errno. @h may be NULL,
 * and is freed if it is not given away.
 */
int decoder_found(struct heap *h, int found, const struct heap_source *src,
		  const char *whose, struct heap **out, struct error *e);

#endif
