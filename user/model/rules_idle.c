// SPDX-License-Identifier: GPL-2.0-or-later
/* The rule of what was not accessed for a while, where that is known. */
#include "model/rules.h"

#include "model/size.h"
#include "render/escape.h"

#define WORST 3 /* mappings that are named */

static uint64_t idle_of(const struct snapshot *s, enum ledger_class c)
{
	return s->ledger[c].idle == UNKNOWN ? 0 : s->ledger[c].idle;
}

void show_idle(const struct facts *f, struct verdict *v)
{
	uint64_t idle = idle_of(f->now, LEDGER_HEAP_RETURNABLE);
	char a[SIZE_TEXT], b[SIZE_TEXT];

	if (!f->now->idle_ns || f->now->ledger[LEDGER_HEAP_RETURNABLE].idle == UNKNOWN)
		return;
	evidence(v,
		 "of %s that it would return, %s were not accessed for %.1f s: so much a "
		 "purge keeps returned; the rest is likely to be taken again",
		 size_format(a, f->now->ledger[LEDGER_HEAP_RETURNABLE].resident),
		 size_format(b, idle), (double)f->now->idle_ns / 1e9);
}

/* In use, as far as anybody knows, and not accessed. */
static uint64_t cold_in(const struct region *r)
{
	return r->idle[LEDGER_HEAP_USED] + r->idle[LEDGER_ANON_OTHER];
}

/* The mappings with most of it, the most first; their number. */
static size_t find_worst(const struct snapshot *s, size_t worst[WORST])
{
	size_t n = 0;

	for (size_t i = 0; s->regions && i < s->vmas.n; i++) {
		uint64_t cold = cold_in(&s->regions[i]);
		size_t at = n;

		if (!cold)
			continue;
		while (at && cold_in(&s->regions[worst[at - 1]]) < cold)
			at--;
		if (at == WORST)
			continue;
		if (n < WORST)
			n++;
		for (size_t k = n - 1; k > at; k--)
			worst[k] = worst[k - 1];
		worst[at] = i;
	}
	return n;
}

static void show_region(const struct snapshot *s, size_t i, struct verdict *v)
{
	const struct region *r = &s->regions[i];
	char a[SIZE_TEXT], b[SIZE_TEXT], name[96];

	escape_terminal(name, sizeof(name), s->vmas.v[i].name);
	evidence(v, "%llx-%llx: %s of %s%s%s%s%s", (unsigned long long)s->vmas.v[i].start,
		 (unsigned long long)s->vmas.v[i].end, size_format(a, cold_in(r)),
		 size_format(b, r->resident[LEDGER_HEAP_USED] +
					r->resident[LEDGER_ANON_OTHER]),
		 r->owner[0] ? ", " : "", r->owner, name[0] ? ", " : "", name);
}

/* No fault, but who looks for memory to save finds it here. */
void rule_cold(const struct facts *f, struct verdicts *out)
{
	const struct snapshot *s = f->now;
	uint64_t used = idle_of(s, LEDGER_HEAP_USED),
		 other = idle_of(s, LEDGER_ANON_OTHER);
	char a[SIZE_TEXT], b[SIZE_TEXT];
	size_t worst[WORST], n;
	struct verdict *v;

	if (!s->idle_ns || !significant(f, used + other))
		return;
	v = speak(out, VERDICT_COLD_MEMORY, CONFIDENCE_POSSIBLE, used + other);
	evidence(v,
		 "%s of pages with live blocks and %s of other anonymous memory were not "
		 "accessed for %.1f s: a cache, or a leak",
		 size_format(a, used), size_format(b, other), (double)s->idle_ns / 1e9);
	n = find_worst(s, worst);
	for (size_t i = 0; i < n; i++)
		show_region(s, worst[i], v);
	advise(v, UNKNOWN, false,
	       "look again over as long as the program's slowest round takes "
	       "(--idle=10m): "
	       "what stays idle is a cache to be bounded, or a leak to be found by a "
	       "heap "
	       "profiler");
	advise(v, used + other, true,
	       "have it swapped out, if there is swap: write the number of bytes to "
	       "memory.reclaim of the control group, or set its memory.high; the first "
	       "access then waits for the disk");
}
