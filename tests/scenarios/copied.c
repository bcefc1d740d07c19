// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A child that writes to what it has from its parent: each page becomes one of its own. Its
 * RSS counted them before, and stays as it is.
 *
 * Verdict: healthy
 * Idle: none
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <signal.h>
#include <sys/prctl.h>

#define BLOCKS 100000

int main(void)
{
	static char *block[BLOCKS];
	pid_t parent = getpid(), child;

	for (int i = 0; i < BLOCKS; i++)
		block[i] = memset(must(malloc(1000)), 1, 1000);
	child = fork();
	if (child) {
		/* The test looks at the child: it is told by its pid. */
		printf("pid %d\n", (int)child);
		fflush(stdout);
		pause();
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; getppid() == parent; i++) {
		memset(block[i % BLOCKS], 2, 1000);
		if (i % 100 == 0)
			usleep(20000);
	}
	return 0;
}
