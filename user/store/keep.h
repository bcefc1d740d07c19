/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes from a recording when it has enough. Looks go in groups: one that is whole,
 * and those that are kept by how they differ from it. Pages that become free are used
 * again, so that the file does not grow.
 */
#ifndef FALLOW_KEEP_H
#define FALLOW_KEEP_H

#include <stdbool.h>

#include "store/recorder.h"
#include "store/sql.h"

/* Whether a look that is packed in @len bytes is small enough. */
int keep_check(const struct sql *q, const struct keep *keep, size_t len, struct error *e);

/*
 * Removes what @keep does not want, but never the group that begins with @key, to which
 * the look @s of @process was just added; @begun: by it. Within a transaction.
 */
int keep_newest(const struct sql *q, const struct keep *keep, int64_t process,
		int64_t key, bool begun, const struct snapshot *s, struct error *e);

#endif
