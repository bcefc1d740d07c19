// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A segment of System V's shared memory for each message, attached and never detached.
 *
 * Verdict: shmem-growth
 * After: 2s
 * Idle: shmem
 * Cure: none
 * Maps: main
 */
#include "scenario.h"

#include <sys/ipc.h>
#include <sys/shm.h>

int main(void)
{
	ready();
	while (!told(50)) {
		int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
		void *message = id < 0 ? NULL : shmat(id, NULL, 0);

		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
		memset(must(message), 1, MIB);
	}
	wait_for_end();
	return 0;
}
