// SPDX-License-Identifier: GPL-2.0-or-later
/* The rule of growth that is seen, and of which no other rule has spoken. */
#include "model/rules.h"

#include "model/size.h"

#define BIT VERDICT_BIT

/* Which verdicts speak of so much of a class that its growth is theirs. */
static const uint32_t speaks_of[LEDGER_CLASSES] = {
	[LEDGER_HEAP_USED] = BIT(VERDICT_LIVE_GROWTH) | BIT(VERDICT_FRAGMENTATION),
	[LEDGER_HEAP_RETURNABLE] = BIT(VERDICT_RETENTION),
	[LEDGER_HEAP_HELD] = BIT(VERDICT_RETENTION),
	[LEDGER_HEAP_METADATA] = BIT(VERDICT_ALLOCATOR_METADATA),
	[LEDGER_HEAP_UNREAD] = BIT(VERDICT_UNDETERMINED),
	[LEDGER_ANON_OTHER] = BIT(VERDICT_OFF_HEAP_GROWTH) | BIT(VERDICT_PINNED_GROWTH),
	[LEDGER_STACK_LIVE] = BIT(VERDICT_STACK_DEPTH),
	[LEDGER_STACK_DEAD] = BIT(VERDICT_STACK_DEPTH),
	[LEDGER_FILE_CLEAN] = BIT(VERDICT_FILE_CACHE),
	[LEDGER_FILE_DIRTY] = BIT(VERDICT_FILE_CACHE),
	[LEDGER_SHMEM] = BIT(VERDICT_SHMEM_GROWTH) | BIT(VERDICT_PINNED_GROWTH),
};

static bool is_spoken_of(const struct verdicts *all, enum ledger_class c)
{
	for (size_t i = 0; i < all->n; i++)
		if (speaks_of[c] & BIT(all->v[i].id))
			return true;
	return false;
}

/* What rises in classes that nothing speaks of. */
static int64_t unexplained(const struct facts *f, const struct verdicts *all)
{
	int64_t sum = 0;

	for (enum ledger_class c = 0; c < LEDGER_CLASSES; c++)
		if (!is_spoken_of(all, c) && f->rise[SERIES_CLASS + c] > 0)
			sum += f->rise[SERIES_CLASS + c] - (int64_t)swapped_in(f, c);
	return sum;
}

static void show_classes(const struct facts *f, int64_t rise, struct verdict *v)
{
	char size[SIZE_TEXT];

	for (enum ledger_class c = 0; c < LEDGER_CLASSES; c++)
		if (f->rise[SERIES_CLASS + c] >= rise / FLOOR_SHARE)
			evidence(v, "%s grew by %s: %s", ledger_name(c),
				 size_format(size, (uint64_t)f->rise[SERIES_CLASS + c]),
				 ledger_meaning(c));
}

void rule_unexplained(const struct facts *f, struct verdicts *out)
{
	int pid = (int)f->now->process.pid;
	struct verdict *v;
	int64_t rise;

	if (!f->before || has_verdict(out, VERDICT_UNDETERMINED))
		return;
	rise = unexplained(f, out);
	if (rise <= (int64_t)f->moved || !significant(f, (uint64_t)rise) ||
	    rise < f->rise[SERIES_RSS] / 2 || f->rise[SERIES_RSS] < rise / 2)
		return;
	v = speak(out, VERDICT_UNDETERMINED, growth_confidence(f, SERIES_RSS),
		  (uint64_t)rise);
	v->apart = true;
	show_growth(f, v);
	show_classes(f, rise, v);
	advise(v, UNKNOWN, false,
	       "see which mappings grow, and whether they go on to: fallow diff %d "
	       "--after=60s",
	       pid);
}
