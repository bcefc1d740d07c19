// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that reads a large file by mapping it: page cache, not memory of its own.
 *
 * Verdict: file-cache
 * Needs: disk
 * Cure: tell madvise(MADV_DONTNEED)
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (128 * MIB)

int main(void)
{
	char buf[64 << 10] = "x";
	int fd = file_on_disk();
	volatile char sum = 0;
	char *file;

	for (size_t at = 0; at < SIZE; at += sizeof(buf))
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			return 1;
	fsync(fd);
	file = must(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0));
	for (size_t at = 0; at < SIZE; at += 4096)
		sum += file[at];
	ready();
	if (told(-1))
		madvise(file, SIZE, MADV_DONTNEED);
	wait_for_end();
	return 0;
}
