/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which regions of two records are the same ones. By address first: what overlaps, and
 * maps the same thing, belongs together, be it one region or several, as the kernel
 * splits and merges them by their attributes. Then, by what they are, those that are left
 * over: they were moved.
 */
#ifndef FALLOW_MATCH_H
#define FALLOW_MATCH_H

#include "store/record.h"

enum match_kind {
	MATCH_SAME,
	MATCH_GREW, /* in addresses */
	MATCH_SHRANK,
	MATCH_SPLIT, /* more regions than before */
	MATCH_MERGED,
	MATCH_MOVED,
	MATCH_NEW,
	MATCH_GONE,
	MATCH_KINDS
};

/* Regions of one record that belong together. */
struct match_side {
	const struct record_region *first; /* NULL: there is none */
	size_t n;
	uint64_t end; /* of the last one */
	uint64_t size; /* of all, what is between them apart */
	uint64_t resident;
	uint64_t swapped; /* may be UNKNOWN */
};

struct match {
	enum match_kind kind;
	struct match_side before, now;
	int64_t change; /* resident */
};

/*
 * Matches all regions, growth first; those of another process by what they are alone.
 * Returns an array of *@n to be freed, or NULL when out of memory.
 */
struct match *match_regions(const struct record *before, const struct record *now,
			    bool same_process, size_t *n);

const char *match_name(enum match_kind k);

/* Whether anything of it changed that a record tells. */
bool match_changed(const struct match *m);

#endif
