// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jemalloc PATTERN THREADS SEED [SCALE]: heaps to look at under jemalloc, preloaded or linked
 * in. Commands besides those of heaps.h:
 *
 *   stats  answers "stats ALLOCATED ACTIVE DIRTY MUZZY RETAINED MAPPED SLABFREE" by
 *          jemalloc's own statistics, in bytes: the first, second and the last but
 *          one by stats.*, the others summed over arenas; free regions in slabs by
 *          those of bins
 *   purge  arena.4096.purge; answers "purged"
 */
#include "heaps.h"

#define HUGE (16u << 20) /* above oversize_threshold */
#define ALL  "4096" /* MALLCTL_ARENAS_ALL */

int mallctl(const char *name, void *old, size_t *len, void *new, size_t size)
	__attribute__((weak));

/* Some are above the size from which jemalloc has an arena for them alone. */
static void huge(struct worker *w)
{
	allocate(w, 4, 20, 24);
	free_random(w, 50);
}

static size_t number(const char *name, size_t size)
{
	union {
		uint32_t n32;
		size_t n;
	} old = { .n = 0 };

	if (mallctl(name, &old, &size, NULL, 0))
		return 0;
	return size == 4 ? old.n32 : old.n;
}

static size_t of_all(const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "stats.arenas." ALL ".%s", what);
	return number(name, 8);
}

/* Regions of slabs that are in no allocation, those in thread caches being in one. */
static size_t free_in_slabs(void)
{
	size_t bins = number("arenas.nbins", 4), sum = 0;
	char name[64];

	for (size_t i = 0; i < bins; i++) {
		size_t slab, region, slabs, regions;

		snprintf(name, sizeof(name), "arenas.bin.%zu.slab_size", i);
		slab = number(name, 8);
		snprintf(name, sizeof(name), "arenas.bin.%zu.size", i);
		region = number(name, 8);
		snprintf(name, sizeof(name), "bins.%zu.curslabs", i);
		slabs = of_all(name);
		snprintf(name, sizeof(name), "bins.%zu.curregs", i);
		regions = of_all(name);
		sum += slabs * (slab / region * region) - regions * region;
	}
	return sum;
}

static void report_stats(void)
{
	size_t page = number("arenas.page", 8);
	uint64_t epoch = 1;
	char text[256];

	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	snprintf(text, sizeof(text), "stats %zu %zu %zu %zu %zu %zu %zu\n",
		 number("stats.allocated", 8), number("stats.active", 8),
		 of_all("pdirty") * page, of_all("pmuzzy") * page,
		 number("stats.retained", 8), number("stats.mapped", 8), free_in_slabs());
	say(text);
}

static void purge(void)
{
	mallctl("arena." ALL ".purge", NULL, NULL, NULL, 0);
	say("purged\n");
}

static const struct pattern patterns[] = {
	{ "small", small },
	{ "tiny", tiny },
	{ "every-class", every_class },
	{ "large", large },
	{ "huge", huge },
	{ "freed", freed },
	{ "cached", cached },
	{ "regrown", regrown },
	{ "aligned", aligned },
	{ "mixed", mixed },
	{},
};

static const struct command commands[] = {
	{ "stats", report_stats },
	{ "purge", purge },
	{},
};

int main(int argc, char **argv)
{
	static const struct program program = { .patterns = patterns,
						.commands = commands,
						.touch = HUGE,
						.low_bit = 3,
						.high_bit = 16,
						.rests = 1 };

	if (argc > 1 && !mallctl)
		return 2;
	return heaps_main(argc, argv, &program);
}
