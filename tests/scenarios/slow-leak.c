// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A leak under noise: what requests need comes and goes, by more between two looks than
 * what is left behind.
 *
 * Verdict: live-growth
 * After: 4s
 * Cure: none
 */
#include "scenario.h"

#define REQUESTS 12
#define LEAK	 (128 << 10)

int main(void)
{
	static char *request[REQUESTS];

	ready();
	while (!told(25)) {
		size_t i = next_random() % REQUESTS;

		if (request[i]) {
			free(request[i]);
			request[i] = NULL;
		} else {
			request[i] = memset(must(malloc(MIB)), 1, MIB);
		}
		for (int k = 0; k < LEAK / 2048; k++)
			memset(must(malloc(2000)), 1, 2000);
	}
	wait_for_end();
	return 0;
}
