// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/remnants.h"

#include <string.h>

/* What is free is that many times what is live: else, the unit is in use. */
#define SHARE 8

void remnants_read(struct heap *h, struct target *t)
{
	for (size_t i = 0; i < h->nremnants; i++) {
		struct remnant *r = &h->remnants[i];
		size_t n = r->live < sizeof(r->data) ? r->live : sizeof(r->data);

		r->ndata = reader_read(&t->reader, r->block, r->data, n) ? 0 : n;
	}
}

void remnants_take(struct heap *h, const struct remnant *r)
{
	size_t i = h->nremnants;

	if (!r->unit.end || !r->live || r->free / SHARE < r->live)
		return;
	h->pinning++;
	h->pinning_live += r->live;
	h->pinning_free += r->free;
	while (i && h->remnants[i - 1].free < r->free)
		i--;
	if (i == REMNANTS_MAX)
		return;
	if (h->nremnants < REMNANTS_MAX)
		h->nremnants++;
	memmove(&h->remnants[i + 1], &h->remnants[i],
		(h->nremnants - 1 - i) * sizeof(*r));
	h->remnants[i] = *r;
}
