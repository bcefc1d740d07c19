/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed between two records: by class, by allocator and arena, by region. Each of
 * the three adds up to the change of the RSS.
 */
#ifndef FALLOW_DIFF_H
#define FALLOW_DIFF_H

#include <stdbool.h>

#include "model/match.h"
#include "store/record.h"

/* A change that cannot be told. */
#define CHANGE_UNKNOWN INT64_MIN

static inline int64_t change_of(uint64_t before, uint64_t now)
{
	return before == UNKNOWN || now == UNKNOWN ? CHANGE_UNKNOWN
						   : (int64_t)(now - before);
}

/* Either of the two may be NULL, not both. */
struct diff_arena {
	const struct record_arena *before, *now;
	int64_t change; /* resident */
};

struct diff_setting {
	const struct record_setting *before, *now;
};

struct diff_heap {
	const struct record_heap *before, *now;
	int64_t change; /* resident */
	struct diff_arena *arenas; /* growth first */
	size_t narenas;
	struct diff_setting *settings; /* those that changed */
	size_t nsettings;
};

struct diff {
	const struct record *before, *now;
	bool same_host, same_boot, same_process;
	bool ordered; /* the second look is known to be the later one */
	uint64_t interval_ns; /* then */
	bool rates; /* changes are of one process, over a time */
	struct diff_heap *heaps; /* growth first */
	size_t nheaps;
	uint64_t outside_before, outside_now; /* resident, and no allocator's */
	struct match *regions; /* growth first */
	size_t nregions;
};

/* @before and @now have to stay. On failure @e says why, and @d needs no freeing. */
int diff_make(struct diff *d, const struct record *before, const struct record *now,
	      struct error *e);
void diff_free(struct diff *d);

/* Of a count of a heap or an arena that came or went; no record has 0. */
int64_t diff_heap_change(const struct diff_heap *h, enum record_count c);
int64_t diff_arena_change(const struct diff_arena *a, enum record_count c);

/* Bytes a minute; CHANGE_UNKNOWN where there are no rates. */
int64_t diff_rate(const struct diff *d, int64_t change);

#endif
