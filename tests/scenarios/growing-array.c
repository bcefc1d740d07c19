// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An array that is grown by realloc(), which moves it by mremap(2): it is one block,
 * and never copied.
 *
 * Verdict: live-growth
 * After: 1s
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

int main(void)
{
	size_t size = MIB;
	char *array = must(malloc(size));

	ready();
	while (!told(50)) {
		array = must(realloc(array, size + MIB));
		memset(array + size, 1, MIB);
		size += MIB;
	}
	wait_for_end();
	return array[0] != 1;
}
