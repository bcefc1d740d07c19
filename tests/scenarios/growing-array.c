// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An array that is made much larger by realloc() once it is full, which moves it by
 * mremap(2): it is one block, and never copied.
 *
 * Verdict: live-growth
 * After: 2s
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#define STEP (256ul << 10)
#define MOST (512 * MIB)

int main(void)
{
	size_t room = 8 * MIB, size = 0;
	char *array = must(malloc(room));

	ready();
	while (!told(50)) {
		if (size == room && room < MOST)
			array = must(realloc(array, room = MOST));
		if (size == room)
			continue;
		memset(array + size, 1, STEP);
		size += STEP;
	}
	wait_for_end();
	return array[0] != 1;
}
