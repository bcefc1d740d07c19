// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A heap that the kernel has put on swap.
 *
 * Verdict: swapped-heap
 * Needs: swap
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

#define BLOCKS 40000

int main(void)
{
	uintptr_t first, last = 0;

	first = (uintptr_t)must(malloc(1000));
	for (int i = 0; i < BLOCKS; i++)
		last = (uintptr_t)memset(must(malloc(1000)), 1, 1000);
	first = (first + 4095) & ~4095ul;
	if (madvise((void *)first, (last - first) & ~4095ul, MADV_PAGEOUT))
		return 1;
	ready();
	wait_for_end();
	return 0;
}
