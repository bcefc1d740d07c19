// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that is mapped by its owner, and stretched by mremap(2): no allocator knows it.
 *
 * Verdict: off-heap-growth
 * After: 1s
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/mman.h>

int main(void)
{
	size_t size = MIB;
	char *table = must(mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	ready();
	while (!told(50)) {
		table = must(mremap(table, size, size + MIB, MREMAP_MAYMOVE));
		memset(table + size, 1, MIB);
		size += MIB;
	}
	wait_for_end();
	return table == NULL;
}
