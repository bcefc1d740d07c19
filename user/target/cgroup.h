/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a process' control group, version 1 or 2, and its limits. */
#ifndef FALLOW_CGROUP_H
#define FALLOW_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

/* There is no limit. */
#define CGROUP_NO_LIMIT (UINT64_MAX - 1)

struct cgroup_memory {
	int version; /* 1 or 2; 0: not to be found, see why */
	const char *why; /* "" else */
	/* As it is below the mount point here: the nearest that counts memory. */
	char path[PATH_MAX];
	/* In bytes, UNKNOWN where there is no such file. */
	uint64_t current, swap;
	uint64_t limit, high; /* the least of it and those above it; or CGROUP_NO_LIMIT */
	char limit_of[PATH_MAX]; /* whose limit that is, likewise */
	uint64_t oom_kills; /* processes that were ended for want of memory */
};

/*
 * To @path, where the file @name of its group of version 2 is; false, with *@why set, if
 * that is not known.
 */
bool cgroup_file(const struct target *t, const char *name, char path[PATH_MAX],
		 const char **why);

/* Never fails: @c says what could not be read. */
void cgroup_read(const struct target *t, struct cgroup_memory *c);

#endif
