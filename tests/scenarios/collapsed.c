// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A heap that was given back, of which few blocks are left: the kernel makes huge pages of
 * their neighbourhood, and all of it is resident again.
 *
 * Verdict: thp-bloat
 * Needs: MADV_COLLAPSE
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <malloc.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define BLOCKS	40000
#define EVERY	60 /* one block stays in so many: about one a quarter of a MiB */
#define HUGE	(2 * MIB)

int main(void)
{
	static char *block[BLOCKS];
	char *begin = NULL, *end;

	for (int i = 0; i < BLOCKS; i++)
		block[i] = memset(must(malloc(4000)), 1, 4000);
	for (int i = 0; i < BLOCKS; i++)
		if (i % EVERY)
			free(block[i]);
	malloc_trim(0);
	begin = (char *)(((uintptr_t)block[0] + HUGE - 1) & -HUGE);
	end = (char *)((uintptr_t)block[BLOCKS - EVERY] & -HUGE);
	/* What khugepaged does, sooner or later. */
	if (madvise(begin, (size_t)(end - begin), MADV_COLLAPSE)) {
		perror("madvise");
		return 1;
	}
	ready();
	wait_for_end();
	return 0;
}
