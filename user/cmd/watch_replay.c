// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/watch_replay.h"

#include <errno.h>
#include <stdlib.h>

#define COMPARE_NS 30000000000ull
#define BEFORE	   200 /* looks that the history goes back: each has to be read once */

struct replay {
	struct recording *r;
	struct moment *moments; /* of each look, once it was read */
	bool *known;
	struct snapshot before;
	size_t before_i;
	bool has_before;
};

struct replay *replay_new(struct recording *r)
{
	struct replay *p = calloc(1, sizeof(*p));
	size_t n = recording_count(r);

	if (!p)
		return NULL;
	p->r = r;
	p->moments = calloc(n + 1, sizeof(*p->moments));
	p->known = calloc(n + 1, sizeof(*p->known));
	if (p->moments && p->known)
		return p;
	replay_free(p);
	return NULL;
}

void replay_free(struct replay *p)
{
	if (!p)
		return;
	if (p->has_before)
		snapshot_free(&p->before);
	free(p->moments);
	free(p->known);
	free(p);
}

static void know(struct replay *p, size_t i, const struct snapshot *s)
{
	p->moments[i] = moment_of(s);
	p->known[i] = true;
}

/* Of one that was removed meanwhile, it stays unknown. */
static int read_moment(struct replay *p, size_t i, struct error *e)
{
	struct snapshot s;

	if (p->known[i])
		return 0;
	if (recording_look(p->r, i, &s, e))
		return e->status == EXIT_GONE ? 0 : -1;
	know(p, i, &s);
	snapshot_free(&s);
	return 0;
}

static int read_history(struct replay *p, size_t i, struct history *h, struct error *e)
{
	size_t first = i > BEFORE ? i - BEFORE : 0;

	for (size_t k = first; k <= i; k++)
		if (read_moment(p, k, e))
			return -1;
	history_free(h);
	for (size_t k = first; k <= i; k++)
		if (p->known[k] && history_add_moment(h, &p->moments[k]))
			return error_sys(e, ENOMEM, "the history of looks");
	return 0;
}

/* The last one that is old enough, else the first; itself where that is no earlier. */
static size_t earlier_than(const struct replay *p, size_t i)
{
	size_t k = 0;

	recording_before(p->r, i, COMPARE_NS, &k);
	return recording_uptime(p->r, k) < recording_uptime(p->r, i) ? k : i;
}

/* Where that was removed meanwhile, what is left from there on: maybe nothing. */
static int read_before(struct replay *p, size_t i, struct error *e)
{
	size_t k = earlier_than(p, i), at = k;
	struct snapshot s;

	if (p->has_before && p->before_i == k)
		return 0;
	while (at < i && recording_look(p->r, at, &s, e)) {
		if (e->status != EXIT_GONE)
			return -1;
		at++;
	}
	/* From here on nothing fails: who shows the one of before goes on with it until then. */
	if (p->has_before)
		snapshot_free(&p->before);
	p->has_before = at < i;
	p->before_i = k;
	if (p->has_before)
		p->before = s;
	return 0;
}

int replay_look(struct replay *p, size_t i, struct snapshot *s, struct history *h,
		const struct snapshot **before, struct error *e)
{
	if (recording_look(p->r, i, s, e))
		return -1;
	know(p, i, s);
	if (read_history(p, i, h, e) || (i && read_before(p, i, e))) {
		snapshot_free(s);
		return -1;
	}
	*before = i && p->has_before ? &p->before : NULL;
	return 0;
}
