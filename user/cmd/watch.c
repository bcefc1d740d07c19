// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow watch: a process, looked at each interval, on a screen or as lines of JSON. */
#include "cmd/watch.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "store/stored.h"

static const char usage[] =
	"usage: fallow watch TARGET [options]\n"
	"       fallow watch FILE[@LOOK]\n"
	"\n"
	"A live screen of a process: every resident page in one class, with change and\n"
	"rate, what would help, and what grows; regions, heap, trend and evidence by\n"
	"keys, which ? explains. If the process ends, its last look stays, and the exit\n"
	"status is 3. Heaps are looked at quickly: see report --quick. Of a recording "
	"(see\n"
	"record), its looks are shown, from one to the other by keys.\n"
	"\n"
	"  -i, --interval=T  time between two looks (default 2s)\n"
	"  --idle=TIME       also what was not accessed for TIME, see report --idle: "
	"the\n"
	"                    map of the heap view shows it\n"
	"  -j, --json        no screen: one JSON object a line\n" HELP_TARGET;

volatile sig_atomic_t watch_stop;

static void on_signal(int sig)
{
	(void)sig;
	watch_stop = 1;
}

/* No SA_RESTART: a signal is to cut the wait short. */
void watch_catch_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
}

void pace_begin(struct pace *p)
{
	p->begun = clock_ns(CLOCK_MONOTONIC);
	p->cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

#define PART	     10u /* of the time of one CPU looks take one in so many... */
#define CAREFUL_PART 100u /* ...and of that of all, where the target may need them all */

static uint64_t careful_part(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double load;

	if (cpus < 1 || cpus >= (long)(CAREFUL_PART / PART) ||
	    getloadavg(&load, 1) != 1 || load < (double)cpus - 0.5)
		return PART;
	return CAREFUL_PART / (uint64_t)cpus;
}

void pace_end(struct pace *p)
{
	uint64_t took = clock_ns(CLOCK_MONOTONIC) - p->begun;
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - p->cpu;

	cpu *= p->careful ? careful_part() : PART;
	p->least = 2 * took > cpu ? 2 * took : cpu;
}

uint64_t pace_next(const struct pace *p, uint64_t interval_ns)
{
	return p->begun + (interval_ns > p->least ? interval_ns : p->least);
}

#define WATCH_WAIT_MS 1000 /* for a key, at most */

/* How long to wait for a key now, until @next; 0: not at all. */
static int left_ms(uint64_t next)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now >= next)
		return 0;
	return next - now > WATCH_WAIT_MS * 1000000ull
		       ? WATCH_WAIT_MS
		       : (int)((next - now) / 1000000u) + 1;
}

int watch_key(struct terminal *t, const struct input *in, const struct pace *p)
{
	int ms = in->paused || in->ended ? WATCH_WAIT_MS
					 : left_ms(pace_next(p, in->interval_ns));

	return ms ? terminal_key(t, ms) : WATCH_NOW;
}

static void sleep_until(uint64_t when)
{
	struct timespec ts = { .tv_sec = (time_t)(when / 1000000000u),
			       .tv_nsec = (long)(when % 1000000000u) };

	while (!watch_stop &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/*
 * When it is told to end, what it has begun to write is still written, but to somebody
 * who does not read, as a full pipe has, it is not.
 */
static int write_out(const char *text, size_t len, struct error *e)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (len) {
		int ready = poll(&out, 1, WATCH_WAIT_MS);
		ssize_t n;

		if (ready < 0 && errno != EINTR)
			return error_sys(e, errno, "writing JSON");
		if (!ready && watch_stop)
			break;
		if (ready <= 0)
			continue;
		n = write(STDOUT_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return error_sys(e, errno, "writing JSON");
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int print_json(const struct snapshot *now, const struct snapshot *before,
		      struct error *e)
{
	struct verdicts verdicts;
	struct view v = { now, before, &verdicts, false };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int err;

	/* What called exec meanwhile did not grow from what it was. */
	if (before && before->process.execs != now->process.execs)
		v.before = before = NULL;
	verdicts_judge(&verdicts, now, before);
	err = f ? json_snapshot(f, &v, true) : -1;
	if (f && fclose(f))
		err = -1;
	err = err ? error_sys(e, ENOMEM, "writing JSON") : write_out(text, len, e);
	free(text);
	return err;
}

static int watch_json(struct looks *l, struct error *e)
{
	struct snapshot looks[2] = {
		{ .source = NULL }
	}; /* the newest, and the one before */
	int n = 0, err = 0;

	while (!watch_stop && !err) {
		struct snapshot s;
		struct pace pace = { .careful = true };

		pace_begin(&pace);
		if (n)
			snapshot_shed(&looks[0]);
		err = l->next(l, &s, e);
		if (err)
			break;
		if (n == 2)
			snapshot_free(&looks[1]);
		looks[1] = looks[0];
		looks[0] = s;
		n = n < 2 ? n + 1 : 2;
		err = print_json(&looks[0], n == 2 ? &looks[1] : NULL, e);
		pace_end(&pace);
		if (!err)
			sleep_until(pace_next(&pace, l->o->interval_ns));
	}
	while (n)
		snapshot_free(&looks[--n]);
	return err;
}

static int look(struct looks *l, struct snapshot *s, struct error *e)
{
	if (!session_look(l->ss, l->o, s, e))
		return 0;
	if (!source_go_on(&l->ss->pages, l->o, e))
		return -1;
	snprintf(l->note, sizeof(l->note), "%.220s", e->text);
	return session_look(l->ss, l->o, s, e);
}

static int replay(struct session *ss, const struct options *o, struct error *e)
{
	struct looks l = { .ss = ss, .o = o };
	int err;

	if (o->json)
		err = error_set(
			e, EXIT_USAGE,
			"--json is for a process that is watched: of a recording, "
			"fallow report --json shows each look");
	else
		err = stored_replay(&l.recording, &l.i, ss->stored, e);
	if (!err) {
		watch_catch_signals();
		err = watch_screen(&l, e);
		recording_close(l.recording);
	}
	session_close(ss);
	return err;
}

static int watch(struct options *o, struct error *e)
{
	struct session ss;
	struct looks l = { .next = look, .ss = &ss, .o = o };
	int err = 0;

	if (!o->json && !(isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)))
		return error_set(e, EXIT_USAGE,
				 "watch draws on a terminal: use --json here");
	if (session_open(&ss, o, e))
		return -1;
	if (ss.stored)
		return replay(&ss, o, e);
	o->quick = true;
	if (o->idle_ns)
		err = session_watch_idle(&ss, o, e);
	watch_catch_signals();
	if (!err)
		err = o->json ? watch_json(&l, e) : watch_screen(&l, e);
	session_close(&ss);
	return err;
}

int cmd_watch(int argc, char **argv)
{
	struct options o;
	struct error e;
	int status = options_parse(
		&o, argc, argv,
		OPT_TARGET | OPT_SOURCE | OPT_JSON | OPT_INTERVAL | OPT_IDLE, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	o.quiet = true;
	o.map = !o.json;
	setlocale(LC_CTYPE, "");
	return watch(&o, &e) ? report_error(&e) : EXIT_DONE;
}
