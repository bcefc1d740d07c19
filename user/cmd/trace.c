// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow trace: whose calls map memory that stays mapped. */
#include "cmd/cmd.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "render/trace.h"
#include "trace/trace.h"

static const char usage[] =
	"usage: fallow trace TARGET [options]\n"
	"\n"
	"Follows the system calls by which a process maps and unmaps memory, and tells "
	"by\n"
	"call stack how much was mapped, and how much of that is mapped still, biggest\n"
	"first. TARGET is a pid or a process name. Takes root. Ctrl-C ends it and shows\n"
	"what was seen until then.\n"
	"\n"
	"  --for=T           how long (default 10s)\n"
	"  -j, --json        one JSON object, sizes in bytes\n"
	"  --cgroup=PATH     the process in this cgroup, instead of TARGET\n"
	"  -h, --help\n";

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* No SA_RESTART: a signal is to cut the wait short. */
static void handle_signals(void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static void show_progress(uint64_t passed_ns, uint64_t for_ns, uint64_t calls)
{
	fprintf(stderr, "\rtracing: %.0f of %.0f s, %" PRIu64 " calls\033[K",
		(double)passed_ns / 1e9, (double)for_ns / 1e9, calls);
}

static int show(const struct target *t, const struct trace *tr, bool json)
{
	if (json)
		return json_trace(stdout, t, tr) ? EXIT_FAILED : EXIT_DONE;
	text_trace(stdout, t, tr, want_colour(STDOUT_FILENO));
	return EXIT_DONE;
}

int session_trace(const struct target *t, uint64_t for_ns, struct trace *tr,
		  struct error *e)
{
	bool terminal = isatty(STDERR_FILENO);
	struct trace_how how = { .for_ns = for_ns,
				 .stop = &stop,
				 .tick = terminal ? show_progress : NULL };
	int status;

	handle_signals(on_signal);
	status = trace_take(tr, t, &how, e);
	handle_signals(SIG_DFL);
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return status;
}

static int trace(const struct options *o, struct error *e)
{
	struct target t;
	struct trace tr;
	pid_t pid;
	int status;

	if (o->cgroup ? target_find_cgroup(o->cgroup, &pid, e)
		      : target_find(o->target, &pid, e))
		return -1;
	if (target_open(&t, pid, false, e))
		return -1;
	status = session_trace(&t, o->for_ns, &tr, e);
	if (!status) {
		status = show(&t, &tr, o->json);
		trace_free(&tr);
	}
	target_close(&t);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	struct options o;
	struct error e;
	int status =
		options_parse(&o, argc, argv, OPT_TARGET | OPT_JSON | OPT_FOR, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	status = trace(&o, &e);
	return status < 0 ? report_error(&e) : status;
}
