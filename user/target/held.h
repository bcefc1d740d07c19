/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process holds by its descriptors, though it is no part of its RSS: by the links
 * and the fdinfo in /proc/PID. Nothing is opened.
 */
#ifndef FALLOW_HELD_H
#define FALLOW_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/sockets.h"
#include "target/target.h"
#include "target/vma.h"

/* In bytes; what follows a count is of so many. */
struct held {
	bool known; /* else nothing of it is: the descriptors may not be seen */
	bool cut; /* there are more descriptors than were looked at */
	struct socket_sums sockets;
	/* Files of tmpfs, memfd among them: beyond what is mapped of them here. */
	size_t nfiles;
	uint64_t files;
	size_t npipes; /* what is in them cannot be seen */
	/* Rings of io_uring; their registered buffers; of those, what is mapped no more. */
	size_t nrings;
	uint64_t buffers, buffers_unmapped;
	size_t nmaps; /* of BPF */
	uint64_t maps;
	size_t ndmabufs;
	uint64_t dmabufs;
};

/* @l: the mappings of @t with their counts. 0 or -errno. */
int held_read(const struct target *t, const struct vma_list *l, struct held *h);

#endif
