// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pool of the application's own within big blocks of malloc(): it grows, and what is
 * free in it no allocator knows.
 *
 * Verdict: live-growth
 * After: 2s
 * Idle: heap.used
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#define SLOT 512

int main(void)
{
	char **freed = NULL;

	ready();
	while (!told(100)) {
		char *pool = must(malloc(4 * MIB));

		/* Each slot was used once, and most are on the pool's own list. */
		for (size_t at = 0; at < 4 * MIB; at += SLOT) {
			*(char ***)(pool + at) = freed;
			freed = (char **)(pool + at);
		}
	}
	wait_for_end();
	return freed == NULL;
}
