// SPDX-License-Identifier: GPL-2.0-or-later
/* How rules speak, and which of them comes first. */
#include "model/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/rules.h"
#include "model/size.h"

static const char *const names[VERDICT_IDS] = {
	[VERDICT_LIVE_GROWTH] = "live-growth",
	[VERDICT_OFF_HEAP_GROWTH] = "off-heap-growth",
	[VERDICT_PINNED_GROWTH] = "pinned-growth",
	[VERDICT_SHMEM_GROWTH] = "shmem-growth",
	[VERDICT_RETENTION] = "retention",
	[VERDICT_FRAGMENTATION] = "fragmentation",
	[VERDICT_THREAD_CACHES] = "thread-caches",
	[VERDICT_ARENA_SPRAWL] = "arena-sprawl",
	[VERDICT_DIRTY_DECAY] = "dirty-decay",
	[VERDICT_TWO_ALLOCATORS] = "two-allocators",
	[VERDICT_SWAPPED_HEAP] = "swapped-heap",
	[VERDICT_ALLOCATOR_METADATA] = "allocator-metadata",
	[VERDICT_THP_BLOAT] = "thp-bloat",
	[VERDICT_LAZYFREE] = "lazyfree",
	[VERDICT_FILE_CACHE] = "file-cache",
	[VERDICT_STACK_DEPTH] = "stack-depth",
	[VERDICT_OUTSIDE_RSS] = "outside-rss",
	[VERDICT_UNDETERMINED] = "undetermined",
	[VERDICT_HEALTHY] = "healthy",
	[VERDICT_COLD_MEMORY] = "cold-memory",
};

const char *verdict_name(enum verdict_id id)
{
	return names[id];
}

enum verdict_id verdict_by_name(const char *name, size_t len)
{
	for (int i = 0; i < VERDICT_IDS; i++)
		if (strlen(names[i]) == len && !strncmp(names[i], name, len))
			return (enum verdict_id)i;
	return VERDICT_IDS;
}

const char *confidence_name(enum confidence c)
{
	switch (c) {
	case CONFIDENCE_CERTAIN:
		return "certain";
	case CONFIDENCE_LIKELY:
		return "likely";
	case CONFIDENCE_POSSIBLE:
		return "possible";
	}
	return "";
}

void evidence(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	if (v->nevidence == VERDICT_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(v->evidence[v->nevidence++], VERDICT_TEXT, fmt, ap);
	va_end(ap);
}

void advise(struct verdict *v, uint64_t bytes, bool at_most, const char *fmt, ...)
{
	struct advice *a;
	va_list ap;

	if (v->nadvice == VERDICT_LINES)
		return;
	a = &v->advice[v->nadvice++];
	a->bytes = bytes;
	a->at_most = at_most;
	va_start(ap, fmt);
	vsnprintf(a->text, sizeof(a->text), fmt, ap);
	va_end(ap);
}

bool has_verdict(const struct verdicts *all, enum verdict_id id)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].id == id)
			return true;
	return false;
}

struct verdict *speak(struct verdicts *out, enum verdict_id id, enum confidence c,
		      uint64_t bytes)
{
	struct verdict *v = &out->v[out->n++];

	memset(v, 0, sizeof(*v));
	v->id = id;
	v->confidence = c;
	v->bytes = bytes;
	v->same_as = VERDICT_IDS;
	return v;
}

void show_change(const struct facts *f, struct verdict *v)
{
	char rss[SIZE_TEXT], live[SIZE_TEXT], fallow[SIZE_TEXT];

	if (f->before)
		evidence(
			v,
			"in %.1f s RSS changed by %s, live bytes by %s, free pages by %s",
			(double)f->interval_ns / 1e9,
			size_format_change(rss, f->rss_change),
			size_format_change(live, f->live_change),
			size_format_change(fallow, f->fallow_change));
}

void show_split(const struct facts *f, struct verdict *v)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	evidence(v,
		 "of %s RSS, the application holds %s in blocks; %s are whole free pages",
		 size_format(a, f->now->rss), size_format(b, f->now->live_bytes),
		 size_format(c, fallow_of(f->now)));
}

/* What most of RSS is, if it is not what an allocator has. */
static void show_most(const struct facts *f, struct verdict *v)
{
	char size[SIZE_TEXT];

	for (int c = LEDGER_ANON_OTHER; c < LEDGER_CLASSES; c++)
		if (f->now->ledger[c].resident > f->now->rss / 2)
			evidence(v, "%s are %s (%s)",
				 size_format(size, f->now->ledger[c].resident),
				 ledger_name((enum ledger_class)c),
				 ledger_meaning((enum ledger_class)c));
}

static void rule_healthy(const struct facts *f, struct verdicts *out)
{
	struct verdict *v;

	if (out->n)
		return;
	/* One look does not see growth; and growth that no rule explains is not healthy. */
	v = speak(out, VERDICT_HEALTHY,
		  f->before && f->rss_change < (int64_t)GROWTH_FLOOR &&
				  f->rise[SERIES_RSS] < (int64_t)GROWTH_FLOOR
			  ? CONFIDENCE_CERTAIN
			  : CONFIDENCE_LIKELY,
		  0);
	show_split(f, v);
	show_most(f, v);
	show_growth(f, v);
	if (!f->before)
		evidence(v, "one look does not see growth: --after=60s does");
}

#define BIT VERDICT_BIT

/* Which verdicts name the cause of what others only see: theirs come first. */
static const uint32_t explains[VERDICT_IDS] = {
	[VERDICT_DIRTY_DECAY] = BIT(VERDICT_RETENTION),
	[VERDICT_THREAD_CACHES] = BIT(VERDICT_RETENTION) | BIT(VERDICT_FRAGMENTATION),
	[VERDICT_ARENA_SPRAWL] = BIT(VERDICT_RETENTION) | BIT(VERDICT_FRAGMENTATION),
	[VERDICT_TWO_ALLOCATORS] = BIT(VERDICT_RETENTION) | BIT(VERDICT_FRAGMENTATION),
	[VERDICT_LAZYFREE] = BIT(VERDICT_RETENTION) | BIT(VERDICT_UNDETERMINED),
	/* Free pages of zeros were given back: the kernel has filled them in again. */
	[VERDICT_THP_BLOAT] = BIT(VERDICT_RETENTION) | BIT(VERDICT_FRAGMENTATION) |
			      BIT(VERDICT_UNDETERMINED),
	[VERDICT_PINNED_GROWTH] = BIT(VERDICT_LIVE_GROWTH) |
				  BIT(VERDICT_OFF_HEAP_GROWTH) |
				  BIT(VERDICT_SHMEM_GROWTH) | BIT(VERDICT_UNDETERMINED),
	[VERDICT_OFF_HEAP_GROWTH] = BIT(VERDICT_UNDETERMINED),
};

bool explains_verdict(const struct verdict *v, enum verdict_id id, uint64_t bytes)
{
	return (explains[v->id] & BIT(id)) && v->bytes >= bytes / 2;
}

bool is_explained(const struct verdicts *all, enum verdict_id id, uint64_t bytes)
{
	for (size_t i = 0; i < all->n; i++)
		if (explains_verdict(&all->v[i], id, bytes))
			return true;
	return false;
}

/* Growth first, for it is the complaint. */
#define GROWTH                                                                           \
	(BIT(VERDICT_LIVE_GROWTH) | BIT(VERDICT_OFF_HEAP_GROWTH) |                       \
	 BIT(VERDICT_PINNED_GROWTH) | BIT(VERDICT_SHMEM_GROWTH))

/*
 * What a verdict weighs: its bytes; and if it explains at least half of another, a bit
 * more than that one.
 */
static uint64_t weight(const struct verdicts *all, const struct verdict *v)
{
	uint64_t sum = v->bytes;

	for (size_t i = 0; i < all->n; i++) {
		const struct verdict *o = &all->v[i];

		if (explains_verdict(v, o->id, o->bytes) && o->bytes >= sum)
			sum = o->bytes + 1;
	}
	return sum;
}

static bool comes_before(const struct verdicts *all, size_t a, size_t b)
{
	bool a_grows = BIT(all->v[a].id) & GROWTH, b_grows = BIT(all->v[b].id) & GROWTH;

	if (a_grows != b_grows)
		return a_grows;
	if (all->v[a].id == VERDICT_COLD_MEMORY || all->v[b].id == VERDICT_COLD_MEMORY)
		return all->v[b].id == VERDICT_COLD_MEMORY;
	return weight(all, &all->v[a]) > weight(all, &all->v[b]);
}

static void order(struct verdicts *out)
{
	for (size_t i = 1; i < out->n; i++)
		for (size_t k = i; k > 0 && comes_before(out, k, k - 1); k--) {
			struct verdict tmp = out->v[k];

			out->v[k] = out->v[k - 1];
			out->v[k - 1] = tmp;
		}
}

/* The same memory under two names is to be counted once. */
static void name_causes(struct verdicts *all)
{
	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; k < i && !all->v[i].apart; k++)
			if (explains_verdict(&all->v[k], all->v[i].id, all->v[i].bytes)) {
				all->v[i].same_as = all->v[k].id;
				break;
			}
}

void verdicts_judge_growth(struct verdicts *out, const struct snapshot *now,
			   const struct snapshot *before, const struct growth *growth)
{
	struct facts f;

	out->n = 0;
	out->growth = growth;
	facts_collect(&f, now, before, growth);
	rules_growth(&f, out);
	rules_heap(&f, out);
	rules_pages(&f, out);
	rules_beside(&f, out);
	rule_unexplained(&f, out);
	rule_healthy(&f, out);
	rule_cold(&f, out);
	order(out);
	name_causes(out);
}

void verdicts_judge(struct verdicts *out, const struct snapshot *now,
		    const struct snapshot *before)
{
	verdicts_judge_growth(out, now, before, NULL);
}
