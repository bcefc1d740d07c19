// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that is touched sparsely, in huge pages: most of what is resident was never
 * written.
 *
 * Verdict: thp-bloat
 * Cure: tell madvise(MADV_NOHUGEPAGE)
 * Maps: touch
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (256 * MIB)

static char *touch(int advice)
{
	char *table = must(mmap(NULL, SIZE + 2 * MIB, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	if (madvise(table, SIZE + 2 * MIB, advice))
		exit(1);
	for (size_t at = 0; at < SIZE; at += 256 << 10)
		table[at] = 1;
	return table;
}

int main(void)
{
	char *table = touch(MADV_HUGEPAGE);

	ready();
	if (told(-1)) {
		munmap(table, SIZE + 2 * MIB);
		touch(MADV_NOHUGEPAGE);
	}
	wait_for_end();
	return 0;
}
