/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions by which a look is worth to be kept, such as "rss>8G", over what can be asked
 * for often: a few counters of the kernel.
 */
#ifndef FALLOW_WHEN_H
#define FALLOW_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum when_fact {
	WHEN_RSS, /* bytes */
	WHEN_SWAP,
	WHEN_GROWTH, /* bytes of RSS more than when.per_ns before */
	WHEN_PSI, /* of the system: thousandths of the last 10 s; some tasks waited */
	WHEN_PSI_FULL, /* all did */
	WHEN_CGROUP_PSI, /* of the process' control group */
	WHEN_CGROUP_PSI_FULL,
	WHEN_HIGH, /* events of its control group since the last time */
	WHEN_MAX,
	WHEN_OOM,
	WHEN_FACTS
};

/* Facts of one moment, of those that are asked for; UNKNOWN where they cannot be had. */
struct counters {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t fact
		[WHEN_FACTS]; /* of growth: RSS; of events: how many there ever were */
};

struct when {
	enum when_fact fact;
	uint64_t limit; /* it holds above this */
	uint64_t per_ns; /* of growth */
	char text[48]; /* as it was typed */
};

#define WHENS_MAX 16

struct when_list {
	struct when v[WHENS_MAX];
	size_t n; /* 0: no condition */
};

/* Samples before the last one, of one process. Zeros at first. */
#define WHEN_HISTORY 64

struct when_history {
	struct counters last;
	bool begun;
	uint64_t at_ns[WHEN_HISTORY], rss[WHEN_HISTORY]; /* the oldest at next, a ring */
	size_t n, next;
};

/* Adds what @text means. EXIT_USAGE if nothing. */
int when_parse(struct when_list *list, const char *text, struct error *e);

/* Bit per enum when_fact. */
uint32_t when_facts(const struct when_list *list);

/*
 * The first condition that holds at @now; NULL: none. @now becomes part of the history. A
 * growth that cannot be told yet, or a fact that is not known, does not hold.
 */
const struct when *when_holds(const struct when_list *list, struct when_history *h,
			      const struct counters *now);

#endif
