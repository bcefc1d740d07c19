// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages in shared memory that nobody takes away.
 *
 * Verdict: shmem-growth
 * After: 3s
 * Idle: shmem
 * Cure: none
 * Maps: main
 * Cause: memfd:messages
 */
#include "scenario.h"

#include <sys/mman.h>

#define SIZE (1024 * MIB)

int main(void)
{
	int fd = memfd_create("messages", 0);
	char *ring;

	if (fd < 0 || ftruncate(fd, SIZE))
		return 1;
	ring = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	ready();
	for (size_t at = 0; at < SIZE; at += 64 << 10) {
		memset(ring + at, 1, 64 << 10);
		if (told(5))
			break;
	}
	wait_for_end();
	return 0;
}
