// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records of an allocator that had many blocks once: they stay, though all were purged.
 *
 * Verdict: allocator-metadata
 * Env: LD_PRELOAD=LIB(libjemalloc.so.2) MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0,tcache:false
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#define BLOCKS 400000

int main(void)
{
	char **block = must(calloc(BLOCKS, sizeof(*block)));

	for (int i = 0; i < BLOCKS; i++)
		block[i] = memset(must(malloc(4096)), 1, 1);
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
	free(block);
	ready();
	wait_for_end();
	return 0;
}
