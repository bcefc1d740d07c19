// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow trace: whose calls map memory that stays mapped. */
#include "cmd/cmd.h"

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

static int show(const struct target *t, const struct trace *tr, bool json)
{
	if (json)
		return json_trace(stdout, t, tr) ? EXIT_FAILED : EXIT_DONE;
	text_trace(stdout, t, tr, want_colour(STDOUT_FILENO));
	return EXIT_DONE;
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
