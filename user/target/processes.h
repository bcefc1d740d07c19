/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes of this machine, by how much of their memory can be fallow. */
#ifndef FALLOW_PROCESSES_H
#define FALLOW_PROCESSES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

struct process_size {
	pid_t pid;
	uint64_t rss; /* bytes, by counters that lag */
	uint64_t anon; /* anonymous, resident or swapped: the rest is never fallow */
};

struct process_list {
	struct process_size *v; /* most anonymous memory first */
	size_t n;
};

/*
 * All that have memory of their own, but this one. Whether each may be looked at is not
 * asked. On failure -1 with @e set, and @list needs no freeing.
 */
int processes_list(struct process_list *list, struct error *e);
void processes_free(struct process_list *list);

#endif
