// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that is mapped by its owner, and stretched by mremap(2) once it is full: no
 * allocator knows it.
 *
 * Verdict: off-heap-growth
 * After: 2s
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

int main(void)
{
	size_t room = MIB, size = 0;
	char *table = must(mmap(NULL, room, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	ready();
	while (!told(50)) {
		if (size == room) {
			table = must(mremap(table, room, 1024 * room, MREMAP_MAYMOVE));
			room *= 1024;
		}
		memset(table + size, 1, MIB);
		size += MIB;
	}
	wait_for_end();
	return table == NULL;
}
