/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look that is read back from its JSON, so that all that shows a look shows this one. Of
 * the file nothing is believed: counts are bounded and add up as store/record.h says, and
 * what goes to a terminal as it is has been made fit for that. What the file does not have
 * is UNKNOWN, or a warning says that it is not known.
 */
#ifndef FALLOW_REVIVE_H
#define FALLOW_REVIVE_H

#include "model/snapshot.h"

/*
 * Parses the @len bytes at @text; @name is what to call them in an error. @s then is as
 * snapshot_take() makes it, but: recorded is set, no heap can be walked, of what is free
 * in arenas only the sums are told apart (EXTENT_CACHED, and EXTENT_FREE for all else),
 * and the regions' swapped are 0. monotonic_ns is the time since boot; in files of old, the
 * date. On failure @e says why, and @s needs no freeing.
 */
int snapshot_revive(struct snapshot *s, const char *text, size_t len, const char *name,
		    struct error *e);

#endif
