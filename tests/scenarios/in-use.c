// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory in use, and nothing wrong with it.
 *
 * Verdict: healthy
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

int main(void)
{
	for (int i = 0; i < 100000; i++)
		memset(must(malloc(1000)), 1, 1000);
	ready();
	wait_for_end();
	return 0;
}
