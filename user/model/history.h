/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The totals of looks at one process, the last ones of many, and how fast they change. */
#ifndef FALLOW_HISTORY_H
#define FALLOW_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "model/snapshot.h"

/* Of resident bytes, but for swap: the ledger's classes, and what is not one of them. */
enum quantity {
	QUANTITY_RSS = LEDGER_CLASSES,
	QUANTITY_SWAP,
	QUANTITY_LIVE, /* bytes in blocks that the application holds */
	QUANTITY_STRANDED,
	QUANTITY_FALLOW, /* whole free pages, returnable or not */
	QUANTITIES
};

struct moment {
	struct timespec time; /* CLOCK_REALTIME */
	uint64_t monotonic_ns;
	uint64_t value[QUANTITIES];
};

#define HISTORY_MOMENTS 4096

struct history {
	struct moment *ring; /* of HISTORY_MOMENTS, once there is one */
	size_t first, n;
};

struct moment moment_of(const struct snapshot *s);

/* 0 or -ENOMEM. The oldest one goes if there is no room. */
int history_add(struct history *h, const struct snapshot *s);
int history_add_moment(struct history *h, const struct moment *m);
void history_free(struct history *h);

/* The one of index @i, 0 for the oldest. */
const struct moment *history_at(const struct history *h, size_t i);

/* The last one; NULL if there is none. */
const struct moment *history_last(const struct history *h);

/* The oldest one that is at most @ns older than the last; NULL if there is none. */
const struct moment *history_since(const struct history *h, uint64_t ns);

/* Bytes a minute from @from to @to; 0 if that is no time. */
int64_t moment_rate(const struct moment *from, const struct moment *to, enum quantity q);

#endif
