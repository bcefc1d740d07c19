/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that is looked at: its identity, held by an open /proc/PID so that
 * a reused pid is never mistaken for it.
 */
#ifndef FALLOW_TARGET_H
#define FALLOW_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "target/reader.h"

struct target {
	pid_t pid;
	int dir; /* /proc/PID, O_DIRECTORY */
	char *comm; /* these four: raw, from the target; never NULL */
	char *cmdline; /* arguments joined by spaces; "" if not resident */
	char *exe; /* "" if unreadable; ends in " (deleted)" if it is */
	char *cgroup; /* cgroup v2 path, "" if none */
	uint64_t starttime; /* clock ticks after boot (proc(5), field 22) */
	unsigned int threads;
	unsigned int
		execs; /* how often it called exec since it was opened, as was seen */
	struct reader reader;
};

/*
 * Opens process @pid: fails with EXIT_GONE for none or a zombie, EXIT_FAILED
 * for a kernel thread, EXIT_DENIED if its memory may not be looked at. @device:
 * see reader_open().
 */
int target_open(struct target *t, pid_t pid, bool device, struct error *e);
void target_close(struct target *t);

/*
 * Reads what may change again: comm, exe, threads; after exec, all that was the address
 * space's. EXIT_GONE if it has ended.
 */
int target_refresh(struct target *t, struct error *e);

/* A line of /proc/PID/status, such as "VmPTE", in bytes. UNKNOWN if it is not there. */
uint64_t target_status(const struct target *t, const char *key);

/* Whether it runs a 32-bit program, as far as its executable can be read. */
bool target_is_32_bit(const struct target *t);

/*
 * The process that @what names: a pid, or the name of exactly one process
 * (comm, or the base name of its executable). Several: EXIT_USAGE with the
 * matches in the text; none: EXIT_GONE.
 */
int target_find(const char *what, pid_t *pid, struct error *e);

/* The only process of a cgroup, @path as in /proc/PID/cgroup or below /sys/fs/cgroup. */
int target_find_cgroup(const char *path, pid_t *pid, struct error *e);

/*
 * Reads /proc/PID/@name whole, NUL terminated; *@len, if not NULL, gets the
 * length. NULL with errno set on failure. The caller frees.
 */
char *target_slurp(const struct target *t, const char *name, size_t *len);

#endif
