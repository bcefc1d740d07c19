// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * grow MIB-A-SECOND MIB: a leak of that rate up to that size, ten steps a
 * second; then sleeps.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t step, total, held = 0;

	if (argc != 3)
		return 2;
	step = strtoul(argv[1], NULL, 10) * (1u << 20) / 10;
	total = strtoul(argv[2], NULL, 10) << 20;
	if (!step)
		return 2;
	for (;;) {
		/* Pieces small enough to come from the heap, not from mmap. */
		for (size_t n = 0; held < total && n < step; n += 4000, held += 4000) {
			char *p = malloc(3990);

			if (p)
				memset(p, 1, 3990);
		}
		usleep(100000);
	}
}
