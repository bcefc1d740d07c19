// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A buffer that grows by realloc() and shrinks again: glibc has learned that large blocks
 * come and go, has it in the heap, and keeps what it had at its largest.
 *
 * Verdict: retention
 * Cure: call malloc_trim(0)
 * Maps: main
 */
#include "scenario.h"

#define LARGEST (30 * MIB)

int main(void)
{
	char *buffer = NULL;

	/* What is freed as a mapping moves the threshold up, and that of trimming. */
	free(must(malloc(LARGEST + MIB)));
	for (int tooth = 0; tooth < 5; tooth++)
		for (size_t size = MIB; size <= LARGEST; size += MIB) {
			buffer = must(realloc(buffer, size));
			memset(buffer + size - MIB, 1, MIB);
		}
	buffer = must(realloc(buffer, MIB));
	ready();
	wait_for_end();
	return buffer[0] != 1;
}
