// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A communication library that keeps what it registered: its munmap() only takes note,
 * and the memory stays mapped and pinned. Here io_uring's registered buffers are the pin.
 *
 * Verdict: pinned-growth
 * After: 3s
 * Cure: tell io_uring_unregister_buffers()
 * Maps: register_region
 * Cause: register_region
 */
#include "scenario.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define REGION	MIB
#define REGIONS 400

static int rings[REGIONS];
static void *regions[REGIONS];

/* Maps a region, and registers it with a ring of its own. */
static __attribute__((noinline)) int register_region(int i)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { .iov_len = REGION };

	regions[i] = must((void *)syscall(SYS_mmap, NULL, REGION, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	iov.iov_base = regions[i];
	memset(regions[i], 1, REGION);
	rings[i] = (int)syscall(SYS_io_uring_setup, 1, &params);
	return rings[i] < 0 || syscall(SYS_io_uring_register, rings[i],
				       IORING_REGISTER_BUFFERS, &iov, 1);
}

/* The hook: the application believes that it is gone. */
static int hooked_munmap(void *region)
{
	return region == NULL;
}

int main(void)
{
	int n = 0;

	ready();
	for (; n < REGIONS; n++) {
		if (register_region(n)) {
			perror("io_uring");
			return 1;
		}
		hooked_munmap(regions[n]);
		if (told(100)) {
			n++;
			break;
		}
	}
	if (n == REGIONS)
		told(-1);
	while (n-- > 0) {
		close(rings[n]);
		munmap(regions[n], REGION);
	}
	wait_for_end();
	return 0;
}
