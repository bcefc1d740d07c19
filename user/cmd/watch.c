// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow watch: a process, looked at each interval, on a screen or as lines of JSON. */
#include "cmd/watch.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: fallow watch TARGET [options]\n"
	"\n"
	"A live screen of a process: every resident page in one class, with change and\n"
	"rate, what would help, and what grows; regions, heap, trend and evidence by\n"
	"keys, which ? explains. If the process ends, its last look stays, and the exit\n"
	"status is 3. Heaps are looked at quickly: see report --quick.\n"
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

uint64_t watch_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t watch_next(uint64_t begun, uint64_t took, uint64_t interval_ns)
{
	return begun + (interval_ns > 2 * took ? interval_ns : 2 * took);
}

int watch_left_ms(uint64_t next)
{
	uint64_t now = watch_now();

	if (now >= next)
		return 0;
	return next - now > WATCH_WAIT_MS * 1000000ull
		       ? WATCH_WAIT_MS
		       : (int)((next - now) / 1000000u) + 1;
}

static void sleep_until(uint64_t when)
{
	struct timespec ts = { .tv_sec = (time_t)(when / 1000000000u),
			       .tv_nsec = (long)(when % 1000000000u) };

	while (!watch_stop &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static int print_json(const struct snapshot *now, const struct snapshot *before,
		      struct error *e)
{
	struct verdicts verdicts;
	struct view v = { now, before, &verdicts, false };

	verdicts_judge(&verdicts, now, before);
	if (json_snapshot(stdout, &v, true))
		return error_sys(e, errno ? errno : ENOMEM, "writing JSON");
	return 0;
}

static int watch_json(struct looks *l, struct error *e)
{
	struct snapshot looks[2] = {
		{ .source = NULL }
	}; /* the newest, and the one before */
	int n = 0, err = 0;

	while (!watch_stop && !err) {
		uint64_t begun = watch_now();
		struct snapshot s;

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
		if (!err)
			sleep_until(watch_next(begun, watch_now() - begun,
					       l->o->interval_ns));
	}
	while (n)
		snapshot_free(&looks[--n]);
	return err;
}

/* The module may go while it is used: /proc is there still. */
static int go_on_by_procfs(struct looks *l, struct error *e)
{
	struct session *ss = l->ss;
	bool was_module = !strcmp(ss->pages.ops->name, pages_kmod.name);

	if (l->o->source != SOURCE_AUTO || l->o->idle_ns || !was_module ||
	    e->status != EXIT_FAILED)
		return -1;
	snprintf(l->note, sizeof(l->note), "by /proc from now on: %.200s", e->text);
	pages_close(&ss->pages);
	return pages_open(&ss->pages, SOURCE_PROCFS, e);
}

static int look(struct looks *l, struct snapshot *s, struct error *e)
{
	if (!session_look(l->ss, l->o, s, e))
		return 0;
	return go_on_by_procfs(l, e) ? -1 : session_look(l->ss, l->o, s, e);
}

static int watch(const struct options *o, struct error *e)
{
	struct session ss;
	struct looks l = { .next = look, .ss = &ss, .o = o };
	int err = 0;

	if (!o->json && !(isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)))
		return error_set(e, EXIT_USAGE,
				 "watch draws on a terminal: use --json here");
	if (session_open(&ss, o, e))
		return -1;
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
	o.quick = true;
	o.map = !o.json;
	setlocale(LC_CTYPE, "");
	return watch(&o, &e) ? report_error(&e) : EXIT_DONE;
}
