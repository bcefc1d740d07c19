// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A component that maps buffers with the raw system call, and loses them.
 *
 * Verdict: off-heap-growth
 * After: 3s
 * Idle: anon.other
 * Cure: none
 * Maps: map_buffer
 * Cause: map_buffer
 */
#include "scenario.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static __attribute__((noinline)) void map_buffer(void)
{
	char *buffer = must((void *)syscall(SYS_mmap, NULL, MIB, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	memset(buffer, 1, MIB);
}

int main(void)
{
	ready();
	while (!told(50))
		map_buffer();
	wait_for_end();
	return 0;
}
