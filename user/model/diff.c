// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S   1000000000
#define NS_PER_MIN 60e9
#define RATE_MAX   ((double)((int64_t)1 << 62)) /* more is no rate of a process */

static uint64_t count_in(const uint64_t *counts, enum record_count c)
{
	return counts ? counts[c] : 0;
}

int64_t diff_heap_change(const struct diff_heap *h, enum record_count c)
{
	return change_of(count_in(h->before ? h->before->count : NULL, c),
			 count_in(h->now ? h->now->count : NULL, c));
}

int64_t diff_arena_change(const struct diff_arena *a, enum record_count c)
{
	return change_of(count_in(a->before ? a->before->count : NULL, c),
			 count_in(a->now ? a->now->count : NULL, c));
}

int64_t diff_rate(const struct diff *d, int64_t change)
{
	double rate;

	if (!d->rates || change == CHANGE_UNKNOWN)
		return CHANGE_UNKNOWN;
	rate = (double)change / ((double)d->interval_ns / NS_PER_MIN);
	return rate > -RATE_MAX && rate < RATE_MAX ? (int64_t)rate : CHANGE_UNKNOWN;
}

/* Within a boot by its own clock, which nobody sets; else by the date. */
static int64_t interval(const struct diff *d)
{
	const struct record *a = d->before, *b = d->now;

	if (d->same_boot && a->uptime_ns != UNKNOWN && b->uptime_ns != UNKNOWN)
		return (int64_t)(b->uptime_ns - a->uptime_ns);
	return (b->time.tv_sec - a->time.tv_sec) * NS_PER_S +
	       (b->time.tv_nsec - a->time.tv_nsec);
}

/* A process is known by its pid and its start, which counts from the boot. */
static void compare_origins(struct diff *d)
{
	const struct record *a = d->before, *b = d->now;
	bool boots = a->boot_id[0] && b->boot_id[0];
	int64_t ns;

	d->same_boot = boots && !strcmp(a->boot_id, b->boot_id);
	d->same_host = d->same_boot || !strcmp(a->host, b->host);
	d->same_process = (boots ? d->same_boot : d->same_host) && a->pid == b->pid &&
			  a->starttime == b->starttime;
	ns = interval(d);
	d->ordered = ns > 0;
	d->interval_ns = ns > 0 ? (uint64_t)ns : 0;
	d->rates = d->ordered && d->same_process;
}

static int compare_arenas(const struct record_arena *x, const struct record_arena *y,
			  bool by_address)
{
	int order = strcmp(x->kind, y->kind);

	if (order || !by_address || x->address == y->address)
		return order;
	return x->address < y->address ? -1 : 1;
}

static int by_identity(const void *a, const void *b, void *arg)
{
	const struct record_arena *x = *(const struct record_arena *const *)a;
	const struct record_arena *y = *(const struct record_arena *const *)b;
	int order = compare_arenas(x, y, *(const bool *)arg);

	return order ? order : x < y ? -1 : x > y;
}

/* Pointers to the arenas of @h, which may be NULL, in order; NULL: out of memory. */
static const struct record_arena **sorted(const struct record_heap *h, size_t *n,
					  bool by_address)
{
	const struct record_arena **v;

	*n = h ? h->narenas : 0;
	v = calloc(*n + 1, sizeof(*v));
	if (!v)
		return NULL;
	for (size_t i = 0; i < *n; i++)
		v[i] = &h->arenas[i];
	qsort_r(v, *n, sizeof(*v), by_identity, &by_address);
	return v;
}

static int arenas_growth_first(const void *a, const void *b)
{
	const struct diff_arena *x = a, *y = b;
	const struct record_arena *p = x->now ? x->now : x->before;
	const struct record_arena *q = y->now ? y->now : y->before;

	if (x->change != y->change)
		return x->change > y->change ? -1 : 1;
	return p->address < q->address ? -1 : p->address > q->address;
}

static void pair_arenas(struct diff_heap *h, const struct record_arena **a, size_t na,
			const struct record_arena **b, size_t nb, bool by_address)
{
	for (size_t i = 0, k = 0; i < na || k < nb; h->narenas++) {
		struct diff_arena *to = &h->arenas[h->narenas];
		int order = i == na   ? 1
			    : k == nb ? -1
				      : compare_arenas(a[i], b[k], by_address);

		to->before = order <= 0 ? a[i++] : NULL;
		to->now = order >= 0 ? b[k++] : NULL;
		to->change = diff_arena_change(to, RECORD_RESIDENT);
	}
	qsort(h->arenas, h->narenas, sizeof(*h->arenas), arenas_growth_first);
}

static int compare_heap_arenas(struct diff_heap *h, bool by_address)
{
	size_t na, nb;
	const struct record_arena **a = sorted(h->before, &na, by_address);
	const struct record_arena **b = sorted(h->now, &nb, by_address);

	h->arenas = calloc(na + nb + 1, sizeof(*h->arenas));
	if (a && b && h->arenas)
		pair_arenas(h, a, na, b, nb, by_address);
	free(a);
	free(b);
	return a && b && h->arenas ? 0 : -1;
}

static const struct record_setting *setting(const struct record_heap *h, const char *name)
{
	for (size_t i = 0; i < h->nsettings; i++)
		if (!strcmp(h->settings[i].name, name))
			return &h->settings[i];
	return NULL;
}

/* Of an allocator that is in both. */
static int compare_settings(struct diff_heap *h)
{
	h->settings = calloc(h->before->nsettings + h->now->nsettings + 1,
			     sizeof(*h->settings));
	if (!h->settings)
		return -1;
	for (size_t i = 0; i < h->before->nsettings; i++) {
		const struct record_setting *a = &h->before->settings[i];
		const struct record_setting *b = setting(h->now, a->name);

		if (!b || a->value != b->value)
			h->settings[h->nsettings++] = (struct diff_setting){ a, b };
	}
	for (size_t i = 0; i < h->now->nsettings; i++) {
		const struct record_setting *b = &h->now->settings[i];

		if (!setting(h->before, b->name))
			h->settings[h->nsettings++] = (struct diff_setting){ NULL, b };
	}
	return 0;
}

static int add_heap(struct diff *d, const struct record_heap *a,
		    const struct record_heap *b)
{
	struct diff_heap *h = &d->heaps[d->nheaps++];

	h->before = a;
	h->now = b;
	h->change = diff_heap_change(h, RECORD_RESIDENT);
	if (a)
		d->outside_before -= a->count[RECORD_RESIDENT];
	if (b)
		d->outside_now -= b->count[RECORD_RESIDENT];
	if (a && b && compare_settings(h))
		return -1;
	return compare_heap_arenas(h, d->same_process);
}

static int heaps_growth_first(const void *a, const void *b)
{
	const struct diff_heap *x = a, *y = b;

	return x->change < y->change ? 1 : x->change > y->change ? -1 : 0;
}

/* The first one of @r that is called as @h, and is not one of those of @used. */
static const struct record_heap *namesake(const struct record *r,
					  const struct record_heap *h, uint64_t *used)
{
	for (size_t i = 0; i < r->nheaps; i++) {
		if (*used & (uint64_t)1 << i || strcmp(r->heaps[i].name, h->name) != 0)
			continue;
		*used |= (uint64_t)1 << i;
		return &r->heaps[i];
	}
	return NULL;
}

_Static_assert(RECORD_HEAPS <= 64, "a bit for each");

static int compare_heaps(struct diff *d)
{
	const struct record *a = d->before, *b = d->now;
	uint64_t used = 0;

	d->outside_before = a->rss;
	d->outside_now = b->rss;
	d->heaps = calloc(a->nheaps + b->nheaps + 1, sizeof(*d->heaps));
	if (!d->heaps)
		return -1;
	for (size_t i = 0; i < a->nheaps; i++)
		if (add_heap(d, &a->heaps[i], namesake(b, &a->heaps[i], &used)))
			return -1;
	for (size_t i = 0; i < b->nheaps; i++)
		if (!(used & (uint64_t)1 << i) && add_heap(d, NULL, &b->heaps[i]))
			return -1;
	qsort(d->heaps, d->nheaps, sizeof(*d->heaps), heaps_growth_first);
	return 0;
}

int diff_make(struct diff *d, const struct record *before, const struct record *now,
	      struct error *e)
{
	*d = (struct diff){ .before = before, .now = now };
	compare_origins(d);
	if (!compare_heaps(d))
		d->regions = match_regions(before, now, d->same_process, &d->nregions);
	if (d->regions)
		return 0;
	diff_free(d);
	return error_sys(e, ENOMEM, "comparing two looks");
}

void diff_free(struct diff *d)
{
	for (size_t i = 0; i < d->nheaps; i++) {
		free(d->heaps[i].arenas);
		free(d->heaps[i].settings);
	}
	free(d->heaps);
	free(d->regions);
	*d = (struct diff){ 0 };
}
