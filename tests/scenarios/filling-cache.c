// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A cache that still fills: each entry replaces an older, smaller one.
 *
 * Verdict: live-growth
 * After: 3s
 * Cure: none
 * Maps: put_entry
 * Cause: put_entry
 */
#include "scenario.h"

#define ENTRIES 100000

static char *entry[ENTRIES];

static __attribute__((noinline)) void put_entry(size_t i, size_t size)
{
	free(entry[i]);
	entry[i] = must(malloc(size));
	memset(entry[i], 1, size);
}

int main(void)
{
	for (size_t n = 0;; n++) {
		size_t i = next_random() % ENTRIES, size = 200 + n / 400;

		if (size > 6000)
			size = 6000;
		put_entry(i, size);
		if (n == 50000)
			ready();
		if (n > 50000 && n % 200 == 0 && told(5))
			break;
	}
	wait_for_end();
	return 0;
}
