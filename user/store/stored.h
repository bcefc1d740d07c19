/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user names a look in a file by: "F", "F@LOOK" or "F@WHO:LOOK", where F is a
 * snapshot in JSON, with one look, or a recording, of which the last is meant if LOOK is
 * left out; see recording.h for LOOK and WHO.
 */
#ifndef FALLOW_STORED_H
#define FALLOW_STORED_H

#include <stdbool.h>

#include "model/snapshot.h"
#include "store/pack.h"
#include "store/recording.h"

/* Whether F is there, and not a folder. */
bool stored_exists(const char *where);

/* The look; its JSON, to be freed by the caller. */
int stored_look(struct snapshot *s, const char *where, struct error *e);
int stored_text(struct blob *text, const char *where, struct error *e);

/* Whether it is a recording. */
bool stored_is_recording(const char *where);

/* The recording of @where, with that process chosen, and the index of that look. */
int stored_replay(struct recording **r, size_t *i, const char *where, struct error *e);

/* The recording F, opened still, of which nobody is chosen: EXIT_USAGE if it is none. */
int stored_recording(struct recording **r, const char *path, struct error *e);

#endif
