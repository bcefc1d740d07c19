// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/trend.h"

#include <math.h>

/* From so many counts on, chance and single jumps can be told from growth. */
#define ENOUGH 5
/* A rate of so many standard errors is not chance, also of some dozen counts. */
#define SURE 4.0
/* What is left of the line goes on from one count to the next: no noise does that. */
#define ECHO 0.3
/* So much of all that a series moves, in one step, is a jump. */
#define JUMP_SHARE 0.6
/* And so many times what would be its share by the time that it took. */
#define SUDDEN 2.0
/* So much of the largest rise is a burst as well; half of that, fallen, takes one back. */
#define BURST_SHARE 0.25

/* A series, in which a jump may be taken back: @by less from index @from on. */
struct series {
	const uint64_t *when, *bytes;
	size_t n;
	size_t from;
	double by;
};

struct line {
	double rate, at; /* y = at + rate * x */
	double error, r2;
	double echo; /* correlation of what is left with that of the count before */
};

static double x_of(const struct series *s, size_t i)
{
	return (double)(s->when[i] - s->when[0]);
}

/* Relative to the first: what is large cancels no digits of what is small. */
static double y_of(const struct series *s, size_t i)
{
	double y = s->bytes[i] < s->bytes[0] ? -(double)(s->bytes[0] - s->bytes[i])
					     : (double)(s->bytes[i] - s->bytes[0]);

	return i >= s->from ? y - s->by : y;
}

static double left_of(const struct series *s, const struct line *l, size_t i)
{
	return y_of(s, i) - l->at - l->rate * x_of(s, i);
}

static void judge_line(const struct series *s, struct line *l, double sxx, double syy)
{
	double sse = 0, pairs = 0;

	for (size_t i = 0; i < s->n; i++) {
		double left = left_of(s, l, i);

		sse += left * left;
		if (i)
			pairs += left * left_of(s, l, i - 1);
	}
	l->r2 = syy > 0 ? 1 - sse / syy : 1;
	l->echo = sse > 0 ? pairs / sse : 0;
	l->error = s->n > 2 && sxx > 0 ? sqrt(sse / (double)(s->n - 2) / sxx) : 0;
}

static struct line line_of(const struct series *s)
{
	double mx = 0, my = 0, sxx = 0, sxy = 0, syy = 0;
	struct line l = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		mx += x_of(s, i) / (double)s->n;
		my += y_of(s, i) / (double)s->n;
	}
	for (size_t i = 0; i < s->n; i++) {
		double dx = x_of(s, i) - mx, dy = y_of(s, i) - my;

		sxx += dx * dx;
		sxy += dx * dy;
		syy += dy * dy;
	}
	l.rate = sxx > 0 ? sxy / sxx : 0;
	l.at = my - l.rate * mx;
	judge_line(s, &l, sxx, syy);
	return l;
}

/* How a series moves from count to count. */
struct moves {
	double fall, jump; /* as in struct trend */
	double climb; /* the highest, from a low to what came after */
	size_t jump_at; /* the count after it */
	double range; /* from its lowest to its highest */
};

static struct moves moves_of(const struct series *s)
{
	double high = y_of(s, 0), low = high;
	struct moves m = { 0 };

	for (size_t i = 1; i < s->n; i++) {
		double y = y_of(s, i), step = y - y_of(s, i - 1);

		if (step > m.jump) {
			m.jump = step;
			m.jump_at = i;
		}
		m.fall = fmax(m.fall, high - y);
		m.climb = fmax(m.climb, y - low);
		high = fmax(high, y);
		low = fmin(low, y);
	}
	m.range = high - low;
	return m;
}

static double span_of(const struct series *s)
{
	return x_of(s, s->n - 1);
}

static bool is_sure(const struct line *l)
{
	return l->rate > SURE * l->error;
}

static enum trend_kind kind_of(const struct series *s, const struct line *l,
			       const struct moves *m, double least)
{
	double rise = l->rate * span_of(s);
	/* Noise goes back and forth from one count to the next; what swings does not. */
	bool swings = fmin(m->fall, m->climb) >= least && m->fall >= rise / 2 &&
		      !(is_sure(l) && l->echo < ECHO);

	if (s->n < ENOUGH)
		return rise < least	    ? TREND_FLAT
		       : m->fall > rise / 2 ? TREND_UNCLEAR
					    : TREND_STEADY;
	if (swings)
		return TREND_SWINGS;
	if (rise < least)
		return TREND_FLAT;
	return is_sure(l) ? TREND_STEADY : TREND_UNCLEAR;
}

/* Counts may be further apart here than elsewhere: growth goes on meanwhile. */
static bool is_sudden(const struct series *s, const struct moves *m)
{
	double took = x_of(s, m->jump_at) - x_of(s, m->jump_at - 1);

	return took * m->range * SUDDEN < span_of(s) * m->jump;
}

static bool has_jump(const struct series *s, const struct moves *m, double least)
{
	return s->n >= ENOUGH && m->jump >= least && m->jump >= JUMP_SHARE * m->range &&
	       m->fall < m->jump / 2 && is_sudden(s, m);
}

/* Rises of @worth or more; one may take several steps, but there is rest between two. */
static size_t bursts_of(const struct series *s, double worth)
{
	bool within = false;
	size_t n = 0;

	for (size_t i = 1; i < s->n; i++) {
		bool rises = y_of(s, i) - y_of(s, i - 1) >= worth;

		n += rises && !within;
		within = rises;
	}
	return n;
}

/* Of a series that no line describes: whether it grows all the same. */
static bool has_bursts(const struct series *s, const struct moves *m, size_t bursts,
		       double worth)
{
	return s->n >= ENOUGH && bursts > 1 && m->fall <= worth / 2;
}

static double mean_rate(const struct series *s)
{
	return span_of(s) > 0 ? (y_of(s, s->n - 1) - y_of(s, 0)) / span_of(s) : 0;
}

struct trend trend_fit(const uint64_t *when_ns, const uint64_t *bytes, size_t n,
		       uint64_t least)
{
	struct series s = { when_ns, bytes, n, n, 0 };
	struct trend t = { .n = n };
	struct moves m;
	struct line l;
	double worth;

	if (n < 2)
		return t;
	m = moves_of(&s);
	l = line_of(&s);
	t.kind = kind_of(&s, &l, &m, (double)least);
	if (has_jump(&s, &m, (double)least)) {
		struct series rest = { when_ns, bytes, n, m.jump_at, m.jump };
		struct moves others = moves_of(&rest);
		struct line without = line_of(&rest);

		t.kind = kind_of(&rest, &without, &others, (double)least);
		if (t.kind == TREND_STEADY)
			l = without;
		else
			t.kind = TREND_JUMP;
	}
	worth = fmax((double)least, BURST_SHARE * m.jump);
	t.bursts = bursts_of(&s, worth);
	if (t.kind != TREND_STEADY && has_bursts(&s, &m, t.bursts, worth)) {
		t.kind = TREND_BURSTS;
		l.rate = mean_rate(&s);
	}
	t.span_ns = when_ns[n - 1] - when_ns[0];
	t.rate = l.rate;
	t.error = l.error;
	t.r2 = l.r2;
	t.fall = m.fall;
	t.jump = m.jump;
	return t;
}

const char *trend_name(enum trend_kind k)
{
	static const char *const names[TREND_KINDS] = {
		[TREND_NONE] = "none",	     [TREND_FLAT] = "flat",
		[TREND_STEADY] = "steady",   [TREND_BURSTS] = "bursts",
		[TREND_JUMP] = "jump",	     [TREND_SWINGS] = "swings",
		[TREND_UNCLEAR] = "unclear",
	};

	return names[k];
}
