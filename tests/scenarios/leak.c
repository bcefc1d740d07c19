// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A leak: what each request needs is never freed.
 *
 * Verdict: live-growth
 * After: 3s
 * Cure: none
 */
#include "scenario.h"

int main(void)
{
	ready();
	while (!told(5))
		for (int i = 0; i < 200; i++)
			memset(must(malloc(1000)), 1, 1000);
	wait_for_end();
	return 0;
}
