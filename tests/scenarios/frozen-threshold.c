// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Thresholds that somebody has set, so that malloc() moves them no more: large buffers are
 * all in the heap, and its top is never trimmed.
 *
 * Verdict: retention
 * Env: MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4294967296
 * Cure: env MALLOC_TRIM_THRESHOLD_=131072
 * Maps: main
 */
#include "scenario.h"

#define BUFFERS 20

int main(void)
{
	char *buffer[BUFFERS];

	for (int i = 0; i < BUFFERS; i++)
		buffer[i] = memset(must(malloc(8 * MIB)), 1, 8 * MIB);
	for (int i = 0; i < BUFFERS; i++)
		free(buffer[i]);
	ready();
	wait_for_end();
	return 0;
}
