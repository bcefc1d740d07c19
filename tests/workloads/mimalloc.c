// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mimalloc PATTERN THREADS SEED [SCALE]: heaps to look at under mimalloc, preloaded or
 * linked in. Commands besides those of heaps.h:
 *
 *   visit  answers "visited LIVE CARVED": bytes of blocks that are in use by
 *          mi_heap_visit_blocks() in each thread, and of all blocks that pages were
 *          cut into so far
 *   purge  mi_collect(true) in the first thread; answers "purged"
 */
#include <stdbool.h>

#include "heaps.h"

/* mi_heap_area_t, as far as all versions have it. */
struct area {
	void *blocks;
	size_t reserved, committed, used, block_size, full_block_size;
};

typedef bool visit_fn(const void *heap, const struct area *area, void *block, size_t size,
		      void *arg);

static atomic_size_t live, carved;

/* Of those, each version has some. */
void mi_collect(bool force) __attribute__((weak));
bool mi_heap_visit_blocks(const void *heap, bool blocks, visit_fn *fn, void *arg)
	__attribute__((weak));
bool mi_abandoned_visit_blocks(void *subproc, int tag, bool blocks, visit_fn *fn,
			       void *arg) __attribute__((weak));
void *mi_heap_get_default(void) __attribute__((weak)); /* of the calling thread */
void *mi_heap_main(void) __attribute__((weak)); /* since 3.2: of all threads */
void *mi_subproc_main(void) __attribute__((weak));

/* Some are above what comes from pages that others share. */
static void huge(struct worker *w)
{
	allocate(w, 6, 20, 26);
	free_random(w, 50);
}

/* All but the oldest: what is not in use is whole. */
static void shrunk(struct worker *w)
{
	allocate(w, 20000, 4, 13);
	for (size_t i = 2000; i < w->used; i++)
		drop(w, i);
}

static void *free_some(void *arg)
{
	free_random(arg, 70);
	return NULL;
}

/* What one thread holds is freed by another. */
static void passed(struct worker *w)
{
	allocate(w, 30000, 3, 14);
	in_another_thread(free_some, w);
}

static bool count(const void *heap, const struct area *area, void *block, size_t size,
		  void *arg)
{
	(void)heap;
	(void)size;
	(void)arg;
	if (block)
		live += area->full_block_size;
	else
		carved += area->committed;
	return true;
}

static void visit_own(struct worker *w)
{
	(void)w;
	if (!mi_heap_main)
		mi_heap_visit_blocks(mi_heap_get_default(), true, count, NULL);
}

static void report_visit(void)
{
	char text[64];

	live = carved = 0;
	everywhere(visit_own);
	if (nworkers > 1)
		visit_own(NULL);
	if (mi_heap_main)
		mi_heap_visit_blocks(mi_heap_main(), true, count, NULL);
	else if (mi_abandoned_visit_blocks)
		mi_abandoned_visit_blocks(mi_subproc_main(), -1, true, count, NULL);
	snprintf(text, sizeof(text), "visited %zu %zu\n", live, carved);
	say(text);
}

static void purge(void)
{
	mi_collect(true);
	say("purged\n");
}

static const struct pattern patterns[] = {
	{ "small", small },   { "tiny", tiny },	      { "every-class", every_class },
	{ "large", large },   { "huge", huge },	      { "freed", freed },
	{ "shrunk", shrunk }, { "regrown", regrown }, { "ended", ended },
	{ "passed", passed }, { "mixed", mixed },     {},
};

static const struct command commands[] = {
	{ "visit", report_visit },
	{ "purge", purge },
	{},
};

int main(int argc, char **argv)
{
	static const struct program program = { .patterns = patterns,
						.commands = commands,
						.touch = 1,
						.low_bit = 3,
						.high_bit = 16,
						.rests = 1 };

	if (argc > 1 && (!mi_collect || !mi_heap_visit_blocks ||
			 !(mi_heap_get_default || mi_heap_main)))
		return 2;
	return heaps_main(argc, argv, &program);
}
