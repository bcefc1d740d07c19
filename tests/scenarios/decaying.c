// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jemalloc has free pages that its decay times have not sent back yet.
 *
 * Verdict: dirty-decay
 * Env: LD_PRELOAD=LIB(libjemalloc.so.2) MALLOC_CONF=dirty_decay_ms:3600000
 * Cure: env dirty_decay_ms:0
 * Maps: main
 */
#include "scenario.h"

#define BLOCKS 2000

int main(void)
{
	static char *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		block[i] = memset(must(malloc(60000)), 1, 60000);
	for (int i = 0; i < BLOCKS - 200; i++)
		free(block[i]);
	ready();
	wait_for_end();
	return 0;
}
