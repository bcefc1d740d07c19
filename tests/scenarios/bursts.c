// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Now and then a batch comes, larger or smaller, and what it answers with is never freed:
 * no straight line, but growth.
 *
 * Verdict: live-growth
 * After: 3s
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#define BLOCK 2000
#define LEAST 2000 /* blocks of a batch */
#define BATCH 4000

int main(void)
{
	void *last = NULL;

	ready();
	for (int batches = 0; batches < 200; batches++) {
		size_t blocks = LEAST + next_random() % BATCH;

		while (blocks--) {
			last = must(malloc(BLOCK));
			memset(last, 1, BLOCK);
		}
		if (told(800))
			break;
	}
	wait_for_end();
	return last == NULL;
}
