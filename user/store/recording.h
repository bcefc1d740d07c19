/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings: files with many looks, of one process or several, that fallow record
 * writes. Documentation/recording.md has the tables. A file that is read is believed in
 * nothing.
 *
 *	struct recording *r;
 *
 *	if (recording_open(&r, "F", &e) || recording_choose(r, NULL, &e))
 *		...
 *	for (size_t i = 0; i < recording_count(r); i++)
 *		if (!recording_look(r, i, &snapshot, &e))
 *			...
 *	recording_close(r);
 */
#ifndef FALLOW_RECORDING_H
#define FALLOW_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "model/history.h"
#include "model/snapshot.h"
#include "store/pack.h"

struct recording;

/* On failure @e says why, and *@out is NULL. */
int recording_open(struct recording **out, const char *path, struct error *e);

/* All that is read is as it was at one time. Not for long: the log of who writes grows. */
int recording_open_still(struct recording **out, const char *path, struct error *e);

void recording_close(struct recording *r);

struct recorded_process {
	int64_t id;
	pid_t pid;
	uint64_t starttime; /* clock ticks after boot */
	char boot_id[BOOT_ID_TEXT];
	char comm[65]; /* at its last look; raw */
};

/* By their first looks. */
size_t recording_processes(const struct recording *r);
const struct recorded_process *recording_process(const struct recording *r, size_t i);

/*
 * Whose looks the rest is about: a pid, or the name of exactly one of the processes; NULL
 * or "": the only one. Several: EXIT_USAGE with some of them in the text.
 */
int recording_choose(struct recording *r, const char *who, struct error *e);
/* The @i-th. */
int recording_choose_nth(struct recording *r, size_t i, struct error *e);

/* Looks of the chosen process, the oldest first; at least one. */
size_t recording_count(const struct recording *r);

/* When the @i-th was taken, by the clock then, which may have been set back since. */
struct timespec recording_time(const struct recording *r, size_t i);

/*
 * The same, in ns after boot, which all looks at one process share: they ascend, unless several
 * recorders kept them, of whose looks one may have begun before, and be kept after, another.
 */
uint64_t recording_uptime(const struct recording *r, size_t i);

/*
 * To *@at, the last look that was taken @ns or more before the @i-th, by time since boot,
 * which no clock that is set changes; false if none is so old.
 */
bool recording_before(const struct recording *r, size_t i, uint64_t ns, size_t *at);

/*
 * The @i-th look; its JSON. What was removed since the recording was opened, for it has an
 * end, is a failure: EXIT_GONE. The caller frees the text.
 */
int recording_look(struct recording *r, size_t i, struct snapshot *s, struct error *e);
int recording_text(struct recording *r, size_t i, struct blob *text, struct error *e);

/*
 * What the looks from the first to the @last-th come to, in order, by a row each, without
 * reading them whole. @each returns 0, or -1 with @e set, which ends it.
 */
int recording_moments(struct recording *r, size_t last,
		      int (*each)(void *arg, const struct moment *m, struct error *e),
		      void *arg, struct error *e);

/*
 * Which look "3" (the third), "-1" (the last), "-10m" (10 minutes or more before the last,
 * as recording_before()), "14:05" or "14:05:30" (the last one until then by the clock of
 * that time, on the day of the last look, or the day before), or "2026-11-28T14:05" means, by
 * local time. Where the clock was set back, the one that it showed the latest time at.
 */
int recording_find(const struct recording *r, const char *which, size_t *i,
		   struct error *e);

#endif
