// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The settings in force that are certain: variables whose neighbours, or sums with
 * others, leave no doubt which they are.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/data.h"

#define WORD	 sizeof(uint64_t)
#define SETTINGS 2

/* page_heap.h: PageHeap, from its lists of free spans, free_, on. */
#define FREE_LIST    96u /* SpanList */
#define FREE_BITS    20u /* kMaxPages is this less kPageShift, as a power of 2 */
#define STATS_SYSTEM 0u /* Stats: words */
#define STATS_FREE   1u
#define STATS_UNUSED 2u /* unmapped_bytes */
#define STATS_COMMIT 3u
#define STATS_WORDS  11u
#define AGGRESSIVE   ((STATS_WORDS + 1) * WORD + 4) /* behind release_index_ */

/* thread_cache.h: bounds of the variables. */
#define THREAD_MAX  (4u << 20) /* kMaxThreadCacheSize */
#define OVERALL_MAX (1u << 30) /* set_overall_thread_cache_size() */
#define NEAR	    4u /* words: they are neighbours */

static void add(struct heap *h, const char *name, uint64_t value, bool is_bytes)
{
	h->settings[h->nsettings++] =
		(struct heap_setting){ name, (int64_t)value, is_bytes };
}

/* The sums of the page heap hold where its statistics are, and nowhere else. */
static int find_aggressive(struct gperftools *g)
{
	uint64_t at = g->lists + ((uint64_t)FREE_LIST << (FREE_BITS - g->map.shift));
	uint8_t b[AGGRESSIVE + 1];
	int err = 0;

	if (at > g->data.end - sizeof(b))
		return 0;
	err = peek_read(&g->peek, at, b, sizeof(b));
	if (err)
		return err == -ESRCH || err == -EPERM ? err : 0;
	if (get64(b, STATS_SYSTEM * WORD) && b[AGGRESSIVE] <= 1 &&
	    get64(b, STATS_SYSTEM * WORD) ==
		    get64(b, STATS_UNUSED * WORD) + get64(b, STATS_COMMIT * WORD) &&
	    get64(b, STATS_FREE * WORD) <= get64(b, STATS_COMMIT * WORD))
		add(g->heap, "aggressive_decommit", b[AGGRESSIVE], false);
	return 0;
}

struct sizes_scan {
	struct data_scan scan;
	struct gperftools *g;
	uint64_t overall; /* 0: not found */
	bool several;
};

/* per_thread_cache_size_: what each may hold if all are as large. */
static bool has_per_thread(const struct gperftools *g, const uint8_t *b, size_t i,
			   size_t len, uint64_t overall)
{
	uint64_t share = overall / g->ncaches;

	share = share < THREAD_MAX ? share : THREAD_MAX;
	for (size_t k = i < NEAR * WORD ? 0 : i - NEAR * WORD;
	     k + WORD <= len && k <= i + NEAR * WORD; k += WORD) {
		uint64_t word = get64(b, k);

		/* More than its share, if that would be less than the least. */
		if (k != i && word >= share && word <= THREAD_MAX)
			return true;
	}
	return false;
}

/* unclaimed_cache_space_ is what remains of overall_thread_cache_size_. */
static int scan_sizes(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct sizes_scan *k = (struct sizes_scan *)s;
	const struct gperftools *g = k->g;

	for (size_t i = 0; i + WORD <= len; i += WORD) {
		uint64_t overall = get64(buf, i);

		if (overall < g->size[1] || overall > OVERALL_MAX ||
		    at + i < g->data.start || at + i >= g->data.end ||
		    !has_per_thread(g, buf, i, len, overall))
			continue;
		for (size_t n = i < NEAR * WORD ? 0 : i - NEAR * WORD;
		     n + WORD <= len && n <= i + NEAR * WORD; n += WORD) {
			if (n == i || get64(buf, n) + g->claimed != overall)
				continue;
			k->several = k->several || (k->overall && k->overall != overall);
			k->overall = overall;
			s->useful = true;
		}
	}
	return 0;
}

int gp_find_settings(struct gperftools *g)
{
	struct sizes_scan s = { .scan.window = scan_sizes, .g = g };
	int err;

	g->heap->settings = calloc(SETTINGS, sizeof(*g->heap->settings));
	if (!g->heap->settings)
		return -ENOMEM;
	err = g->ncaches ? data_scan(g->src, &s.scan) : 0;
	if (!err && s.overall && !s.several)
		add(g->heap, "max_total_thread_cache_bytes", s.overall, true);
	return err ? err : find_aggressive(g);
}
