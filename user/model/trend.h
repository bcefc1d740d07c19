/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a series of counts does over time: a straight line by least squares, how well it
 * holds, and whether that is growth, or a jump, or a coming and going. Looks at nothing
 * but its arguments.
 */
#ifndef FALLOW_TREND_H
#define FALLOW_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trend_kind {
	TREND_NONE, /* fewer than two counts */
	TREND_FLAT, /* it may fall, too */
	TREND_STEADY, /* it grows, and goes on to */
	TREND_BURSTS, /* it rises now and then, more than once, and does not fall again */
	TREND_JUMP, /* most of the rise came at once, and what is left is flat */
	TREND_SWINGS, /* it comes and goes */
	TREND_UNCLEAR, /* it rises, by what may be chance */
	TREND_KINDS
};

struct trend {
	enum trend_kind kind;
	size_t n; /* counts that it rests on */
	uint64_t span_ns; /* from the first to the last */
	/*
	 * Bytes a nanosecond. Of STEADY, a single jump beside the growth is left out; of
	 * BURSTS, what it rises by from the first count to the last.
	 */
	double rate;
	double error; /* standard error of rate; 0: exact, or fewer than three counts */
	double r2; /* part of the variance that the line explains */
	double fall; /* the deepest, from a high to what came after, in bytes */
	double jump; /* the largest rise from one count to the next */
	size_t bursts; /* rises nearly as large, with others between */
};

/*
 * Fits the @n counts @bytes, taken at @when_ns, which ascends. None may be UNKNOWN. A rise
 * of less than @least bytes in all is no growth.
 */
struct trend trend_fit(const uint64_t *when_ns, const uint64_t *bytes, size_t n,
		       uint64_t least);

/* "steady", as JSON has it. */
const char *trend_name(enum trend_kind k);

/* Whether it is growth. */
static inline bool trend_grows(const struct trend *t)
{
	return t->kind == TREND_STEADY || t->kind == TREND_BURSTS;
}

static inline double trend_per_minute(const struct trend *t)
{
	return t->rate * 60e9;
}

/* By how much it rises in its span, in bytes. */
static inline double trend_rise(const struct trend *t)
{
	return t->rate * (double)t->span_ns;
}

#endif
