// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pool that takes the access away from what it no longer uses, and leaves it at that:
 * the pages stay resident, though nobody can use them.
 *
 * Verdict: undetermined
 * Cure: tell madvise(MADV_DONTNEED) there
 */
#include "scenario.h"

#include <sys/mman.h>

#define BYTES (80 * MIB)

int main(void)
{
	char *pool = must(mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	memset(pool, 1, BYTES);
	if (mprotect(pool, BYTES, PROT_NONE))
		return 1;
	ready();
	while (!told(-1))
		;
	madvise(pool, BYTES, MADV_DONTNEED);
	wait_for_end();
	return 0;
}
