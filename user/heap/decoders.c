// SPDX-License-Identifier: GPL-2.0-or-later
/* The decoders; see heap.h. */
#include "heap/heap.h"

const struct heap_ops *const heap_decoders[] = { &heap_pymalloc, &heap_jemalloc,
						 &heap_gperftools, &heap_mimalloc,
						 &heap_glibc };
const size_t heap_ndecoders = sizeof(heap_decoders) / sizeof(heap_decoders[0]);
