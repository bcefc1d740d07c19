// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * blocks: blocks of many sizes by whatever malloc it is linked with, half of them freed;
 * then waits for end of input. Writes "ready" and the bytes that it holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 4096

int main(void)
{
	static char *block[BLOCKS];
	size_t held = 0;
	char byte;

	for (size_t i = 0; i < BLOCKS; i++) {
		size_t size = 16 + i * 37 % 20000 + (i % 64 ? 0 : 200000);

		block[i] = malloc(size);
		if (!block[i])
			return 1;
		memset(block[i], 1, size);
		held += size;
		if (i % 2) {
			free(block[i / 2]);
			block[i / 2] = NULL;
		}
	}
	for (size_t i = 0; i < BLOCKS; i++)
		held -= block[i] ? 0 : 16 + i * 37 % 20000 + (i % 64 ? 0 : 200000);
	printf("ready %zu\n", held);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
