// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log that is mapped, and written on and on: page cache, which the kernel takes when it
 * needs memory.
 *
 * Verdict: file-cache
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (1024 * MIB)
#define FULL (100 * MIB)

int main(void)
{
	FILE *f = must(tmpfile());
	char *file;

	if (ftruncate(fileno(f), SIZE))
		return 1;
	file = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0));
	memset(file, 1, FULL);
	ready();
	for (size_t at = FULL; at < SIZE; at += 64 << 10) {
		memset(file + at, 1, 64 << 10);
		if (told(5))
			break;
	}
	wait_for_end();
	return 0;
}
