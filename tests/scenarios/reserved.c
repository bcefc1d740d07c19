// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that locks all its memory, and reserves much of which it uses little.
 *
 * Verdict: undetermined
 * Cure: tell MCL_ONFAULT
 * Maps: reserve
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (64 * MIB)

static void *reserve(int flags)
{
	void *table;

	if (mlockall(flags))
		exit(1);
	table = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0));
	memset(table, 1, MIB);
	return table;
}

int main(void)
{
	void *table = reserve(MCL_CURRENT | MCL_FUTURE);

	ready();
	if (told(-1)) {
		munmap(table, SIZE);
		munlockall();
		reserve(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	}
	wait_for_end();
	return 0;
}
