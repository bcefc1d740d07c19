// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server at work, that once had much more to do: of what is free in its heap, each round
 * takes a part, and leaves the rest as it is.
 *
 * Verdict: retention
 * Idle: heap.returnable=60
 * Cure: tell malloc_trim(0)
 * Maps: take_and_free
 */
#include "scenario.h"

#include <malloc.h>

#define BLOCK  (64ul << 10) /* below the threshold of mmap */
#define MOST   (100 * MIB / BLOCK)
#define ATONCE (40 * MIB / BLOCK)

static void take_and_free(size_t n)
{
	static char *block[MOST];

	for (size_t i = 0; i < n; i++)
		block[i] = memset(must(malloc(BLOCK)), 1, BLOCK);
	if (n == MOST)
		/* On top of what is freed: the heap cannot shrink below it. */
		memset(must(malloc(BLOCK)), 1, BLOCK);
	for (size_t i = 0; i < n; i++)
		free(block[i]);
}

/* With an argument: milliseconds between rounds. */
int main(int argc, char **argv)
{
	int rest = argc > 1 ? atoi(argv[1]) : 200;

	take_and_free(MOST);
	ready();
	for (;;) {
		if (told(rest))
			malloc_trim(0);
		/* From the front of what is free: the same pages each time. */
		take_and_free(ATONCE);
	}
}
