// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/growth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many times what half of the looks are torn by is more than they all may be. */
#define TORN_SHARE 4

struct piece_sum pieces_within(const struct piece *v, size_t n, const struct piece *p)
{
	struct piece_sum sum = { 0 };
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid].end <= p->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < n && v[lo].start < p->end; lo++) {
		sum.size += v[lo].end - v[lo].start;
		sum.bytes += v[lo].bytes;
	}
	return sum;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* What the pieces have in addresses beyond those of the look before. */
static void take_steps(struct growth *g, const struct snapshot *s)
{
	for (size_t i = 0; g->n && i < s->npieces; i++) {
		const struct piece *p = &s->pieces[i];
		uint64_t was = pieces_within(g->pieces, g->npieces, p).size;

		if (p->end - p->start > was)
			g->step = gcd(g->step, p->end - p->start - was);
	}
}

static int keep_pieces(struct growth *g, const struct snapshot *s)
{
	struct piece *copy = malloc((s->npieces + 1) * sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (s->npieces)
		memcpy(copy, s->pieces, s->npieces * sizeof(*copy));
	free(g->pieces);
	g->pieces = copy;
	g->npieces = s->npieces;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct growth_group *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int by_bytes(const void *a, const void *b)
{
	const struct growth_group *x = a, *y = b;

	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

static bool is_grouped(int c)
{
	return c >= LEDGER_ANON_OTHER;
}

/* The groups of each mapping, by class and name; several may be of the same. */
static size_t collect(const struct snapshot *s, struct growth_group *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->vmas.n; i++)
		for (int c = 0; c < LEDGER_CLASSES; c++) {
			if (!is_grouped(c) || !s->regions[i].resident[c])
				continue;
			if (out) {
				out[n] = (struct growth_group){
					.class = c, .bytes = s->regions[i].resident[c]
				};
				snprintf(out[n].name, GROUP_NAME, "%s",
					 s->vmas.v[i].name);
			}
			n++;
		}
	return n;
}

static size_t merge(struct growth_group *v, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept && !by_name(&v[kept - 1], &v[i]))
			v[kept - 1].bytes += v[i].bytes;
		else
			v[kept++] = v[i];
	}
	return kept;
}

static int take_groups(struct growth_look *look, const struct snapshot *s)
{
	size_t n = collect(s, NULL);
	struct growth_group *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	collect(s, all);
	qsort(all, n, sizeof(*all), by_name);
	n = merge(all, n);
	if (n > GROUPS_MAX) {
		qsort(all, n, sizeof(*all), by_bytes);
		look->left_out = all[GROUPS_MAX].bytes;
		n = GROUPS_MAX;
		qsort(all, n, sizeof(*all), by_name);
	}
	/* There may be far more mappings than names. */
	look->groups = calloc(n + 1, sizeof(*all));
	if (look->groups)
		memcpy(look->groups, all, n * sizeof(*all));
	look->ngroups = n;
	free(all);
	return look->groups ? 0 : -ENOMEM;
}

static void take_totals(struct growth_look *look, const struct snapshot *s)
{
	look->when_ns = s->monotonic_ns;
	for (size_t i = 0; i < s->nheaps; i++) {
		look->quick |= s->heaps[i]->quick;
		look->doubt += s->heaps[i]->error.live;
		look->torn += s->heaps[i]->torn;
	}
	look->bytes[SERIES_RSS] = s->rss;
	look->bytes[SERIES_LIVE] = s->live_bytes;
	look->bytes[SERIES_FALLOW] = s->ledger[LEDGER_HEAP_RETURNABLE].resident +
				     s->ledger[LEDGER_HEAP_HELD].resident;
	look->bytes[SERIES_PINNED] = s->pinned;
	for (int c = 0; c < LEDGER_CLASSES; c++)
		look->bytes[SERIES_CLASS + c] = s->ledger[c].resident;
}

int growth_add_look(struct growth *g, const struct growth_look *look)
{
	struct growth_look *grown = realloc(g->looks, (g->n + 1) * sizeof(*grown));

	if (!grown) {
		free(look->groups);
		return -ENOMEM;
	}
	g->looks = grown;
	g->looks[g->n++] = *look;
	return 0;
}

int growth_add(struct growth *g, const struct snapshot *s)
{
	struct growth_look look = { 0 };

	take_totals(&look, s);
	take_steps(g, s);
	if (keep_pieces(g, s) || take_groups(&look, s))
		return -ENOMEM;
	return growth_add_look(g, &look);
}

/* Series of heaps: a quick look counts otherwise than one that reads all. */
static bool is_of_heap(int id)
{
	return id == SERIES_LIVE || id == SERIES_FALLOW ||
	       (id >= SERIES_CLASS && id <= SERIES_CLASS + LEDGER_HEAP_UNREAD);
}

/* Whether heaps are compared by their quick looks: if most looks are. */
static bool prefers_quick(const struct growth *g)
{
	size_t quick = 0;

	for (size_t i = 0; i < g->n; i++)
		quick += g->looks[i].quick;
	return 2 * quick > g->n;
}

/* Room for one series: times, and counts. */
struct points {
	uint64_t *when, *bytes;
	size_t n;
};

static void add_point(struct points *p, uint64_t when, uint64_t bytes)
{
	if (bytes == UNKNOWN)
		return;
	p->when[p->n] = when;
	p->bytes[p->n++] = bytes;
}

static struct trend fit(struct points *p)
{
	struct trend t = trend_fit(p->when, p->bytes, p->n, GROWTH_LEAST);

	p->n = 0;
	return t;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A look that is torn by more than that, and many others are not, is none of the heaps. */
static uint64_t torn_limit(const struct growth *g, bool quick, struct points *p)
{
	uint64_t median = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->looks[i].quick == quick)
			add_point(p, g->looks[i].when_ns, g->looks[i].torn);
	if (p->n) {
		qsort(p->bytes, p->n, sizeof(*p->bytes), by_value);
		median = p->bytes[p->n / 2];
	}
	p->n = 0;
	return TORN_SHARE * median > GROWTH_LEAST ? TORN_SHARE * median : GROWTH_LEAST;
}

static bool tells_heaps(const struct growth_look *look, bool quick, uint64_t limit)
{
	return look->quick == quick && look->torn <= limit;
}

static void fit_series(struct growth *g, struct points *p)
{
	bool quick = prefers_quick(g);
	uint64_t limit = torn_limit(g, quick, p);

	g->torn = 0;
	for (size_t i = 0; i < g->n; i++)
		if (tells_heaps(&g->looks[i], quick, limit) && g->looks[i].torn > g->torn)
			g->torn = g->looks[i].torn;
	for (int id = 0; id < SERIES; id++) {
		for (size_t i = 0; i < g->n; i++)
			if (!is_of_heap(id) || tells_heaps(&g->looks[i], quick, limit))
				add_point(p, g->looks[i].when_ns, g->looks[i].bytes[id]);
		g->series[id] = fit(p);
	}
}

/* By class and name; 0 if the look has none such, UNKNOWN if it may have left it out. */
static uint64_t bytes_of(const struct growth_look *look, const struct growth_group *like)
{
	const struct growth_group *found =
		bsearch(like, look->groups, look->ngroups, sizeof(*like), by_name);

	if (found)
		return found->bytes;
	return look->left_out < GROWTH_LEAST ? 0 : UNKNOWN;
}

static int by_rise(const void *a, const void *b)
{
	const struct group_trend *x = a, *y = b;
	double rise = trend_rise(&x->trend), other = trend_rise(&y->trend);

	return rise > other ? -1 : rise < other;
}

static int fit_groups(struct growth *g, struct points *p)
{
	const struct growth_look *last = &g->looks[g->n - 1];

	free(g->groups);
	g->groups = calloc(last->ngroups + 1, sizeof(*g->groups));
	g->ngroups = 0;
	if (!g->groups)
		return -ENOMEM;
	for (size_t k = 0; k < last->ngroups; k++) {
		for (size_t i = 0; i < g->n; i++)
			add_point(p, g->looks[i].when_ns,
				  bytes_of(&g->looks[i], &last->groups[k]));
		g->groups[g->ngroups++] = (struct group_trend){ last->groups[k], fit(p) };
	}
	qsort(g->groups, g->ngroups, sizeof(*g->groups), by_rise);
	return 0;
}

int growth_fit(struct growth *g)
{
	struct points p = { .when = calloc(g->n + 1, sizeof(*p.when)),
			    .bytes = calloc(g->n + 1, sizeof(*p.bytes)) };
	int err = p.when && p.bytes ? 0 : -ENOMEM;

	if (!err)
		fit_series(g, &p);
	if (!err && g->n)
		err = fit_groups(g, &p);
	free(p.when);
	free(p.bytes);
	return err;
}

void growth_free(struct growth *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->looks[i].groups);
	free(g->looks);
	free(g->pieces);
	free(g->groups);
	*g = (struct growth){ 0 };
}

const char *series_name(enum series_id id)
{
	static const char *const names[SERIES_CLASS] = {
		[SERIES_RSS] = "rss",
		[SERIES_LIVE] = "live",
		[SERIES_FALLOW] = "fallow",
		[SERIES_PINNED] = "pinned",
	};

	return id < SERIES_CLASS ? names[id]
				 : ledger_name((enum ledger_class)(id - SERIES_CLASS));
}
