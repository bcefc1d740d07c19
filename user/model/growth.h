/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growth over several looks at a process: by class, and by what it is in. A look comes
 * from a snapshot, or from wherever its totals were kept.
 */
#ifndef FALLOW_GROWTH_H
#define FALLOW_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"
#include "model/snapshot.h"
#include "model/trend.h"

/* What is followed from look to look: these, and each class' resident bytes. */
enum series_id {
	SERIES_RSS,
	SERIES_LIVE, /* blocks that the application holds */
	SERIES_FALLOW, /* whole free pages */
	SERIES_PINNED,
	SERIES_CLASS, /* and so many more */
	SERIES = SERIES_CLASS + LEDGER_CLASSES
};

/* Growth that is more than churn, in bytes. */
#define GROWTH_LEAST (1ull << 20)

#define GROUP_NAME 96
#define GROUPS_MAX 128 /* of a look: those with most */

/* The pages of a class outside the heaps, in mappings of one name. */
struct growth_group {
	enum ledger_class class;
	char name[GROUP_NAME]; /* raw, as the target named it, cut; "" for none */
	uint64_t bytes; /* resident */
};

struct growth_look {
	uint64_t when_ns; /* of one clock for all looks */
	bool quick; /* see struct heap */
	uint64_t doubt; /* so much of LIVE may be free: heap_error */
	uint64_t torn; /* bytes of heaps that changed while they were read */
	uint64_t bytes[SERIES]; /* may be UNKNOWN */
	struct growth_group *groups; /* by class and name */
	size_t ngroups;
	uint64_t left_out; /* bytes: no other group has more; 0: there are none */
};

struct group_trend {
	struct growth_group last; /* as the last look has it */
	struct trend trend;
};

struct growth {
	struct growth_look *looks; /* in order of time */
	size_t n;
	/*
	 * What anonymous memory of no allocator grew by, in addresses: all that was added
	 * from look to look is a multiple of step; 0: nothing was.
	 */
	uint64_t step;
	struct piece *pieces; /* of the last look */
	size_t npieces;
	/* By growth_fit(). */
	struct trend series[SERIES];
	uint64_t torn; /* the most of a look that counts in the series of heaps */
	struct group_trend *groups; /* what rises most first */
	size_t ngroups;
};

/* Adds a look, whose mappings must still be there. 0 or -ENOMEM. */
int growth_add(struct growth *g, const struct snapshot *s);

/* Adds a look of totals; takes over its groups, also on failure. 0 or -ENOMEM. */
int growth_add_look(struct growth *g, const struct growth_look *look);

/* Fits what was added. 0 or -ENOMEM. */
int growth_fit(struct growth *g);

void growth_free(struct growth *g);

/* "rss", or a class' name. */
const char *series_name(enum series_id id);

/* The pieces among the @n at @v, by address, that overlap @p: sums of sizes and bytes. */
struct piece_sum {
	uint64_t size, bytes;
};
struct piece_sum pieces_within(const struct piece *v, size_t n, const struct piece *p);

#endif
