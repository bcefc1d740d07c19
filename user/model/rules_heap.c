// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules of what allocators keep, and why. */
#include "model/rules.h"

#include <string.h>

#include "model/knobs.h"
#include "model/size.h"

#define TRIM_THRESHOLD (128u << 10) /* DEFAULT_TRIM_THRESHOLD, malloc/malloc.c */

static void advise_arenas(const struct facts *f, struct verdict *v, uint64_t bytes)
{
	if (f->arenas > 1 && bytes >= FLOOR_BYTES)
		advise(v, bytes, true,
		       "restart with MALLOC_ARENA_MAX=1 (or 2): %zu arenas each keep "
		       "free memory of their own; threads then contend for fewer",
		       f->arenas);
}

static void advise_allocator(struct verdict *v, uint64_t bytes)
{
	if (bytes >= FLOOR_BYTES)
		advise(v, bytes, true,
		       "restart with another allocator (LD_PRELOAD=libjemalloc.so.2 or "
		       "libtcmalloc_minimal.so.4): both group blocks by size and return "
		       "free pages by themselves; try it under load, for speed and "
		       "memory "
		       "are not the same");
}

static void advise_apart(const struct facts *f, struct verdict *v)
{
	advise(v, UNKNOWN, false,
	       "see of which sizes: fallow heap %d; what lives long is better allocated "
	       "apart from what does not, at once or from a pool of its own",
	       (int)f->now->process.pid);
}

static void show_held(const struct heap *h, struct verdict *v)
{
	struct heap_totals t = heap_totals(h);
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT], d[SIZE_TEXT];

	if (t.held < FLOOR_BYTES)
		return;
	size_format(a, t.held);
	size_format(b, t.held_cached);
	size_format(c, t.held_top);
	size_format(d, t.held_unit);
	if (!h->ops->purge)
		evidence(v,
			 "%s keeps %s in whole free pages, and no call gives them back",
			 h->ops->name, a);
	else if (t.held_top)
		evidence(v,
			 "%s would not return %s: %s in tops of thread arenas, %s in "
			 "thread caches",
			 h->ops->purge, a, c, b);
	else
		evidence(v,
			 "%s would not return %s: %s in slabs (spans, pages) that hold "
			 "blocks in use, %s in thread caches",
			 h->ops->purge, a, d, b);
}

/* What gives this heap's free pages back, now and by itself. */
static void advise_heap(const struct heap *h, struct verdict *v)
{
	const struct knobs *k = knobs_of(h);
	struct heap_totals t = heap_totals(h);
	/* No setting of an allocator moves the blocks that keep the rest. */
	uint64_t kept = h->ops->purge ? t.held_unit : 0;
	/* In a file, a part may be more than the whole. */
	uint64_t free = t.returnable + (t.held > kept ? t.held - kept : 0);
	uint64_t threshold = setting_of(h, "trim_threshold");
	char size[SIZE_TEXT];

	if (t.returnable && k->purge)
		advise(v, t.returnable, false, "%s", k->purge);
	if (t.returnable_top >= FLOOR_BYTES && threshold > TRIM_THRESHOLD)
		advise(v, t.returnable_top, true,
		       "restart with MALLOC_TRIM_THRESHOLD_=131072 (now %s): free() then "
		       "returns the top of the main heap by itself, for a system call "
		       "and "
		       "page faults each time",
		       threshold == UINT64_MAX ? "never" : size_format(size, threshold));
	if (free >= FLOOR_BYTES && k->setting)
		advise(v, free, true, "%s", k->setting);
}

static void rule_retention(const struct facts *f, struct verdicts *out)
{
	uint64_t fallow = fallow_of(f->now);
	struct verdict *v;

	if (!significant(f, fallow))
		return;
	v = speak(out, VERDICT_RETENTION,
		  significant(f, f->all.returnable) ? CONFIDENCE_CERTAIN
						    : CONFIDENCE_LIKELY,
		  fallow);
	show_split(f, v);
	show_idle(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++)
		show_held(f->now->heaps[i], v);
	show_change(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++)
		advise_heap(f->now->heaps[i], v);
	advise_arenas(f, v, f->thread.returnable + f->thread.held);
	advise_allocator(v, f->replaceable.returnable + f->replaceable.held);
	if (f->all.held_unit >= FLOOR_BYTES)
		advise_apart(f, v);
}

/* jemalloc's own schedule, by which free pages go back a while after they were freed. */
static uint64_t decaying(const struct heap *h)
{
	bool decays = !strcmp(h->ops->name, "jemalloc") && h->nsettings &&
		      (int64_t)setting_of(h, "dirty_decay_ms") >= 0 &&
		      (int64_t)setting_of(h, "muzzy_decay_ms") >= 0;

	return decays ? heap_totals(h).returnable : 0;
}

static void show_decay(const struct heap *h, struct verdict *v)
{
	char size[SIZE_TEXT];

	evidence(v,
		 "%s of %s's free pages are dirty or muzzy, and go back by its own "
		 "schedule: dirty_decay_ms is %lld, muzzy_decay_ms %lld",
		 size_format(size, decaying(h)), h->ops->name,
		 (long long)setting_of(h, "dirty_decay_ms"),
		 (long long)setting_of(h, "muzzy_decay_ms"));
}

/* There may be several: each library may have one within. */
static void rule_dirty_decay(const struct facts *f, struct verdicts *out)
{
	struct verdict *v;
	uint64_t sum = 0;

	for (size_t i = 0; i < f->now->nheaps; i++)
		sum += decaying(f->now->heaps[i]);
	if (!significant(f, sum))
		return;
	v = speak(out, VERDICT_DIRTY_DECAY, CONFIDENCE_CERTAIN, sum);
	for (size_t i = 0; i < f->now->nheaps; i++)
		if (decaying(f->now->heaps[i]))
			show_decay(f->now->heaps[i], v);
	evidence(v,
		 "it keeps that schedule only while threads allocate and free, or with "
		 "background_thread:true");
	show_change(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++)
		if (decaying(f->now->heaps[i]))
			advise_heap(f->now->heaps[i], v);
}

static void rule_thread_caches(const struct facts *f, struct verdicts *out)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, f->cached))
		return;
	v = speak(out, VERDICT_THREAD_CACHES, CONFIDENCE_CERTAIN, f->cached);
	evidence(v,
		 "caches of %u threads hold %s in free blocks; no other thread can use "
		 "them",
		 f->now->process.threads, size_format(a, f->cached));
	evidence(v, "%s of whole pages are free because of caches alone",
		 size_format(b, f->all.held_cached));
	show_change(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++) {
		const struct heap *h = f->now->heaps[i];

		if (knobs_of(h)->caches && cached_of(h) >= FLOOR_BYTES)
			advise(v, cached_of(h), true, "%s", knobs_of(h)->caches);
	}
}

/* From so many arenas on, what each keeps is more than what threads need to be apart. */
#define SPRAWL 16

static void rule_arena_sprawl(const struct facts *f, struct verdicts *out)
{
	uint64_t kept = f->thread.stranded + f->thread.returnable + f->thread.held;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct verdict *v;

	if (f->arenas < SPRAWL || !significant(f, kept))
		return;
	v = speak(out, VERDICT_ARENA_SPRAWL, CONFIDENCE_CERTAIN, kept);
	evidence(v,
		 "%zu arenas, %u threads: thread arenas keep %s that is free, %s each, "
		 "for "
		 "their own threads",
		 f->arenas, f->now->process.threads, size_format(a, kept),
		 size_format(b, kept / f->arenas));
	show_change(f, v);
	advise_arenas(f, v, kept);
	if (f->thread.returnable >= FLOOR_BYTES)
		advise(v, f->trimmed, false,
		       "call malloc_trim(0) in the process: it goes through all arenas");
}

/* Whether a heap is one that others live beside, not within. */
static bool stands_alone(const struct facts *f, const struct heap *h)
{
	return h->status != HEAP_UNSUPPORTED && strcmp(h->ops->name, "pymalloc") &&
	       significant(f, heap_totals(h).resident);
}

static void show_allocator(const struct heap *h, struct verdict *v)
{
	struct heap_totals t = heap_totals(h);
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	evidence(v, "%s has %s resident: %s live, %s free", h->ops->name,
		 size_format(a, t.resident), size_format(b, t.live),
		 size_format(c, t.returnable + t.held + t.stranded));
}

/* What is free in one is of no use to the other. */
static void rule_two_allocators(const struct facts *f, struct verdicts *out)
{
	uint64_t most = 0;
	struct verdict *v;
	size_t n = 0;

	for (size_t i = 0; i < f->now->nheaps; i++) {
		struct heap_totals t = heap_totals(f->now->heaps[i]);
		uint64_t free = t.returnable + t.held + t.stranded;

		if (!stands_alone(f, f->now->heaps[i]))
			continue;
		n++;
		most = free > most ? free : most;
	}
	if (n < 2 || !significant(f, most))
		return;
	v = speak(out, VERDICT_TWO_ALLOCATORS, CONFIDENCE_CERTAIN, most);
	for (size_t i = 0; i < f->now->nheaps; i++)
		if (stands_alone(f, f->now->heaps[i]))
			show_allocator(f->now->heaps[i], v);
	show_change(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++)
		if (stands_alone(f, f->now->heaps[i]))
			advise_heap(f->now->heaps[i], v);
	advise(v, UNKNOWN, false,
	       "use one allocator in the whole process: preload it (LD_PRELOAD), or link "
	       "it "
	       "first, so that libraries share it");
}

static void rule_fragmentation(const struct facts *f, struct verdicts *out)
{
	uint64_t sure = f->all.stranded -
			(f->mixed < f->all.stranded ? f->mixed : f->all.stranded);
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, f->all.stranded))
		return;
	v = speak(out, VERDICT_FRAGMENTATION,
		  significant(f, sure) ? CONFIDENCE_CERTAIN : CONFIDENCE_POSSIBLE,
		  f->all.stranded);
	evidence(v,
		 "%s free bytes lie on pages with blocks in use (%s live on %s of "
		 "pages): no call can return them",
		 size_format(a, f->all.stranded), size_format(b, f->now->live_bytes),
		 size_format(c, f->now->ledger[LEDGER_HEAP_USED].resident));
	if (f->mixed)
		evidence(v,
			 "a quick look does not tell which blocks are free: at least %s "
			 "of that lies so, the rest may be whole pages",
			 size_format(a, sure));
	show_change(f, v);
	advise_arenas(f, v, f->thread.stranded);
	advise_allocator(v, f->replaceable.stranded);
	advise_apart(f, v);
}

static void rule_swapped_heap(const struct facts *f, struct verdicts *out)
{
	const struct ledger_line *l = f->now->ledger;
	uint64_t fallow = l[LEDGER_HEAP_RETURNABLE].swapped + l[LEDGER_HEAP_HELD].swapped;
	uint64_t sum = fallow + l[LEDGER_HEAP_USED].swapped +
		       l[LEDGER_HEAP_METADATA].swapped + l[LEDGER_HEAP_UNREAD].swapped;
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, sum) || sum < f->now->swap / FLOOR_SHARE)
		return;
	v = speak(out, VERDICT_SWAPPED_HEAP, CONFIDENCE_CERTAIN, sum);
	evidence(v,
		 "%s of heap are on swap, %s resident; of what is on swap, %s are known "
		 "to "
		 "be free pages",
		 size_format(a, sum), size_format(b, f->now->rss),
		 size_format(c, fallow));
	evidence(v,
		 "records on swap are not read: what is free there is not fully known");
	show_change(f, v);
	advise(v, UNKNOWN, false,
	       "give the process more memory (its control group's memory.max or "
	       "memory.high), "
	       "or less to hold; what is touched comes back from swap by itself");
	if (fallow >= FLOOR_BYTES)
		for (size_t i = 0; i < f->now->nheaps; i++)
			if (knobs_of(f->now->heaps[i])->purge)
				advise(v, UNKNOWN, false, "%s",
				       knobs_of(f->now->heaps[i])->purge);
}

static void rule_metadata(const struct facts *f, struct verdicts *out)
{
	uint64_t bytes = f->now->ledger[LEDGER_HEAP_METADATA].resident;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, bytes))
		return;
	v = speak(out, VERDICT_ALLOCATOR_METADATA, CONFIDENCE_CERTAIN, bytes);
	evidence(v, "allocators use %s for their own records, beside %s of live blocks",
		 size_format(a, bytes), size_format(b, f->now->live_bytes));
	show_change(f, v);
	advise(v, UNKNOWN, false,
	       "records are kept for the most blocks that there ever were: allocate "
	       "fewer "
	       "and larger ones, or restart; jemalloc: fewer arenas "
	       "(MALLOC_CONF=narenas:N)");
}

void rules_heap(const struct facts *f, struct verdicts *out)
{
	rule_retention(f, out);
	rule_fragmentation(f, out);
	rule_dirty_decay(f, out);
	rule_thread_caches(f, out);
	rule_arena_sprawl(f, out);
	rule_two_allocators(f, out);
	rule_swapped_heap(f, out);
	rule_metadata(f, out);
}
