// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow record: looks at a process, or at all, one after the other, kept in one file. */
#include "cmd/record.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "render/escape.h"
#include "target/counters.h"

static const char usage[] =
	"usage: fallow record TARGET -o FILE [options]\n"
	"       fallow record --all -o FILE [options]\n"
	"\n"
	"Keeps looks at a process in a file, which report, regions, heap, snapshot, diff "
	"and\n"
	"export then read as they read a process: FILE@-1 is the last look, FILE@3 the\n"
	"third, FILE@-10m and FILE@14:05 what was then. Looks are added to a recording "
	"that\n"
	"is there. Heaps are looked at quickly: see report --quick. Ctrl-C ends it.\n"
	"\n"
	"  -o, --output=FILE the recording; what is in it is safe whatever ends this\n"
	"  -i, --interval=T  time between two looks (default 5s); after each the target\n"
	"                    rests for as long as the look took, at least\n"
	"  --for=T           end after this time\n"
	"  --keep=N|SIZE|T   remove the oldest: keep N looks of each process (1000), a "
	"file\n"
	"                    of SIZE at most (100M, 2G), or what is younger than T (30m, "
	"7d);\n"
	"                    with --all, N does not bound the file: processes that ended "
	"stay\n"
	"  --when=C          keep a look only if C holds, asked each interval: rss>8G,\n"
	"                    swap>1G, growth>100M/min, psi>10%, psi-full>5%, "
	"cgroup-psi>10%,\n"
	"                    cgroup-psi-full>5%, or that memory.high, memory.max or\n"
	"                    memory.oom was met; several: any of them\n"
	"  --rate=N/T        keep at most N looks in any time T (10/1h)\n"
	"  --all             of all processes that can be looked at, those that ran "
	"since\n"
	"                    their last look\n" HELP_TARGET;

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* No SA_RESTART: a signal is to cut the wait short. What is ignored, by nohup, stays so. */
static void catch_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal }, before;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaction(ends[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(ends[i], &sa, NULL);
	}
}

bool run_over(const struct run *r)
{
	return stop || clock_ns(CLOCK_MONOTONIC) >= r->ends_ns;
}

void run_rest(const struct run *r, uint64_t begun_ns, uint64_t interval_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), until = begun_ns + interval_ns;
	struct timespec ts;

	if (until < now + (now - begun_ns))
		until = now + (now - begun_ns);
	if (until > r->ends_ns)
		until = r->ends_ns;
	ts = (struct timespec){ .tv_sec = (time_t)(until / 1000000000u),
				.tv_nsec = (long)(until % 1000000000u) };
	while (!stop &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

bool run_allowed(struct run *r)
{
	const struct rate *rate = &r->o->rate;

	if (!rate->looks || r->nkept < rate->looks ||
	    clock_ns(CLOCK_MONOTONIC) - r->kept_ns[r->next] >= rate->ns)
		return true;
	r->left_out++;
	return false;
}

static void count_look(struct run *r)
{
	const struct rate *rate = &r->o->rate;

	r->looks++;
	if (!rate->looks)
		return;
	r->kept_ns[r->next] = clock_ns(CLOCK_MONOTONIC);
	r->next = (r->next + 1) % rate->looks;
	if (r->nkept < rate->looks)
		r->nkept++;
}

/* -1 with errno set. */
static int write_text(struct blob *text, const struct snapshot *s)
{
	struct verdicts verdicts;
	struct view view = { s, NULL, &verdicts, false };
	char *buf = NULL;
	FILE *f = open_memstream(&buf, &text->len);
	int err;

	if (!f)
		return -1;
	verdicts_judge(&verdicts, s, NULL);
	err = json_snapshot(f, &view, true);
	if (fclose(f) || err) {
		free(buf);
		errno = ENOMEM;
		return -1;
	}
	text->data = buf;
	return 0;
}

int run_keep(struct run *r, struct snapshot *s, const char *why, struct error *e)
{
	struct blob text;
	int err;

	if (write_text(&text, s)) {
		err = error_sys(e, errno, "the look at process %d", (int)s->process.pid);
	} else {
		err = recorder_add(r->to, s, &text, why, e);
		free(text.data);
	}
	snapshot_free(s);
	if (!err)
		count_look(r);
	return err;
}

bool run_go_on(struct pages *p, const struct options *o, struct error *e)
{
	if (!source_go_on(p, o, e))
		return false;
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	report_error(e);
	return true;
}

static void show_progress(const struct run *r)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" PRIu64 " looks in %s\033[K", r->looks,
			r->o->output);
}

/* 0; 1 if what execve() pulled away from under the look ended it, not the process; -1. */
static int look(struct run *r, struct session *ss, const char *why, struct error *e)
{
	struct options quick = *r->o;
	struct snapshot s;
	struct error gone;

	quick.quick = true;
	quick.quiet = true;
	if (!session_look(ss, &quick, &s, e) ||
	    (run_go_on(&ss->pages, &quick, e) && !session_look(ss, &quick, &s, e)))
		return run_keep(r, &s, why, e);
	return e->status == EXIT_GONE && !target_refresh(&ss->target, &gone) ? 1 : -1;
}

static int record_one(struct run *r, struct session *ss, struct error *e)
{
	struct when_history history = { 0 };
	uint32_t facts = when_facts(&r->o->when);
	struct counters now;

	if (counters_check(&ss->target, facts, e))
		return -1;
	while (!run_over(r)) {
		uint64_t begun = clock_ns(CLOCK_MONOTONIC);
		const struct when *why;

		if (counters_read(&now, &ss->target, facts, e))
			return -1;
		why = when_holds(&r->o->when, &history, &now);
		if ((why || !r->o->when.n) && run_allowed(r) &&
		    look(r, ss, why ? why->text : "", e) < 0)
			return -1;
		show_progress(r);
		run_rest(r, begun, r->o->interval_ns);
	}
	return 0;
}

/* Of all, a source is enough. */
static int open_source(struct session *ss, const struct options *o, struct error *e)
{
	*ss = (struct session){ .target = { .dir = -1 } };
	if (o->all)
		return pages_open(&ss->pages, o->source, e);
	if (session_open(ss, o, e))
		return -1;
	return ss->stored ? error_set(e, EXIT_USAGE, "record: %s is a look in a file",
				      o->target)
			  : 0;
}

static int begin(struct run *r, struct error *e)
{
	const struct rate *rate = &r->o->rate;

	if (rate->looks) {
		r->kept_ns = calloc(rate->looks, sizeof(*r->kept_ns));
		if (!r->kept_ns)
			return error_sys(e, ENOMEM, "record");
	}
	return recorder_open(&r->to, r->o->output, &r->o->keep, e);
}

static void end(struct run *r)
{
	if (r->to)
		recorder_close(r->to);
	free(r->kept_ns);
}

static void tell(const struct run *r)
{
	char name[4096];

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	printf("%" PRIu64 " look%s", r->looks, r->looks == 1 ? "" : "s");
	if (r->o->all)
		printf(" at %" PRIu64 " process%s", r->processes,
		       r->processes == 1 ? "" : "es");
	printf(" in %s", escape_terminal(name, sizeof(name), r->o->output));
	if (r->left_out)
		printf(", %" PRIu64 " left out by --rate", r->left_out);
	if (r->gone + r->denied + r->failed)
		printf("; of others, %" PRIu64 " ended, %" PRIu64
		       " may not be looked at, %" PRIu64 " failed",
		       r->gone, r->denied, r->failed);
	putchar('\n');
}

static int record(struct run *r, struct error *e)
{
	struct session ss;
	int err;

	if (open_source(&ss, r->o, e))
		return -1;
	err = begin(r, e);
	if (!err) {
		catch_signals();
		err = r->o->all ? record_all(r, &ss.pages, e) : record_one(r, &ss, e);
		tell(r);
	}
	end(r);
	if (r->o->all)
		pages_close(&ss.pages);
	else
		session_close(&ss);
	return err;
}

int cmd_record(int argc, char **argv)
{
	struct options o;
	struct run r = { .o = &o, .ends_ns = UINT64_MAX };
	struct error e;
	int status = options_parse(&o, argc, argv,
				   OPT_TARGET | OPT_SOURCE | OPT_OUTPUT | OPT_INTERVAL |
					   OPT_FOR | OPT_RECORD,
				   usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (o.for_ns)
		r.ends_ns = clock_ns(CLOCK_MONOTONIC) + o.for_ns;
	return record(&r, &e) ? report_error(&e) : EXIT_DONE;
}
