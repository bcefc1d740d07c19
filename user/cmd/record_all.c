// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow record --all: round after round over the processes that there are. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cmd/record.h"
#include "target/activity.h"
#include "target/counters.h"
#include "target/processes.h"

/* One that has not run is looked at so often all the same: what is older may be removed. */
#define AGAIN_NS (600 * 1000000000ull)
/* And, where only so much of time is kept, after this part of it: one look of it is there. */
#define AGAIN_PART 2

/* What is known of a process from the round before. */
struct seen {
	pid_t pid;
	struct activity at_look;
	uint64_t looked_ns; /* 0: not yet */
	bool counted; /* as one that could not be looked at */
	struct when_history *history; /* with conditions */
};

struct round {
	struct pages *pages;
	struct seen *v; /* by pid */
	size_t n;
};

static int by_pid(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void forget(struct round *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->v[i].history);
	free(all->v);
	*all = (struct round){ .pages = all->pages };
}

/* What the last round knew of it goes to @s, if it is the same process. */
static void remember(struct round *before, struct seen *s, const struct activity *now)
{
	struct seen *old =
		before->n ? bsearch(s, before->v, before->n, sizeof(*s), by_pid) : NULL;

	if (!old || old->at_look.starttime != now->starttime)
		return;
	*s = *old;
	old->history = NULL;
}

static void count_failure(struct run *r, struct seen *s, const struct error *e)
{
	if (s->counted)
		return;
	s->counted = true;
	if (e->status == EXIT_GONE)
		r->gone++;
	else if (e->status == EXIT_DENIED)
		r->denied++;
	else
		r->failed++;
}

/* Whether to look; *@why is for the recording. -1: out of memory. */
static int is_wanted(struct run *r, struct seen *s, const struct target *t,
		     const char **why, struct error *e)
{
	const struct when *held;
	struct counters now;

	*why = "";
	if (!r->o->when.n)
		return 1;
	if (!s->history)
		s->history = calloc(1, sizeof(*s->history));
	if (!s->history)
		return error_set(e, EXIT_FAILED, "record: out of memory");
	if (counters_read(&now, t, when_facts(&r->o->when), e))
		return 0;
	held = when_holds(&r->o->when, s->history, &now);
	*why = held ? held->text : "";
	return held != NULL;
}

static bool has_rested(const struct run *r, const struct seen *s,
		       const struct activity *now)
{
	const struct keep *keep = &r->o->keep;
	uint64_t again = AGAIN_NS;

	if (keep->what == KEEP_TIME && keep->n / AGAIN_PART < again)
		again = keep->n / AGAIN_PART;
	return s->looked_ns && activity_same(&s->at_look, now) &&
	       clock_ns(CLOCK_MONOTONIC) - s->looked_ns < again;
}

/* 1 if it looked; -1 if nothing can be kept any more. */
static int look(struct run *r, struct pages *p, struct seen *s, struct target *t,
		const struct activity *now, struct error *e)
{
	static const struct look quick = { .quick = true };
	struct snapshot found;
	const char *why;
	int err = is_wanted(r, s, t, &why, e);

	if (err <= 0)
		return err;
	if (has_rested(r, s, now) || !run_allowed(r))
		return 0;
	err = snapshot_take(&found, t, p, &quick, e);
	if (err && run_go_on(p, r->o, e))
		err = snapshot_take(&found, t, p, &quick, e);
	if (err) {
		count_failure(r, s, e);
	} else {
		if (run_keep(r, &found, why, e))
			return -1;
		r->processes += !s->looked_ns;
		s->looked_ns = clock_ns(CLOCK_MONOTONIC);
		s->at_look = *now;
	}
	return 1;
}

/* Looks, if it is to, and rests for as long. -1 if nothing can be kept any more. */
static int visit(struct run *r, struct pages *p, struct seen *s,
		 const struct activity *now, struct error *e)
{
	uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	struct target t;
	int looked;

	if (!s->looked_ns)
		s->at_look.starttime = now->starttime;
	/* Without conditions nothing needs to be asked of one that has not run. */
	if (!r->o->when.n && has_rested(r, s, now))
		return 0;
	if (target_open(&t, s->pid, r->o->source != SOURCE_PROCFS, e)) {
		count_failure(r, s, e);
		return 0;
	}
	/* Of a pid that was used again meanwhile the next round knows. */
	looked = t.starttime == now->starttime ? look(r, p, s, &t, now, e) : 0;
	target_close(&t);
	/* Nothing is held meanwhile: of the module, either. */
	if (looked > 0)
		run_rest(r, begun, 0);
	return looked < 0 ? -1 : 0;
}

static int go_round(struct run *r, struct round *before, struct error *e)
{
	struct round now = { .pages = before->pages };
	struct process_list list;
	struct activity a;
	int err = 0;

	if (processes_list(&list, e))
		return -1;
	now.v = calloc(list.n + 1, sizeof(*now.v));
	if (!now.v)
		err = error_set(e, EXIT_FAILED, "record: out of memory");
	for (size_t i = 0; !err && i < list.n && !run_over(r); i++) {
		struct seen *s = &now.v[now.n];

		if (!activity_read(list.v[i].pid, &a))
			continue;
		now.n++;
		s->pid = list.v[i].pid;
		remember(before, s, &a);
		err = visit(r, now.pages, s, &a, e);
	}
	processes_free(&list);
	forget(before);
	if (now.n)
		qsort(now.v, now.n, sizeof(*now.v), by_pid);
	*before = now;
	return err;
}

/* The looks have rested each for itself. */
static void rest_of(const struct run *r, uint64_t begun)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now - begun < r->o->interval_ns)
		run_rest(r, now, r->o->interval_ns - (now - begun));
}

int record_all(struct run *r, struct pages *p, struct error *e)
{
	struct round seen = { .pages = p };
	int err = counters_check(NULL, when_facts(&r->o->when), e);

	while (!err && !run_over(r)) {
		uint64_t begun = clock_ns(CLOCK_MONOTONIC);

		err = go_round(r, &seen, e);
		if (!err)
			rest_of(r, begun);
	}
	forget(&seen);
	return err;
}
