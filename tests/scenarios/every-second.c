// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks of many sizes, of which every second one is freed: half of the heap is free, and
 * nearly all of it on pages with blocks in use.
 *
 * Verdict: fragmentation
 * Also: LD_PRELOAD=LIB(libjemalloc.so.2)
 * Also: LD_PRELOAD=LIB(libtcmalloc_minimal.so.4)
 * Also: LD_PRELOAD=LIB(libmimalloc.so.2.0)
 * Cure: none
 * Maps: main
 * Cause: fragmentation
 */
#include "scenario.h"

#define BLOCKS 400000

int main(void)
{
	static char *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		size_t size = 64 + next_random() % 400;

		block[i] = must(malloc(size));
		memset(block[i], 1, size);
	}
	for (int i = 0; i < BLOCKS; i += 2)
		free(block[i]);
	ready();
	wait_for_end();
	return 0;
}
