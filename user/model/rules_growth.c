// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules of what became more between two looks. */
#include "model/rules.h"

#include <string.h>

#include "model/size.h"

static bool is_python(const struct snapshot *s)
{
	const char *base = strrchr(s->process.exe, '/');

	return !strncmp(base ? base + 1 : s->process.exe, "python", 6);
}

static void rule_live_growth(const struct facts *f, struct verdicts *out)
{
	struct verdict *v;

	/* Most of what RSS gained, or RSS gained nothing while blocks took free pages. */
	if (!is_growth(f, f->live_change, 4 * f->torn))
		return;
	v = speak(out, VERDICT_LIVE_GROWTH,
		  (uint64_t)f->live_change > f->unsure ? growth_confidence(f)
						       : CONFIDENCE_POSSIBLE,
		  (uint64_t)f->live_change);
	show_change(f, v);
	evidence(v, "the application holds %.1f MiB/min more",
		 per_minute(f, f->live_change));
	advise(v, UNKNOWN, false,
	       is_python(f->now)
		       ? "find who allocates: memray attach %d (Python and native "
			 "stacks), or heaptrack -p %d"
		       : "find who allocates: heaptrack -p %d, or bcc's memleak -p %d",
	       (int)f->now->process.pid, (int)f->now->process.pid);
	advise(v, 0, false,
	       "no purge call and no setting of an allocator stops this growth");
}

/* What a mapping has more of memory that no allocator claims; 0 if it is no more. */
static uint64_t piece_growth(const struct snapshot *before, const struct piece *p)
{
	size_t lo = 0, hi = before->npieces;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (before->pieces[mid].end <= p->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Neighbours may have become one mapping since. */
	uint64_t was = 0;

	for (; lo < before->npieces && before->pieces[lo].start < p->end; lo++)
		was += before->pieces[lo].bytes;
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

static void advise_trace(const struct facts *f, struct verdict *v)
{
	advise(v, UNKNOWN, false,
	       "find who maps it: fallow trace %d; what lies around it: fallow regions "
	       "%d",
	       (int)f->now->process.pid, (int)f->now->process.pid);
}

static void rule_off_heap_growth(const struct facts *f, struct verdicts *out)
{
	int64_t change = f->change[LEDGER_ANON_OTHER];
	char live[SIZE_TEXT];
	struct verdict *v;

	if (!is_growth(f, change, f->moved))
		return;
	v = speak(out, VERDICT_OFF_HEAP_GROWTH, growth_confidence(f), (uint64_t)change);
	show_change(f, v);
	evidence(v,
		 "anonymous memory of no allocator grows by %.1f MiB/min, live blocks by "
		 "%s "
		 "in all",
		 per_minute(f, change), size_format_change(live, f->live_change));
	show_pieces(f, v);
	show_keepers(f, v);
	advise_trace(f, v);
	advise(v, 0, false,
	       "no purge call and no setting of an allocator stops this growth");
}

static void rule_pinned_growth(const struct facts *f, struct verdicts *out)
{
	char size[SIZE_TEXT];
	struct verdict *v;

	if (!is_growth(f, f->pinned_change, f->moved))
		return;
	v = speak(out, VERDICT_PINNED_GROWTH, growth_confidence(f),
		  (uint64_t)f->pinned_change);
	show_change(f, v);
	evidence(
		v,
		"pinned memory grows by %.1f MiB/min, to %s: the kernel can neither move "
		"nor reclaim it, and unmapping it does not free it",
		per_minute(f, f->pinned_change), size_format(size, f->now->pinned));
	show_pieces(f, v);
	show_uring(f, v);
	show_keepers(f, v);
	if (!v->nadvice)
		advise(v, UNKNOWN, false,
		       "unregister what is no longer used: whatever registered it for a "
		       "device has a call for that");
	advise_trace(f, v);
}

static void rule_shmem_growth(const struct facts *f, struct verdicts *out)
{
	int64_t change = f->change[LEDGER_SHMEM];
	struct verdict *v;

	if (!is_growth(f, change, f->moved))
		return;
	v = speak(out, VERDICT_SHMEM_GROWTH, growth_confidence(f), (uint64_t)change);
	show_change(f, v);
	evidence(v, "shared memory grows by %.1f MiB/min", per_minute(f, change));
	advise(v, UNKNOWN, false,
	       "see which: fallow regions %d (memfd, /dev/shm, SysV: ipcs -m); it lives "
	       "as "
	       "long as its name or a mapping does: shm_unlink(), ipcrm",
	       (int)f->now->process.pid);
	show_keepers(f, v);
	advise_trace(f, v);
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
