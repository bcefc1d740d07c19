// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server of batches whose sizes vary: each batch is freed, some results are kept for a
 * while longer, and in the end nothing but a little is held. Whole pages are free.
 *
 * Verdict: retention
 * Cure: call malloc_trim(0)
 * Maps: main
 * Cause: malloc_trim
 */
#include "scenario.h"

#define BATCHES 40
#define BLOCKS	4000

int main(void)
{
	static char *block[BLOCKS], *kept[BATCHES];

	for (int b = 0; b < BATCHES; b++) {
		for (int i = 0; i < BLOCKS; i++) {
			size_t size = 256 + next_random() % (16 << 10);

			block[i] = must(malloc(size));
			memset(block[i], 1, size);
		}
		for (int i = 0; i < BLOCKS; i++)
			free(block[i]);
		/* On top of what was just freed: the heap cannot shrink below it. */
		kept[b] = must(malloc(100 << 10));
		memset(kept[b], 1, 100 << 10);
	}
	for (int b = 0; b + 1 < BATCHES; b++)
		free(kept[b]);
	ready();
	wait_for_end();
	return kept[0] == NULL;
}
