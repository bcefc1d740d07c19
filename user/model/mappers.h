/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions have mapped what is resident: a trace, joined with the look at its end.
 * What a stack mapped and what is mapped still is known to the byte; how much of that is
 * resident is reckoned by mapping, as if it were alike all over each.
 */
#ifndef FALLOW_MAPPERS_H
#define FALLOW_MAPPERS_H

#include "model/snapshot.h"

struct trace;

enum mapped_kind {
	MAPPED_OTHER, /* anonymous, of no known allocator */
	MAPPED_HEAP, /* heaps, decoded or not */
	MAPPED_SHMEM,
	MAPPED_KINDS
};

/*
 * A function that maps memory: the innermost of a stack that is neither of the C library
 * nor of an allocator, which map for others.
 */
struct mapper {
	char *name; /* "function (file)", raw */
	char *callers; /* "caller, caller", raw; "" for none */
	uint64_t bytes[MAPPED_KINDS]; /* resident */
};

struct mappers {
	struct mapper *m; /* most bytes first, of all kinds together */
	size_t n;
	uint64_t traced_ns;
	bool partial; /* calls were lost: there may be more */
};

/*
 * Fills s->mappers, and who mapped most of each region. @tr ended just before @s was
 * taken. 0, or -1 with @e set.
 */
int mappers_join(struct snapshot *s, const struct trace *tr, struct error *e);
void mappers_free(struct mappers *m);

#endif
