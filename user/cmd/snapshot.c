// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow snapshot: one look at a process, kept in a file. */
#include "cmd/cmd.h"

#include "store/write.h"

static const char usage[] =
	"usage: fallow snapshot TARGET -o FILE [options]\n"
	"\n"
	"Keeps one look at a process in a file, for fallow diff: what fallow report\n"
	"--json prints. No memory contents are in it, but names and the command line.\n"
	"TARGET is a pid or a process name.\n"
	"\n"
	"  -o, --output=FILE a file that is there is replaced, once all is written\n"
	"  --freeze          stop the process (SIGSTOP) during the look\n" HELP_TARGET;

static int fill(FILE *out, const void *view)
{
	return json_snapshot(out, view, false);
}

int snapshot_keep(const struct snapshot *s, const char *path, struct error *e)
{
	struct verdicts verdicts;
	struct view view = { s, NULL, &verdicts, false };

	verdicts_judge(&verdicts, s, NULL);
	return write_whole(path, fill, &view, e);
}

int cmd_snapshot(int argc, char **argv)
{
	struct options o;
	struct session ss;
	struct snapshot s;
	struct error e;
	int status = options_parse(&o, argc, argv,
				   OPT_TARGET | OPT_SOURCE | OPT_FREEZE | OPT_OUTPUT,
				   usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (session_open(&ss, &o, &e))
		return report_error(&e);
	status = session_look(&ss, &o, &s, &e);
	session_close(&ss);
	if (status)
		return report_error(&e);
	status = snapshot_keep(&s, o.output, &e);
	snapshot_free(&s);
	return status ? report_error(&e) : EXIT_DONE;
}
