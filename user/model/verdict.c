// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules. Each looks at the totals of one snapshot, or of two, and either
 * speaks with its evidence or stays silent.
 */
#include "model/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/knobs.h"
#include "model/size.h"

#define MIB (1ull << 20)

/* What is worth a verdict: a tenth of RSS, and more than rounding. */
#define FLOOR_BYTES (8 * MIB)
#define FLOOR_SHARE 10
/* Growth between two looks that is more than churn. */
#define GROWTH_FLOOR (1 * MIB)
/* Two looks closer than this tell a direction, not a trend. */
#define TREND_NS (30 * 1000000000ull)

/* Totals over all heaps that the rules share. */
struct facts {
	const struct snapshot *now, *before;
	struct heap_totals all; /* of every decoded heap */
	struct heap_totals
		replaceable; /* of those that another allocator does better than */
	struct heap_totals thread; /* of glibc's non-main arenas alone */
	size_t arenas; /* of the kind that threads share */
	int64_t live_change, fallow_change, rss_change;
	uint64_t interval_ns; /* 0: no earlier look */
};

static const char *const names[VERDICT_IDS] = {
	[VERDICT_LIVE_GROWTH] = "live-growth",
	[VERDICT_RETENTION] = "retention",
	[VERDICT_FRAGMENTATION] = "fragmentation",
	[VERDICT_UNDETERMINED] = "undetermined",
	[VERDICT_HEALTHY] = "healthy",
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

static void evidence(struct verdict *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void evidence(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	if (v->nevidence == VERDICT_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(v->evidence[v->nevidence++], VERDICT_TEXT, fmt, ap);
	va_end(ap);
}

static void advise(struct verdict *v, uint64_t bytes, bool at_most, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void advise(struct verdict *v, uint64_t bytes, bool at_most, const char *fmt, ...)
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

static struct verdict *speak(struct verdicts *out, enum verdict_id id, enum confidence c,
			     uint64_t bytes)
{
	struct verdict *v = &out->v[out->n++];

	memset(v, 0, sizeof(*v));
	v->id = id;
	v->confidence = c;
	v->bytes = bytes;
	return v;
}

static bool significant(const struct facts *f, uint64_t bytes)
{
	return bytes >= FLOOR_BYTES && bytes >= f->now->rss / FLOOR_SHARE;
}

static void add_totals(struct heap_totals *sum, const struct heap_totals *t)
{
	sum->stranded += t->stranded;
	sum->returnable += t->returnable;
	sum->held += t->held;
}

static uint64_t setting(const struct heap *h, const char *name)
{
	for (size_t i = 0; i < h->nsettings; i++)
		if (!strcmp(h->settings[i].name, name))
			return (uint64_t)h->settings[i].value;
	return 0;
}

static void collect_heap(struct facts *f, const struct heap *h)
{
	struct heap_totals t = heap_totals(h);

	add_totals(&f->all, &t);
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

static uint64_t fallow_of(const struct snapshot *s)
{
	return s->ledger[LEDGER_HEAP_RETURNABLE].resident +
	       s->ledger[LEDGER_HEAP_HELD].resident;
}

static void collect(struct facts *f, const struct snapshot *now,
		    const struct snapshot *before)
{
	*f = (struct facts){ .now = now, .before = before };
	for (size_t i = 0; i < now->nheaps; i++)
		collect_heap(f, now->heaps[i]);
	if (!before)
		return;
	f->interval_ns = now->monotonic_ns - before->monotonic_ns;
	f->live_change = (int64_t)(now->live_bytes - before->live_bytes);
	f->fallow_change = (int64_t)(fallow_of(now) - fallow_of(before));
	f->rss_change = (int64_t)(now->rss - before->rss);
}

static void show_change(const struct facts *f, struct verdict *v)
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

static bool is_python(const struct snapshot *s)
{
	const char *base = strrchr(s->process.exe, '/');

	return !strncmp(base ? base + 1 : s->process.exe, "python", 6);
}

static void rule_live_growth(const struct facts *f, struct verdicts *out)
{
	struct verdict *v;

	/* Most of what RSS gained, or RSS gained nothing while blocks took free pages. */
	if (!f->before || f->live_change < (int64_t)GROWTH_FLOOR ||
	    f->live_change < f->rss_change / 2 ||
	    (uint64_t)f->live_change < 4 * (f->now->torn + f->before->torn))
		return;
	v = speak(out, VERDICT_LIVE_GROWTH,
		  f->interval_ns < TREND_NS ? CONFIDENCE_POSSIBLE : CONFIDENCE_LIKELY,
		  (uint64_t)f->live_change);
	show_change(f, v);
	evidence(v, "the application holds %.1f MiB/min more",
		 (double)f->live_change / MIB / ((double)f->interval_ns / 60e9));
	advise(v, UNKNOWN, false,
	       is_python(f->now)
		       ? "find who allocates: memray attach %d (Python and native "
			 "stacks), or heaptrack -p %d"
		       : "find who allocates: heaptrack -p %d, or bcc's memleak -p %d",
	       (int)f->now->process.pid, (int)f->now->process.pid);
	advise(v, 0, false,
	       "no purge call and no setting of an allocator stops this growth");
}

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
		       "free pages by themselves");
}

static void show_split(const struct facts *f, struct verdict *v)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	evidence(v,
		 "of %s RSS, the application holds %s in blocks; %s are whole free pages",
		 size_format(a, f->now->rss), size_format(b, f->now->live_bytes),
		 size_format(c, fallow_of(f->now)));
}

static void show_held(const struct heap *h, struct verdict *v)
{
	struct heap_totals t = heap_totals(h);
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	if (t.held < FLOOR_BYTES)
		return;
	size_format(a, t.held);
	size_format(b, t.held_cached);
	size_format(c, t.held_top);
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
		evidence(v, "%s would not return %s: %s in thread caches", h->ops->purge,
			 a, b);
}

/* What gives this heap's free pages back, now and by itself. */
static void advise_heap(const struct heap *h, struct verdict *v)
{
	const struct knobs *k = knobs_of(h);
	struct heap_totals t = heap_totals(h);
	uint64_t threshold = setting(h, "trim_threshold");
	char size[SIZE_TEXT];

	if (t.returnable && k->purge)
		advise(v, t.returnable, false, "%s", k->purge);
	if (t.returnable_top >= FLOOR_BYTES && threshold)
		advise(v, t.returnable_top, false,
		       "restart with MALLOC_TRIM_THRESHOLD_=131072 (now %s): free() then "
		       "returns the top of the main heap by itself",
		       threshold == UINT64_MAX ? "never" : size_format(size, threshold));
	if (t.returnable + t.held >= FLOOR_BYTES && k->setting)
		advise(v, t.returnable + t.held, true, "%s", k->setting);
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
	for (size_t i = 0; i < f->now->nheaps; i++)
		show_held(f->now->heaps[i], v);
	show_change(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++)
		advise_heap(f->now->heaps[i], v);
	advise_arenas(f, v, f->thread.returnable + f->thread.held);
	advise_allocator(v, f->replaceable.returnable + f->replaceable.held);
}

static void rule_fragmentation(const struct facts *f, struct verdicts *out)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, f->all.stranded))
		return;
	v = speak(out, VERDICT_FRAGMENTATION, CONFIDENCE_CERTAIN, f->all.stranded);
	evidence(v,
		 "%s free bytes lie on pages with blocks in use (%s live on %s of "
		 "pages): no call can return them",
		 size_format(a, f->all.stranded), size_format(b, f->now->live_bytes),
		 size_format(c, f->now->ledger[LEDGER_HEAP_USED].resident));
	show_change(f, v);
	advise_arenas(f, v, f->thread.stranded);
	advise_allocator(v, f->replaceable.stranded);
}

/* What has some of that memory, as far as it is known, and what it can be asked to do. */
static void show_unsupported(const struct heap *h, struct verdict *v)
{
	const struct knobs *k = knobs_of(h);
	char size[SIZE_TEXT];

	if (h->narenas)
		evidence(v, "%s is recognised, not decoded; it has %s of this, or more",
			 h->ops->name, size_format(size, heap_totals(h).resident));
	else
		evidence(v,
			 "%s is recognised, not decoded; how much of this it has is not "
			 "known",
			 h->ops->name);
	if (k->purge)
		advise(v, UNKNOWN, false, "%s", k->purge);
	if (k->setting)
		advise(v, UNKNOWN, false, "%s", k->setting);
}

static void rule_undetermined(const struct facts *f, struct verdicts *out)
{
	uint64_t other = f->now->ledger[LEDGER_ANON_OTHER].resident;
	uint64_t unread = f->now->ledger[LEDGER_HEAP_UNREAD].resident;
	char size[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, other + unread) || other + unread < f->now->rss / 3)
		return;
	v = speak(out, VERDICT_UNDETERMINED, CONFIDENCE_CERTAIN, other + unread);
	if (other)
		evidence(v,
			 "%s of anonymous memory belong to no allocator that is known "
			 "here%s",
			 size_format(size, other),
			 f->now->nheaps ? "" : "; no known allocator was found at all");
	if (unread)
		evidence(v, "%s of heap could not be decoded", size_format(size, unread));
	for (size_t i = 0; i < f->now->nheaps; i++)
		if (f->now->heaps[i]->status == HEAP_UNSUPPORTED)
			show_unsupported(f->now->heaps[i], v);
	advise(v, UNKNOWN, false,
	       "see the largest mappings: fallow regions %d; whether they grow: fallow "
	       "report %d --after=60s",
	       (int)f->now->process.pid, (int)f->now->process.pid);
}

static void rule_healthy(const struct facts *f, struct verdicts *out)
{
	struct verdict *v;

	if (out->n)
		return;
	v = speak(out, VERDICT_HEALTHY,
		  f->before ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY, 0);
	show_split(f, v);
	show_change(f, v);
	if (!f->before)
		evidence(v, "one look does not see growth: --after=60s does");
}

/* Growth first, for it is the complaint; then the most bytes. */
static void order(struct verdicts *out)
{
	for (size_t i = 1; i < out->n; i++)
		for (size_t k = i; k > 0; k--) {
			struct verdict *a = &out->v[k - 1], *b = &out->v[k], tmp;

			if (a->id == VERDICT_LIVE_GROWTH || b->bytes <= a->bytes)
				break;
			tmp = *a;
			*a = *b;
			*b = tmp;
		}
}

void verdicts_judge(struct verdicts *out, const struct snapshot *now,
		    const struct snapshot *before)
{
	struct facts f;

	out->n = 0;
	collect(&f, now, before);
	rule_live_growth(&f, out);
	rule_retention(&f, out);
	rule_fragmentation(&f, out);
	rule_undetermined(&f, out);
	rule_healthy(&f, out);
	order(out);
}
