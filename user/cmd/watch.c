// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fallow watch: the report, redrawn each interval with what changed. The
 * terminal is left as it was, whatever ends the watch.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static const char usage[] =
	"usage: fallow watch TARGET [options]\n"
	"\n"
	"The report of a process, redrawn each interval, with change and rate a line.\n"
	"q or Ctrl-C ends it; so does the end of the process (exit status 3).\n"
	"Heaps are looked at quickly: see report --quick.\n"
	"\n"
	"  -i, --interval=T  time between two looks (default 2s)\n"
	"  -j, --json        one JSON object a line\n" HELP_TARGET;

struct watch {
	struct session ss;
	struct options o;
	struct snapshot looks[2]; /* the newest, and the one before */
	int nlooks;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* No SA_RESTART: a signal is to cut the wait short. */
static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static int look(struct watch *w, struct error *e)
{
	struct snapshot s;

	if (w->nlooks)
		snapshot_shed(&w->looks[0]);
	if (session_look(&w->ss, &w->o, &s, e))
		return -1;
	if (w->nlooks == 2)
		snapshot_free(&w->looks[1]);
	if (w->nlooks)
		w->looks[1] = w->looks[0];
	w->looks[0] = s;
	if (w->nlooks < 2)
		w->nlooks++;
	return 0;
}

static struct view view_of(struct watch *w, struct verdicts *verdicts)
{
	const struct snapshot *before = w->nlooks == 2 ? &w->looks[1] : NULL;

	verdicts_judge(verdicts, &w->looks[0], before);
	return (struct view){ &w->looks[0], before, verdicts, false };
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t when)
{
	struct timespec ts = { .tv_sec = (time_t)(when / 1000000000u),
			       .tv_nsec = (long)(when % 1000000000u) };

	while (!stop &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/*
 * When to look again after a look that began at @begun. A look disturbs the
 * target a little, so that it rests for at least as long as the look took.
 */
static uint64_t next_look(const struct watch *w, uint64_t begun)
{
	uint64_t now = now_ns(), next = begun + w->o.interval_ns;
	uint64_t rested = now + (now - begun);

	return next > rested ? next : rested;
}

static int watch_json(struct watch *w, struct error *e)
{
	struct verdicts verdicts;

	while (!stop) {
		uint64_t begun = now_ns();
		struct view v;

		if (look(w, e))
			return -1;
		v = view_of(w, &verdicts);
		if (json_snapshot(stdout, &v, true))
			return error_sys(e, errno ? errno : ENOMEM, "writing JSON");
		sleep_until(next_look(w, begun));
	}
	return 0;
}

/* One line of the report, cut at the right edge. */
static void draw_line(int row, const char *line, size_t len)
{
	wchar_t wide[512];
	char copy[1024];
	int columns = 0;
	size_t n;

	if (len >= sizeof(copy))
		len = sizeof(copy) - 1;
	memcpy(copy, line, len);
	copy[len] = '\0';
	n = mbstowcs(wide, copy, sizeof(wide) / sizeof(wide[0]) - 1);
	if (n == (size_t)-1) {
		mvaddnstr(row, 0, copy, COLS);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int width = wcwidth(wide[i]);

		columns += width > 0 ? width : 0;
		if (columns > COLS)
			n = i;
	}
	mvaddnwstr(row, 0, wide, (int)n);
}

static void draw_footer(struct watch *w)
{
	char text[96], when[16];
	struct tm tm;

	localtime_r(&w->looks[0].time.tv_sec, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s  every %.1f s  q: quit", when,
		 (double)w->o.interval_ns / 1e9);
	attron(A_REVERSE);
	mvaddnstr(LINES - 1, 0, text, COLS);
	attroff(A_REVERSE);
}

static void draw(struct watch *w)
{
	struct verdicts verdicts;
	struct view v = view_of(w, &verdicts);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int row = 0;

	if (!f)
		return;
	text_report(f, &v);
	fclose(f);
	erase();
	for (const char *line = text; line && *line && row < LINES - 1; row++) {
		size_t len = strcspn(line, "\n");

		draw_line(row, line, len);
		line += len + (line[len] == '\n');
	}
	free(text);
	draw_footer(w);
	refresh();
}

/* Draws, and takes keys until it is time to look again. */
static void wait_keys(struct watch *w, uint64_t next)
{
	draw(w);
	for (uint64_t now; !stop && (now = now_ns()) < next;) {
		uint64_t ms = (next - now) / 1000000u + 1;
		int key;

		timeout(ms > 1000 ? 1000 : (int)ms);
		key = getch();
		if (key == 'q' || key == 'Q')
			stop = 1;
		else if (key == KEY_RESIZE)
			draw(w);
	}
}

static int watch_screen(struct watch *w, struct error *e)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	int err = 0;

	if (!screen)
		return error_set(
			e, EXIT_FAILED,
			"the terminal type \"%s\" is not known: set TERM, or use --json",
			getenv("TERM") ? getenv("TERM") : "");
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	while (!stop) {
		uint64_t begun = now_ns();

		err = look(w, e);
		if (err)
			break;
		wait_keys(w, next_look(w, begun));
	}
	endwin();
	delscreen(screen);
	return err;
}

static int watch(struct watch *w, struct error *e)
{
	int err;

	if (!w->o.json && !(isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)))
		return error_set(e, EXIT_USAGE,
				 "watch draws on a terminal: use --json here");
	if (session_open(&w->ss, &w->o, e))
		return -1;
	catch_signals();
	err = w->o.json ? watch_json(w, e) : watch_screen(w, e);
	for (int i = 0; i < w->nlooks; i++)
		snapshot_free(&w->looks[i]);
	session_close(&w->ss);
	return err;
}

int cmd_watch(int argc, char **argv)
{
	struct watch w = { .nlooks = 0 };
	struct error e;
	int status = options_parse(&w.o, argc, argv,
				   OPT_TARGET | OPT_SOURCE | OPT_JSON | OPT_INTERVAL,
				   usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	w.o.quiet = true;
	w.o.quick = true;
	setlocale(LC_CTYPE, "");
	return watch(&w, &e) ? report_error(&e) : EXIT_DONE;
}
