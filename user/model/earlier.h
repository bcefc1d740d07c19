/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of looks that come again and again, the one to compare the last one with: from half a
 * minute to a minute old, or the first one.
 */
#ifndef FALLOW_EARLIER_H
#define FALLOW_EARLIER_H

#include <stdbool.h>

#include "model/snapshot.h"

struct earlier {
	struct snapshot older, newer;
	bool has_older, has_newer;
};

/* Takes over @s, which is no longer the last one: keeps it, or frees it. */
void earlier_put(struct earlier *e, struct snapshot *s);

/* What to compare @now with; NULL: nothing yet. Valid until the next call of any. */
const struct snapshot *earlier_get(struct earlier *e, const struct snapshot *now);

void earlier_free(struct earlier *e);

#endif
