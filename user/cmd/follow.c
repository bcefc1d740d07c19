// SPDX-License-Identifier: GPL-2.0-or-later
/* Waiting between looks, and several looks over a time. */
#include "clock.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

/* Looks are no closer than that. */
#define LOOK_EVERY (200 * NS_PER_MS)

/* Whether the pid still is the process that was opened, and no zombie. */
static bool is_alive(struct target *t)
{
	struct error e;

	return !t || !target_refresh(t, &e);
}

/* Waits until @when, or @fd, which may be -1, becomes readable: true then. */
static bool poll_until(int fd, uint64_t when)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now;

	while (!tracing_is_cut() && (now = clock_ns(CLOCK_MONOTONIC)) < when) {
		struct timespec left = { .tv_sec = (time_t)((when - now) / NS_PER_S),
					 .tv_nsec = (long)((when - now) % NS_PER_S) };

		if (ppoll(&p, 1, &left, NULL) > 0)
			return true;
	}
	return false;
}

/* A descriptor that becomes readable when the process ends; -1 where there is none. */
static int open_end(const struct target *t)
{
	return t ? (int)syscall(SYS_pidfd_open, t->pid, 0) : -1;
}

bool wait_until(struct target *t, uint64_t when_ns)
{
	int fd = open_end(t);
	bool ended = poll_until(fd, is_alive(t) ? when_ns : 0);

	if (fd >= 0)
		close(fd);
	return !ended && is_alive(t);
}

bool wait_for(struct target *t, uint64_t ns)
{
	bool tell = ns > NS_PER_S && isatty(STDERR_FILENO), alive;

	if (tell)
		fprintf(stderr, "looking again in %.0f s ...", (double)ns / 1e9);
	alive = wait_until(t, clock_ns(CLOCK_MONOTONIC) + ns);
	if (tell)
		fprintf(stderr, "\r\033[K");
	return alive;
}

int follow_add(struct follow *f, const struct snapshot *s, struct error *e)
{
	if (f->nlooks > 1)
		snapshot_free(&f->last);
	if (f->nlooks)
		f->last = *s;
	else
		f->first = *s;
	f->nlooks++;
	if (growth_add(&f->growth, s))
		return error_sys(e, ENOMEM, "looks at process %d", (int)s->process.pid);
	/* Of the first, the totals are enough. */
	if (f->nlooks == 1)
		snapshot_shed(&f->first);
	return 0;
}

static int take(struct session *ss, const struct options *o, struct follow *f,
		struct error *e)
{
	struct snapshot s;

	return session_look(ss, o, &s, e) ? -1 : follow_add(f, &s, e);
}

/* What is between the ends is looked at quickly, and the target is not stopped for it. */
static struct options between(const struct options *o)
{
	struct options quick = *o;

	quick.quick = quick.quiet = true;
	quick.freeze = false;
	quick.idle_ns = 0;
	return quick;
}

/*
 * The looks between now and @end. A look disturbs the target a little: it rests for as
 * long as the look took, at least.
 */
static int look_between(struct session *ss, const struct options *o, struct follow *f,
			uint64_t end, struct error *e)
{
	struct options quick = between(o);
	uint64_t every = o->after_ns / (FOLLOW_LOOKS - 1),
		 begun = clock_ns(CLOCK_MONOTONIC), next, took = 0;

	if (every < LOOK_EVERY)
		every = LOOK_EVERY;
	for (next = begun + every; !tracing_is_cut() && next + every / 2 + took < end;) {
		if (!wait_until(&ss->target, next))
			return 1;
		begun = clock_ns(CLOCK_MONOTONIC);
		if (take(ss, &quick, f, e))
			return -1;
		took = clock_ns(CLOCK_MONOTONIC) - begun;
		next = begun + (took > every / 2 ? 2 * took : every);
	}
	return wait_until(&ss->target, end) ? 0 : 1;
}

/* The target ended: what the last look saw is what there is. */
static int take_end(struct session *ss, struct follow *f, uint64_t begun, struct error *e)
{
	double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begun) / 1e9;

	if (f->nlooks < 2)
		return error_set(e, EXIT_GONE,
				 "process %d ended %.1f s after the first look",
				 (int)ss->target.pid, seconds);
	f->ended = true;
	snapshot_warn(&f->last,
		      "the process ended %.1f s after the first look: this is what the "
		      "last look saw, quickly, %.1f s after the first",
		      seconds,
		      (double)(f->last.monotonic_ns - f->first.monotonic_ns) / 1e9);
	return 0;
}

/* The looks after the first. 0, 1 if the target ended before the last, or -1. */
static int look_on(struct session *ss, const struct options *o, struct follow *f,
		   struct error *e)
{
	uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	bool tell = o->after_ns > NS_PER_S && isatty(STDERR_FILENO);
	int err;

	if (tell)
		fprintf(stderr, "looking for %.0f s ...", (double)o->after_ns / 1e9);
	err = look_between(ss, o, f, begun + o->after_ns, e);
	if (tell)
		fprintf(stderr, "\r\033[K");
	return err;
}

static int look_last(struct session *ss, const struct options *o, struct follow *f,
		     int err, struct error *e)
{
	if (!err)
		err = take(ss, o, f, e);
	if (err > 0 || (err && e->status == EXIT_GONE))
		err = take_end(ss, f, f->first.monotonic_ns, e);
	return err;
}

/* With a trace that ends before the last look. */
static int look_traced(struct session *ss, const struct options *o, struct follow *f,
		       struct error *e)
{
	struct tracing *tg = tracing_begin(&ss->target, e);
	struct error other;
	int err;

	if (!tg)
		return -1;
	err = look_on(ss, o, f, e);
	tracing_stop(tg);
	err = look_last(ss, o, f, err, e);
	/* What is seen of a process that ended is older than the end of the trace. */
	if (err || f->ended) {
		tracing_end(tg, NULL, &other);
		if (!err)
			snapshot_warn(&f->last,
				      "trace: left out, for it ends after the last look, "
				      "when the process did");
		return err;
	}
	return tracing_end(tg, &f->last, e);
}

static int follow(struct session *ss, const struct options *o, struct follow *f,
		  struct error *e)
{
	struct options whole = *o;
	int err;

	if (ss->stored)
		return follow_recording(f, ss->stored, o->after_ns, e);
	if (o->trace_ns > o->after_ns)
		whole.after_ns = o->trace_ns;
	if (take(ss, o, f, e))
		return -1;
	if (o->trace_ns)
		err = look_traced(ss, &whole, f, e);
	else
		err = look_last(ss, o, f, look_on(ss, &whole, f, e), e);
	return err;
}

int session_follow(struct session *ss, const struct options *o, struct follow *f,
		   struct error *e)
{
	*f = (struct follow){ .nlooks = 0 };
	if (!follow(ss, o, f, e)) {
		if (!growth_fit(&f->growth))
			return 0;
		error_sys(e, ENOMEM, "looks at process %d", (int)f->last.process.pid);
	}
	follow_free(f);
	return -1;
}

void follow_free(struct follow *f)
{
	snapshot_free(&f->first);
	snapshot_free(&f->last);
	growth_free(&f->growth);
}
