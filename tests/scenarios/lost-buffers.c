// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A component that maps buffers with the raw system call, and loses them.
 *
 * Verdict: off-heap-growth
 * After: 3s
 * Cure: none
 */
#include "scenario.h"

#include <sys/mman.h>
#include <sys/syscall.h>

int main(void)
{
	ready();
	while (!told(50)) {
		char *buffer = must((void *)syscall(SYS_mmap, NULL, MIB,
						    PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		memset(buffer, 1, MIB);
	}
	wait_for_end();
	return 0;
}
