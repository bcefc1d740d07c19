// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * leak BLOCKS: grows all the time, by so many blocks of 1,000 bytes every millisecond,
 * up to 2 GiB; then waits. Answers "ready" at 64 MiB.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE 1000u

int main(int argc, char **argv)
{
	size_t step = argc > 1 ? strtoul(argv[1], NULL, 10) : 1, n = 0;
	const struct timespec pause = { .tv_nsec = 1000000 };
	char byte;

	while (n < (2ul << 30) / SIZE) {
		for (size_t i = 0; i < step; i++, n++) {
			char *block = malloc(SIZE);

			if (!block)
				return 1;
			memset(block, 1, SIZE);
			if (n == (64u << 20) / SIZE && write(STDOUT_FILENO, "ready\n", 6) != 6)
				return 1;
		}
		nanosleep(&pause, NULL);
	}
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
