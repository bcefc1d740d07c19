// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A child that was forked from a large process: nearly all of its memory is its parent's.
 * It looks large, and nothing is wrong with it.
 *
 * Verdict: healthy
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <signal.h>
#include <sys/prctl.h>

int main(void)
{
	pid_t parent = getpid(), child;

	for (int i = 0; i < 100000; i++)
		memset(must(malloc(1000)), 1, 1000);
	child = fork();
	if (child) {
		/* The test looks at the child: it is told by its pid. */
		printf("pid %d\n", (int)child);
		fflush(stdout);
		pause();
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return 1;
	pause();
	return 0;
}
