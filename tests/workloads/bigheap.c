// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bigheap MIB [LARGEST]: a heap of that size in blocks of 64 bytes to LARGEST
 * (default 4096), half of which are freed, at random; then "ready", with what glibc's
 * malloc has free by its own count, and sleep.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Before 2.33, glibc counts in int. */
static size_t free_bytes(void)
{
#if __GLIBC_PREREQ(2, 33)
	return mallinfo2().fordblks;
#else
	return (unsigned int)mallinfo().fordblks;
#endif
}

int main(int argc, char **argv)
{
	size_t total = argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 0, held = 0, n = 0;
	size_t largest = argc > 2 ? strtoul(argv[2], NULL, 10) : 4096;
	uint64_t seed = 0x9e3779b97f4a7c15u;
	char byte, line[32], **block;
	int len;

	if (!total || largest <= 64)
		return 2;
	block = mmap(NULL, total / 64 * sizeof(*block), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (block == MAP_FAILED)
		return 1;
	while (held < total) {
		size_t size;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size = 64 + (seed >> 33) % (largest - 64);
		block[n] = malloc(size);
		if (!block[n])
			return 1;
		memset(block[n++], 1, size);
		held += size;
	}
	for (size_t i = 0; i + 1 < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (seed >> 63)
			free(block[i]);
	}
	/* Nothing that allocates: fastbins are to stay as they are. */
	len = snprintf(line, sizeof(line), "ready %zu\n", free_bytes());
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
