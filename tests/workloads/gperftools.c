// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gperftools PATTERN THREADS SEED [SCALE]: heaps to look at under tcmalloc, preloaded or
 * linked in. Commands besides those of heaps.h:
 *
 *   stats     answers "stats ALLOCATED HEAP FREE UNMAPPED CENTRAL TRANSFER THREAD" by
 *             tcmalloc's own statistics, in bytes
 *   settings  answers "settings MAX_TOTAL_THREAD_CACHE_BYTES AGGRESSIVE_DECOMMIT"
 *   release   MallocExtension_ReleaseFreeMemory(); answers "released"
 */
#include "heaps.h"

#define HUGE (16u << 20)

int MallocExtension_GetNumericProperty(const char *name, size_t *value)
	__attribute__((weak));
void MallocExtension_ReleaseFreeMemory(void) __attribute__((weak));

static void huge(struct worker *w)
{
	allocate(w, 4, 20, 24);
	free_random(w, 50);
}

static size_t number(const char *name)
{
	size_t n = 0;

	return MallocExtension_GetNumericProperty(name, &n) ? n : 0;
}

static void report_stats(void)
{
	char text[256];

	snprintf(text, sizeof(text), "stats %zu %zu %zu %zu %zu %zu %zu\n",
		 number("generic.current_allocated_bytes"), number("generic.heap_size"),
		 number("tcmalloc.pageheap_free_bytes"),
		 number("tcmalloc.pageheap_unmapped_bytes"),
		 number("tcmalloc.central_cache_free_bytes"),
		 number("tcmalloc.transfer_cache_free_bytes"),
		 number("tcmalloc.thread_cache_free_bytes"));
	say(text);
}

static void report_settings(void)
{
	char text[64];

	snprintf(text, sizeof(text), "settings %zu %zu\n",
		 number("tcmalloc.max_total_thread_cache_bytes"),
		 number("tcmalloc.aggressive_memory_decommit"));
	say(text);
}

static void release(void)
{
	MallocExtension_ReleaseFreeMemory();
	say("released\n");
}

static const struct pattern patterns[] = {
	{ "small", small },   { "tiny", tiny },	      { "every-class", every_class },
	{ "large", large },   { "huge", huge },	      { "freed", freed },
	{ "cached", cached }, { "regrown", regrown }, { "aligned", aligned },
	{ "mixed", mixed },   { "ended", ended },     {},
};

static const struct command commands[] = {
	{ "stats", report_stats },
	{ "settings", report_settings },
	{ "release", release },
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

	if (argc > 1 && !MallocExtension_GetNumericProperty)
		return 2;
	return heaps_main(argc, argv, &program);
}
