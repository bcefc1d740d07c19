// SPDX-License-Identifier: GPL-2.0-or-later
/* What the rules rest upon, from one snapshot or two. */
#include "model/rules.h"

#include <string.h>

#include "model/knobs.h"

static void add_totals(struct heap_totals *sum, const struct heap_totals *t)
{
	sum->stranded += t->stranded;
	sum->returnable += t->returnable;
	sum->held += t->held;
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

	add_totals(&f->all, &t);
	f->cached += cached_of(h);
	if (knobs_of(h)->replace)
		add_totals(&f->replaceable, &t);
	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];

		if (a->kind != ARENA_MAIN && a->kind != ARENA_THREAD)
			continue;
		f->arenas++;
		if (a->kind == ARENA_THREAD)
			add_totals(&f->thread,
				   &(struct heap_totals){ .stranded = a->stranded,
							  .returnable = a->returnable,
							  .held = a->held });
	}
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

void facts_collect(struct facts *f, const struct snapshot *now,
		   const struct snapshot *before)
{
	*f = (struct facts){ .now = now, .before = before };
	for (size_t i = 0; i < now->nheaps; i++)
		collect_heap(f, now->heaps[i]);
	for (size_t i = 0; i < now->nheaps; i++)
		f->unseen += now->heaps[i]->error.returnable;
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
}

bool is_growth(const struct facts *f, int64_t change, uint64_t doubt)
{
	return f->before && change >= (int64_t)GROWTH_FLOOR &&
	       change >= f->rss_change / 2 && (uint64_t)change > doubt;
}

enum confidence growth_confidence(const struct facts *f)
{
	return f->interval_ns < TREND_NS ? CONFIDENCE_POSSIBLE : CONFIDENCE_LIKELY;
}

double per_minute(const struct facts *f, int64_t change)
{
	return (double)change / MIB / ((double)f->interval_ns / 60e9);
}
