// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A buffer that was given up by MADV_FREE: resident until the kernel needs it.
 *
 * Verdict: lazyfree
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (128 * MIB)

int main(void)
{
	char *buffer = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	madvise(buffer, SIZE, MADV_NOHUGEPAGE);
	memset(buffer, 1, SIZE);
	if (madvise(buffer, SIZE, MADV_FREE))
		return 1;
	ready();
	wait_for_end();
	return 0;
}
