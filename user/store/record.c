// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/record.h"

#include <stdlib.h>

static int by_start(const void *a, const void *b)
{
	const struct record_region *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

void record_sort(struct record *r)
{
	if (r->nregions)
		qsort(r->regions, r->nregions, sizeof(*r->regions), by_start);
}

static void free_heap(struct record_heap *h)
{
	free(h->name);
	free(h->version);
	free(h->reason);
	for (size_t i = 0; i < h->nsettings; i++)
		free(h->settings[i].name);
	free(h->settings);
	for (size_t i = 0; i < h->narenas; i++)
		free(h->arenas[i].kind);
	free(h->arenas);
}

void record_free(struct record *r)
{
	for (size_t i = 0; i < r->nheaps; i++)
		free_heap(&r->heaps[i]);
	free(r->heaps);
	for (size_t i = 0; i < r->nregions; i++) {
		free(r->regions[i].dev);
		free(r->regions[i].name);
		free(r->regions[i].owner);
	}
	free(r->regions);
	for (size_t i = 0; i < r->nwarnings; i++)
		free(r->warnings[i]);
	free(r->warnings);
	free(r->host);
	free(r->kernel);
	free(r->source);
	free(r->comm);
	*r = (struct record){ 0 };
}
