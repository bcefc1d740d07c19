// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recursion that does not end yet.
 *
 * Verdict: stack-depth
 * Cure: none
 */
#include "scenario.h"

#include <sys/resource.h>

#define FRAME (64 << 10)

static __attribute__((noinline)) int recurse(unsigned int depth)
{
	volatile char frame[FRAME];

	memset((char *)frame, (int)depth, sizeof(frame));
	if (depth == 400)
		ready();
	if (depth >= 400 && told(10))
		wait_for_end();
	return depth < 100000 ? recurse(depth + 1) + frame[0] : 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	/* The room for it is left when a program begins. */
	if (argc == 1) {
		setrlimit(RLIMIT_STACK, &limit);
		execl("/proc/self/exe", argv[0], "again", NULL);
		return 1;
	}
	return recurse(0);
}
