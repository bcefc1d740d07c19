// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules of what became more between two looks. */
#include "model/rules.h"

#include <stdio.h>
#include <string.h>

#include "model/size.h"
#include "render/escape.h"

static bool is_python(const struct snapshot *s)
{
	const char *base = strrchr(s->process.exe, '/');

	return !strncmp(base ? base + 1 : s->process.exe, "python", 6);
}

/*
 * So much of what is live may be no growth: it was torn, or on swap, or not decoded, or
 * of an allocator that was not known for one yet.
 */
static uint64_t live_doubt(const struct facts *f)
{
	const struct ledger_line *was = f->before->ledger, *is = f->now->ledger;
	uint64_t sum = TORN_DOUBT * f->torn + fall_of(was[LEDGER_HEAP_UNREAD].resident,
						      is[LEDGER_HEAP_UNREAD].resident);

	for (enum ledger_class c = LEDGER_HEAP_USED; c <= LEDGER_HEAP_UNREAD; c++)
		sum += swapped_in(f, c);
	if (f->now->nheaps > f->before->nheaps)
		sum += fall_of(was[LEDGER_ANON_OTHER].resident,
			       is[LEDGER_ANON_OTHER].resident);
	return sum;
}

static void advise_trace(const struct facts *f, struct verdict *v, const char *what)
{
	int pid = (int)f->now->process.pid;

	if (f->now->mappers)
		advise(v, UNKNOWN, false, "see all call stacks: fallow trace %d", pid);
	else
		advise(v, UNKNOWN, false,
		       "%s: fallow report --trace=30s %d; call stacks: fallow trace %d "
		       "(takes root; calls that map memory take some microseconds more "
		       "meanwhile)",
		       what, pid, pid);
}

static void rule_live_growth(const struct facts *f, struct verdicts *out)
{
	struct verdict *v;

	/* Most of what RSS gained, or RSS gained nothing while blocks took free pages. */
	if (!is_growth(f, SERIES_LIVE, live_doubt(f)))
		return;
	v = speak(out, VERDICT_LIVE_GROWTH, live_confidence(f),
		  (uint64_t)f->rise[SERIES_LIVE]);
	show_growth(f, v);
	evidence(v, "the application holds %.1f MiB/min more",
		 per_minute(f, SERIES_LIVE));
	show_mappers(f, MAPPED_HEAP, v);
	advise(v, UNKNOWN, false,
	       is_python(f->now)
		       ? "find who allocates: memray attach %d (Python and native "
			 "stacks), or heaptrack -p %d: both stop the process to attach, "
			 "and then each allocation is slower"
		       : "find who allocates: heaptrack -p %d, which stops the process "
			 "to attach, or bcc's memleak -p %d; each allocation is slower "
			 "then",
	       (int)f->now->process.pid, (int)f->now->process.pid);
	advise_trace(f, v, "see whose calls make the heap grow");
	advise(v, 0, false,
	       "no purge call and no setting of an allocator stops this growth");
}

/* What a mapping has more of memory that no allocator claims; 0 if it is no more. */
static uint64_t piece_growth(const struct snapshot *before, const struct piece *p)
{
	/* Neighbours may have become one mapping since. */
	uint64_t was = pieces_within(before->pieces, before->npieces, p).bytes;

	return p->bytes > was ? p->bytes - was : 0;
}

/* Which mappings grew, and by how much the one that grew most. */
static void show_pieces(const struct facts *f, struct verdict *v)
{
	const struct piece *most = NULL;
	uint64_t best = 0, sum = 0;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < f->now->npieces; i++) {
		const struct piece *p = &f->now->pieces[i];
		uint64_t growth = piece_growth(f->before, p);

		n += growth != 0;
		sum += growth;
		if (growth > best) {
			best = growth;
			most = p;
		}
	}
	if (most)
		evidence(
			v,
			"%zu mapping%s grew, by %s in all; most of them %llx-%llx, by %s",
			n, n == 1 ? "" : "s", size_format(a, sum),
			(unsigned long long)most->start, (unsigned long long)most->end,
			size_format(b, best));
}

/* The group that rises most in a class, and whether it is most of the rise. */
static const struct group_trend *leading_group(const struct facts *f, enum ledger_class c)
{
	double rise = (double)f->rise[SERIES_CLASS + c];

	for (size_t i = 0; f->growth && i < f->growth->ngroups; i++) {
		const struct group_trend *g = &f->growth->groups[i];

		if (g->last.class == c)
			return trend_rise(&g->trend) >= rise / 2 ? g : NULL;
	}
	return NULL;
}

/* What most of a class' growth is in, by name, and by how much that was mapped at once. */
static void show_group(const struct facts *f, struct verdict *v, enum ledger_class c)
{
	const struct group_trend *g = leading_group(f, c);
	char name[2 * GROUP_NAME], size[SIZE_TEXT], steps[SIZE_TEXT + 40] = "";
	int share;

	if (!g)
		return;
	share = (int)(100 * trend_rise(&g->trend) / (double)f->rise[SERIES_CLASS + c]);
	escape_terminal(name, sizeof(name), g->last.name);
	if (c == LEDGER_ANON_OTHER && f->growth->step >= MIB)
		snprintf(steps, sizeof(steps), ", that grow by %s at a time",
			 size_format(size, f->growth->step));
	evidence(v, "%d %% of it is in mappings %s%s%s%s", share > 100 ? 100 : share,
		 name[0] ? "named " : "without a name", name, steps,
		 c == LEDGER_ANON_OTHER ? ", mapped by no allocator that is known" : "");
}

#define FILES 3 /* that are named */

/* Which files of shared memory grow, as far as looks tell, the fastest first. */
static void show_files(const struct facts *f, struct verdict *v)
{
	double least = (double)f->rise[SERIES_CLASS + LEDGER_SHMEM] / FLOOR_SHARE;
	char name[2 * GROUP_NAME], size[SIZE_TEXT];
	int shown = 0;

	for (size_t i = 0; f->growth && i < f->growth->ngroups && shown < FILES; i++) {
		const struct group_trend *g = &f->growth->groups[i];

		if (g->last.class != LEDGER_SHMEM || !trend_grows(&g->trend) ||
		    trend_rise(&g->trend) < least)
			continue;
		escape_terminal(name, sizeof(name), g->last.name);
		evidence(v, "%s grows by %.1f MiB/min, to %s",
			 name[0] ? name : "what has no name",
			 trend_per_minute(&g->trend) / MIB,
			 size_format(size, g->last.bytes));
		shown++;
	}
}

static void rule_off_heap_growth(const struct facts *f, struct verdicts *out)
{
	enum series_id id = SERIES_CLASS + LEDGER_ANON_OTHER;
	char live[SIZE_TEXT];
	uint64_t rise = (uint64_t)f->rise[id];
	bool told = is_explained(out, VERDICT_OFF_HEAP_GROWTH, rise);
	struct verdict *v;

	if (!is_growth(f, id, f->moved + swapped_in(f, LEDGER_ANON_OTHER)))
		return;
	v = speak(out, VERDICT_OFF_HEAP_GROWTH, growth_confidence(f, id), rise);
	if (!told)
		show_growth(f, v);
	evidence(v,
		 "anonymous memory of no allocator grows by %.1f MiB/min, live blocks by "
		 "%s "
		 "in all",
		 per_minute(f, id), size_format_change(live, f->live_change));
	show_group(f, v, LEDGER_ANON_OTHER);
	/* The one above says whose it is, and what to do. */
	if (told)
		return;
	show_pieces(f, v);
	show_mappers(f, MAPPED_OTHER, v);
	show_keepers(f, v);
	advise_trace(f, v, "find the function that maps it");
	advise(v, 0, false,
	       "no purge call and no setting of an allocator stops this growth");
}

static void rule_pinned_growth(const struct facts *f, struct verdicts *out)
{
	char size[SIZE_TEXT];
	struct verdict *v;

	if (!is_growth(f, SERIES_PINNED, f->moved))
		return;
	v = speak(out, VERDICT_PINNED_GROWTH, growth_confidence(f, SERIES_PINNED),
		  (uint64_t)f->rise[SERIES_PINNED]);
	show_growth(f, v);
	evidence(
		v,
		"pinned memory grows by %.1f MiB/min, to %s: the kernel can neither move "
		"nor reclaim it, and unmapping it does not free it",
		per_minute(f, SERIES_PINNED), size_format(size, f->now->pinned));
	show_pieces(f, v);
	show_mappers(f, MAPPED_OTHER, v);
	show_uring(f, v);
	show_keepers(f, v);
	if (!v->nadvice)
		advise(v, UNKNOWN, false,
		       "unregister what is no longer used: whatever registered it for a "
		       "device has a call for that");
	advise_trace(f, v, "find the function that maps it");
}

static void rule_shmem_growth(const struct facts *f, struct verdicts *out)
{
	enum series_id id = SERIES_CLASS + LEDGER_SHMEM;
	uint64_t rise = (uint64_t)f->rise[id];
	bool told = is_explained(out, VERDICT_SHMEM_GROWTH, rise);
	struct verdict *v;

	if (!is_growth(f, id, f->moved + swapped_in(f, LEDGER_SHMEM)))
		return;
	v = speak(out, VERDICT_SHMEM_GROWTH, growth_confidence(f, id), rise);
	if (!told)
		show_growth(f, v);
	evidence(v, "shared memory grows by %.1f MiB/min", per_minute(f, id));
	show_files(f, v);
	show_mappers(f, MAPPED_SHMEM, v);
	if (told)
		return;
	advise(v, UNKNOWN, false,
	       "unmap and unlink what is no longer used (all of it: fallow regions %d; "
	       "SysV: ipcs -m): it lives as long as its name, a descriptor or a mapping "
	       "does: munmap(), close(), shm_unlink(), ipcrm",
	       (int)f->now->process.pid);
	show_keepers(f, v);
	advise_trace(f, v, "find the function that maps it");
}

/* "grows by 400.0 MiB/min (standard error 1.2)". Returns @buf of GROWTH_TEXT bytes. */
#define GROWTH_TEXT 80
static const char *course(const struct facts *f, enum series_id id, char *buf)
{
	const struct trend *t = trend_of(f, id);
	char size[SIZE_TEXT];

	if (!t)
		return strcpy(buf, f->growth->series[id].n ? "has too few looks to tell"
							   : "is unknown");
	switch (t->kind) {
	case TREND_STEADY:
		snprintf(buf, GROWTH_TEXT, "grows by %.1f MiB/min (standard error %.1f)",
			 trend_per_minute(t) / MIB, t->error * 60e9 / MIB);
		break;
	case TREND_BURSTS:
		snprintf(buf, GROWTH_TEXT, "rose %zu times, by up to %s, and kept it",
			 t->bursts, size_format(size, (uint64_t)t->jump));
		break;
	case TREND_UNCLEAR:
		snprintf(buf, GROWTH_TEXT, "rises by %.1f MiB/min, maybe by chance",
			 trend_per_minute(t) / MIB);
		break;
	case TREND_JUMP:
		snprintf(buf, GROWTH_TEXT, "rose once, by %s",
			 size_format(size, (uint64_t)t->jump));
		break;
	case TREND_SWINGS:
		snprintf(buf, GROWTH_TEXT, "comes and goes, by %s",
			 size_format(size, (uint64_t)t->fall));
		break;
	default:
		snprintf(buf, GROWTH_TEXT, "%s",
			 trend_rise(t) < -(double)GROWTH_LEAST ? "falls" : "is flat");
	}
	return buf;
}

static void show_torn(const struct facts *f, struct verdict *v)
{
	int64_t rise = f->rise[SERIES_LIVE];
	uint64_t torn = torn_of(f);
	char size[SIZE_TEXT];

	if (TORN_DOUBT * torn >= GROWTH_FLOOR ||
	    (rise >= (int64_t)GROWTH_FLOOR && (uint64_t)rise / TORN_CERTAIN < torn))
		evidence(
			v,
			"heaps changed while they were read: up to %s of what is live or "
			"free between two looks may be that",
			size_format(size, torn));
}

void show_growth(const struct facts *f, struct verdict *v)
{
	char rss[GROWTH_TEXT], live[GROWTH_TEXT], fallow[GROWTH_TEXT];

	show_change(f, v);
	if (trend_of(f, SERIES_RSS))
		evidence(v, "by %zu looks, RSS %s; what is live %s; what is free %s",
			 f->growth->n, course(f, SERIES_RSS, rss),
			 course(f, SERIES_LIVE, live), course(f, SERIES_FALLOW, fallow));
	if (f->before && torn_of(f))
		show_torn(f, v);
}

void rules_growth(const struct facts *f, struct verdicts *out)
{
	if (!f->before)
		return;
	rule_pinned_growth(f, out);
	rule_live_growth(f, out);
	rule_off_heap_growth(f, out);
	rule_shmem_growth(f, out);
}
