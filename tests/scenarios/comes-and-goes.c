// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A batch job that takes what it needs, works, and gives all of it back, again and again.
 *
 * Verdict: healthy
 * After: 4s
 * Cure: none
 */
#include "scenario.h"

#include <malloc.h>

#define PARTS 20
#define PART  (2 * MIB)

int main(void)
{
	void *part[PARTS];
	size_t n = 0;

	/* Each block has a mapping of its own, which goes with it. */
	mallopt(M_MMAP_THRESHOLD, MIB);
	ready();
	while (!told(30)) {
		if (n == PARTS)
			while (n)
				free(part[--n]);
		part[n] = memset(must(malloc(PART)), 1, PART);
		n++;
	}
	wait_for_end();
	return 0;
}
