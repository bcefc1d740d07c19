/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to fallow watch: looks of a recording, with what was before each. */
#ifndef FALLOW_WATCH_REPLAY_H
#define FALLOW_WATCH_REPLAY_H

#include "model/history.h"
#include "store/recording.h"

struct replay;

/* Of the process that is chosen in @r, which has to stay. NULL: out of memory. */
struct replay *replay_new(struct recording *r);
void replay_free(struct replay *p);

/*
 * The look of index @i, to be freed by the caller; the history up to it, in @h; and in
 * *@before an earlier one to compare with, of half a minute before or more, NULL for the
 * first one; it stays until the next call. On failure -1 with @e set, and all is as before.
 */
int replay_look(struct replay *p, size_t i, struct snapshot *s, struct history *h,
		const struct snapshot **before, struct error *e);

#endif
