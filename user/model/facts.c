// SPDX-License-Identifier: GPL-2.0-or-later
/* What the rules rest upon, from one snapshot or two. */
#include "model/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/knobs.h"

static void add_totals(struct heap_totals *sum, const struct heap_totals *t)
{
	sum->stranded += t->stranded;
	sum->returnable += t->returnable;
	sum->held += t->held;
	sum->held_unit += t->held_unit;
}

uint64_t setting_of(const struct heap *h, const char *name)
{
	for (size_t i = 0; i < h->nsettings; i++)
		if (!strcmp(h->settings[i].name, name))
			return (uint64_t)h->settings[i].value;
	return 0;
}

uint64_t cached_of(const struct heap *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->narenas; i++)
		sum += h->arenas[i].bytes[EXTENT_CACHED];
	return sum;
}

static void collect_heap(struct facts *f, const struct heap *h)
{
	struct heap_totals t = heap_totals(h);
	bool shared = false;

	add_totals(&f->all, &t);
	f->cached += cached_of(h);
	if (knobs_of(h)->replace)
		add_totals(&f->replaceable, &t);
	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];

		if (a->kind != ARENA_MAIN && a->kind != ARENA_THREAD)
			continue;
		f->arenas++;
		shared |= a->kind == ARENA_THREAD;
		if (a->kind == ARENA_THREAD)
			add_totals(&f->thread,
				   &(struct heap_totals){ .stranded = a->stranded,
							  .returnable = a->returnable,
							  .held = a->held });
	}
	if (shared)
		f->trimmed += t.returnable;
}

uint64_t fallow_of(const struct snapshot *s)
{
	return s->ledger[LEDGER_HEAP_RETURNABLE].resident +
	       s->ledger[LEDGER_HEAP_HELD].resident;
}

static uint64_t heaps_unsure(const struct snapshot *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->nheaps; i++)
		sum += s->heaps[i]->error.live;
	return sum;
}

static uint64_t heaps_torn(const struct snapshot *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->nheaps; i++)
		sum += s->heaps[i]->torn;
	return sum;
}

const struct trend *trend_of(const struct facts *f, enum series_id id)
{
	const struct trend *t = f->growth ? &f->growth->series[id] : NULL;

	return t && t->n > 2 ? t : NULL;
}

/* The most that quick looks may have wrong of live blocks. */
static uint64_t growth_doubt(const struct growth *g)
{
	uint64_t most = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->looks[i].doubt > most)
			most = g->looks[i].doubt;
	return most;
}

/* What is read back from a file may rise by anything. */
#define RISE_MAX ((double)(1ll << 62))

/* Of a change from the first look to the last, what is growth. */
static int64_t rise_of(const struct facts *f, enum series_id id, int64_t change)
{
	const struct trend *t = trend_of(f, id);

	if (!t)
		return change;
	/* Looks that know so little say nothing against those that read all. */
	if (id == SERIES_LIVE && growth_doubt(f->growth) > (uint64_t)llabs(change) / 2)
		return change;
	if (!trend_grows(t))
		return 0;
	return (int64_t)fmin(t->rate * (double)f->interval_ns, RISE_MAX);
}

static void collect_rises(struct facts *f)
{
	f->rise[SERIES_RSS] = rise_of(f, SERIES_RSS, f->rss_change);
	f->rise[SERIES_LIVE] = rise_of(f, SERIES_LIVE, f->live_change);
	f->rise[SERIES_FALLOW] = rise_of(f, SERIES_FALLOW, f->fallow_change);
	f->rise[SERIES_PINNED] = rise_of(f, SERIES_PINNED, f->pinned_change);
	for (int c = 0; c < LEDGER_CLASSES; c++)
		f->rise[SERIES_CLASS + c] = rise_of(f, SERIES_CLASS + c, f->change[c]);
}

void facts_collect(struct facts *f, const struct snapshot *now,
		   const struct snapshot *before, const struct growth *growth)
{
	*f = (struct facts){ .now = now, .before = before, .growth = growth };
	for (size_t i = 0; i < now->nheaps; i++)
		collect_heap(f, now->heaps[i]);
	for (size_t i = 0; i < now->nheaps; i++) {
		f->unseen += now->heaps[i]->error.returnable;
		if (now->heaps[i]->ops->counts)
			f->mixed += now->heaps[i]->error.held;
	}
	if (!before)
		return;
	f->unsure = heaps_unsure(now) + heaps_unsure(before);
	f->interval_ns = now->monotonic_ns - before->monotonic_ns;
	f->live_change = (int64_t)(now->live_bytes - before->live_bytes);
	f->fallow_change = (int64_t)(fallow_of(now) - fallow_of(before));
	f->rss_change = (int64_t)(now->rss - before->rss);
	f->torn = heaps_torn(now) + heaps_torn(before);
	f->moved = now->torn + before->torn - f->torn;
	if (now->pinned != UNKNOWN && before->pinned != UNKNOWN)
		f->pinned_change = (int64_t)(now->pinned - before->pinned);
	for (int c = 0; c < LEDGER_CLASSES; c++)
		f->change[c] =
			(int64_t)(now->ledger[c].resident - before->ledger[c].resident);
	collect_rises(f);
}

bool is_growth(const struct facts *f, enum series_id id, uint64_t doubt)
{
	int64_t rise = f->rise[id];

	return f->before && rise >= (int64_t)GROWTH_FLOOR &&
	       rise >= f->rise[SERIES_RSS] / 2 && (uint64_t)rise > doubt;
}

/* So many looks that leave the line so little are no chance. */
#define CERTAIN_LOOKS 8
#define CERTAIN_R2    0.95
#define LIKELY_R2     0.9
/* So many rises, with nothing between, are no chance either. */
#define LIKELY_BURSTS 3

enum confidence growth_confidence(const struct facts *f, enum series_id id)
{
	const struct trend *t = trend_of(f, id);
	bool is_long = f->interval_ns >= TREND_NS;

	if (t && t->kind == TREND_BURSTS)
		return is_long && t->bursts >= LIKELY_BURSTS ? CONFIDENCE_LIKELY
							     : CONFIDENCE_POSSIBLE;
	if (!t || t->kind != TREND_STEADY)
		return is_long ? CONFIDENCE_LIKELY : CONFIDENCE_POSSIBLE;
	if (is_long && t->n >= CERTAIN_LOOKS && t->r2 >= CERTAIN_R2 &&
	    t->fall <= trend_rise(t) / 10)
		return CONFIDENCE_CERTAIN;
	return is_long || (t->n >= CERTAIN_LOOKS && t->r2 >= LIKELY_R2)
		       ? CONFIDENCE_LIKELY
		       : CONFIDENCE_POSSIBLE;
}

uint64_t torn_of(const struct facts *f)
{
	uint64_t between = f->growth ? 2 * f->growth->torn : 0;

	return between > f->torn ? between : f->torn;
}

enum confidence live_confidence(const struct facts *f)
{
	enum confidence c = growth_confidence(f, SERIES_LIVE);
	uint64_t rise = (uint64_t)f->rise[SERIES_LIVE];

	if (rise <= f->unsure)
		return CONFIDENCE_POSSIBLE;
	if (c != CONFIDENCE_POSSIBLE && rise / TORN_CERTAIN < torn_of(f))
		c++;
	return c;
}

uint64_t fall_of(uint64_t before, uint64_t now)
{
	return before != UNKNOWN && before > now ? before - now : 0;
}

uint64_t swapped_in(const struct facts *f, enum ledger_class c)
{
	return fall_of(f->before->ledger[c].swapped, f->now->ledger[c].swapped);
}

double per_minute(const struct facts *f, enum series_id id)
{
	return (double)f->rise[id] / MIB / ((double)f->interval_ns / 60e9);
}
