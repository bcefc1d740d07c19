// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file that is mapped privately and written to: each page that is touched becomes a copy,
 * which no file has.
 *
 * Verdict: off-heap-growth
 * After: 3s
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (1024 * MIB)

int main(void)
{
	FILE *f = must(tmpfile());
	char *copy;

	if (ftruncate(fileno(f), SIZE))
		return 1;
	copy = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0));
	ready();
	for (size_t at = 0; at < SIZE; at += 64 << 10) {
		memset(copy + at, 1, 64 << 10);
		if (told(5))
			break;
	}
	wait_for_end();
	return 0;
}
