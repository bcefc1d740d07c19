/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verdicts: what the numbers mean, and what would help here. Each carries the
 * numbers that it rests on; a rule that lacks its facts says "undetermined"
 * and what would settle it.
 */
#ifndef FALLOW_VERDICT_H
#define FALLOW_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/growth.h"
#include "model/snapshot.h"

enum verdict_id {
	VERDICT_LIVE_GROWTH,
	VERDICT_OFF_HEAP_GROWTH,
	VERDICT_PINNED_GROWTH,
	VERDICT_SHMEM_GROWTH,
	VERDICT_RETENTION,
	VERDICT_FRAGMENTATION,
	VERDICT_THREAD_CACHES,
	VERDICT_ARENA_SPRAWL,
	VERDICT_DIRTY_DECAY,
	VERDICT_TWO_ALLOCATORS,
	VERDICT_SWAPPED_HEAP,
	VERDICT_ALLOCATOR_METADATA,
	VERDICT_THP_BLOAT,
	VERDICT_LAZYFREE,
	VERDICT_FILE_CACHE,
	VERDICT_STACK_DEPTH,
	VERDICT_OUTSIDE_RSS,
	VERDICT_UNDETERMINED,
	VERDICT_HEALTHY,
	VERDICT_COLD_MEMORY, /* beneath any other */
	VERDICT_IDS
};

enum confidence {
	CONFIDENCE_CERTAIN,
	CONFIDENCE_LIKELY,
	CONFIDENCE_POSSIBLE,
};

#define VERDICT_LINES 16 /* more than any rule has, of one allocator */
#define VERDICT_TEXT  384

/* One thing to do, and what it would give back. */
struct advice {
	char text[VERDICT_TEXT];
	uint64_t bytes; /* UNKNOWN: cannot be told in advance */
	bool at_most; /* bytes is an upper bound */
};

struct verdict {
	enum verdict_id id;
	enum confidence confidence;
	uint64_t bytes; /* that it concerns */
	enum verdict_id
		same_as; /* whose bytes these likely are, too; VERDICT_IDS: none */
	bool apart; /* of memory that no other speaks of */
	char evidence[VERDICT_LINES][VERDICT_TEXT];
	size_t nevidence;
	struct advice advice[VERDICT_LINES];
	size_t nadvice;
};

struct verdicts {
	struct verdict v[VERDICT_IDS]; /* the principal one first */
	size_t n; /* at least 1 */
	const struct growth *growth; /* that they rest on, too; NULL: on none */
};

/*
 * Judges @now; with @before, an earlier look at the same process, also the
 * change since. @before may be NULL.
 */
void verdicts_judge(struct verdicts *out, const struct snapshot *now,
		    const struct snapshot *before);

/*
 * The same over all looks from @before to @now, whose growth was fitted, and has to stay.
 * Either may be NULL.
 */
void verdicts_judge_growth(struct verdicts *out, const struct snapshot *now,
			   const struct snapshot *before, const struct growth *growth);

const char *verdict_name(enum verdict_id id);
const char *confidence_name(enum confidence c);

/* The id of a name; VERDICT_IDS if there is none of that name. */
enum verdict_id verdict_by_name(const char *name, size_t len);

#endif
