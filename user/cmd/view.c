// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow regions and fallow heap: other views of the same look. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <unistd.h>

static const char regions_usage[] =
	"usage: fallow regions TARGET [options]\n"
	"\n"
	"Each mapping of a process: what is resident in it and who owns it, biggest\n"
	"first. TARGET is a pid or a process name.\n"
	"\n"
	"  -j, --json        one JSON object, sizes in bytes\n"
	"  --freeze          stop the process (SIGSTOP) during the look\n"
	"  --source=S        page facts from kmod, procfs, or auto (kmod if loaded)\n"
	"  --cgroup=PATH     the process in this cgroup, instead of TARGET\n"
	"  -h, --help\n";

static const char heap_usage[] =
	"usage: fallow heap TARGET [options]\n"
	"\n"
	"Each allocator of a process, by arena, with the settings in force. TARGET is a\n"
	"pid or a process name.\n"
	"\n"
	"  -j, --json        one JSON object, sizes in bytes\n"
	"  --freeze          stop the process (SIGSTOP) during the look\n"
	"  --source=S        page facts from kmod, procfs, or auto (kmod if loaded)\n"
	"  --cgroup=PATH     the process in this cgroup, instead of TARGET\n"
	"  -h, --help\n";

static int view(int argc, char **argv, const char *usage,
		void (*text)(FILE *out, const struct view *v))
{
	struct verdicts verdicts;
	struct options o;
	struct session ss;
	struct snapshot s;
	struct error e;
	int status =
		options_parse(&o, argc, argv,
			      OPT_TARGET | OPT_SOURCE | OPT_JSON | OPT_FREEZE, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (session_open(&ss, &o, &e))
		return report_error(&e);
	status = session_look(&ss, &o, &s, &e);
	session_close(&ss);
	if (status)
		return report_error(&e);
	verdicts_judge(&verdicts, &s, NULL);
	struct view shown = { &s, NULL, &verdicts, want_colour(STDOUT_FILENO) };

	if (o.json)
		status = json_snapshot(stdout, &shown, false);
	else
		text(stdout, &shown);
	snapshot_free(&s);
	return status ? EXIT_FAILED : EXIT_DONE;
}

int cmd_regions(int argc, char **argv)
{
	return view(argc, argv, regions_usage, text_regions);
}

int cmd_heap(int argc, char **argv)
{
	return view(argc, argv, heap_usage, text_heap);
}
