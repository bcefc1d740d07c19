/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buffers that a process has registered with its io_uring instances, and which are pinned
 * for that: the kernel tells them in /proc/PID/fdinfo (io_uring/fdinfo.c).
 */
#ifndef FALLOW_URING_H
#define FALLOW_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/target.h"

struct uring_buffer {
	uint64_t start, end; /* [start, end), as registered: not page aligned */
};

struct uring_buffers {
	struct uring_buffer *buffer; /* by address, disjoint: neighbours are one */
	size_t n, cap;
	size_t registered; /* as they were registered */
	uint64_t bytes; /* of all, each once */
	size_t rings; /* instances that are open */
	bool partial; /* there are more descriptors, or buffers, than are looked at */
};

/* Returns 0 or -ENOMEM. Descriptors that are not to be seen are none. */
int uring_buffers_read(const struct target *t, struct uring_buffers *u);
void uring_buffers_free(struct uring_buffers *u);

/* Whether a buffer is, at least in part, in [start, end). */
bool uring_buffers_touch(const struct uring_buffers *u, uint64_t start, uint64_t end);

#endif
