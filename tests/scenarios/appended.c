// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log that is mapped, and written on and on: page cache, which the kernel takes when it
 * needs memory.
 *
 * Verdict: file-cache
 * Needs: disk
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (1024 * MIB)
#define FULL (100 * MIB)

int main(void)
{
	int fd = file_on_disk();
	char *file;

	if (ftruncate(fd, SIZE))
		return 1;
	file = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
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
