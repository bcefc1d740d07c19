/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing recordings: a look is in the file as a whole or not at all, whatever ends the
 * program, and others can read meanwhile. Documentation/recording.md has the tables.
 */
#ifndef FALLOW_RECORDER_H
#define FALLOW_RECORDER_H

#include "model/snapshot.h"
#include "store/pack.h"

/* What is kept when more comes, the newest always: all; or so many, or more, ... */
enum keep_what {
	KEEP_ALL,
	KEEP_LOOKS, /* ...looks of each process */
	KEEP_BYTES, /* ...bytes of file: never more */
	KEEP_TIME /* ...ns */
};

struct keep {
	enum keep_what what;
	uint64_t n;
};

#define KEEP_BYTES_MIN ((uint64_t)4 << 20)

struct recorder;

/* Makes the file, or adds to a recording that is there. On failure @e says why. */
int recorder_open(struct recorder **out, const char *path, const struct keep *keep,
		  struct error *e);
void recorder_close(struct recorder *r);

/*
 * Adds a look, of which @text is the JSON; @why: the condition that held, or "". On failure
 * the file is as it was.
 */
int recorder_add(struct recorder *r, const struct snapshot *s, const struct blob *text,
		 const char *why, struct error *e);

#endif
