/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel keeps for the sockets of a process: no part of its RSS. */
#ifndef FALLOW_SOCKETS_H
#define FALLOW_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/target.h"

struct socket_sums {
	size_t n; /* sockets that were asked for, each once */
	size_t told; /* of them, those that something is known of */
	/*
	 * In bytes. Of sockets that were told by sock_diag, what their buffers take; of
	 * others, and of messages that sockets of others have sent, what is queued in them.
	 */
	uint64_t bytes;
	bool queued_only; /* sock_diag could not be asked for some of them */
};

/*
 * Asks in the network namespace of @t for the sockets with these @n inodes, which are put
 * in order, and may be there several times. 0 or -errno: that some are not told is no error.
 */
int sockets_sum(const struct target *t, uint64_t *inodes, size_t n,
		struct socket_sums *sums);

#endif
