// SPDX-License-Identifier: GPL-2.0-or-later
/* --idle: having the source learn when pages are accessed, and waiting for that. */
#include "clock.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Pages that the second look finds unaccessed were so for one interval. */
#define LOOKS 2

/* The wait is cut into pieces, to see that the target still lives. */
#define NS_PER_S  1000000000ull
#define PIECE_MIN (5 * 1000000ull)
#define PIECE_MAX (NS_PER_S / 2)

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

#define ENDS (sizeof(ends) / sizeof(ends[0]))

static volatile sig_atomic_t ended_by;

static void on_signal(int sig)
{
	ended_by = sig;
}

/* No SA_RESTART: a signal is to cut the wait short. What is ignored stays so. */
static void catch_signals(struct sigaction before[ENDS])
{
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < ENDS; i++) {
		sigaction(ends[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			sigaction(ends[i], &sa, NULL);
	}
}

static void release_signals(const struct sigaction before[ENDS])
{
	for (size_t i = 0; i < ENDS; i++)
		sigaction(ends[i], &before[i], NULL);
}

static void rest(uint64_t ns)
{
	struct timespec ts;

	if (ns < PIECE_MIN)
		ns = PIECE_MIN;
	if (ns > PIECE_MAX)
		ns = PIECE_MAX;
	ts = (struct timespec){ .tv_nsec = (long)ns };
	nanosleep(&ts, NULL);
}

static void tell(const struct options *o, uint64_t passed)
{
	double all = (double)o->idle_ns / 1e9, left = all - (double)passed / 1e9;

	fprintf(stderr, "\rwatching for %.0f s what is accessed: %.0f s left\033[K", all,
		left > 0 ? left : 0);
}

static int wait_looks(struct session *ss, const struct options *o, bool shown,
		      struct error *e)
{
	uint64_t begun = clock_ns(CLOCK_MONOTONIC), looks = 0;

	while (!ended_by) {
		uint64_t passed = clock_ns(CLOCK_MONOTONIC) - begun;

		if (ss->pages.ops->age_looks(&ss->pages, &ss->target, &looks, e))
			return -1;
		if (looks >= LOOKS)
			return 0;
		if (shown)
			tell(o, passed);
		rest(passed < o->idle_ns ? o->idle_ns - passed : 0);
	}
	return 0;
}

int session_watch_idle(struct session *ss, const struct options *o, struct error *e)
{
	bool shown = o->idle_ns > NS_PER_S && isatty(STDERR_FILENO);
	struct sigaction before[ENDS];
	int err;

	catch_signals(before);
	err = pages_age_begin(&ss->pages, &ss->target, o->idle_ns, e);
	if (!err) {
		err = wait_looks(ss, o, shown, e);
		if (shown)
			fprintf(stderr, "\r\033[K");
	}
	release_signals(before);
	if (!ended_by)
		return err;
	pages_age_end(&ss->pages, &ss->target);
	raise(ended_by);
	return error_set(e, EXIT_FAILED, "interrupted");
}
