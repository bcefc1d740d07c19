// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks that are aligned to a page, and much smaller: what lies between is free, and of
 * no use to whoever wants more.
 *
 * Verdict: fragmentation
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#define BLOCKS 20000

int main(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		void *block;

		if (posix_memalign(&block, 4096, 2000))
			return 1;
		memset(block, 1, 2000);
	}
	ready();
	wait_for_end();
	return 0;
}
