// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/earlier.h"

#define COMPARE_NS 30000000000ull

void earlier_put(struct earlier *e, struct snapshot *s)
{
	snapshot_shed(s);
	if (!e->has_older) {
		e->older = *s;
		e->has_older = true;
	} else if (!e->has_newer &&
		   s->monotonic_ns - e->older.monotonic_ns >= COMPARE_NS) {
		e->newer = *s;
		e->has_newer = true;
	} else {
		snapshot_free(s);
	}
}

const struct snapshot *earlier_get(struct earlier *e, const struct snapshot *now)
{
	if (e->has_newer && now->monotonic_ns - e->newer.monotonic_ns >= COMPARE_NS) {
		snapshot_free(&e->older);
		e->older = e->newer;
		e->has_newer = false;
	}
	return e->has_older ? &e->older : NULL;
}

void earlier_free(struct earlier *e)
{
	if (e->has_older)
		snapshot_free(&e->older);
	if (e->has_newer)
		snapshot_free(&e->newer);
	*e = (struct earlier){ .has_older = false };
}
