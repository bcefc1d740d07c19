/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a process has done anything since, by counters of /proc/PID/stat. */
#ifndef FALLOW_ACTIVITY_H
#define FALLOW_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct activity {
	uint64_t
		starttime; /* clock ticks after boot: another, and it is another process */
	uint64_t minor, major; /* faults */
	uint64_t user, system; /* clock ticks of CPU time */
	uint64_t size, rss;
};

/* False if there is no such process, or it has no memory. */
bool activity_read(pid_t pid, struct activity *a);

/* Whether the two are the same: a process that has hardly run, if at all. */
bool activity_same(const struct activity *a, const struct activity *b);

#endif
