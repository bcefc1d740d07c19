// SPDX-License-Identifier: GPL-2.0-or-later
/* What commands that show one look have in common. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <unistd.h>

int view_command(int argc, char **argv, unsigned int accepts, const char *usage,
		 void (*text)(FILE *out, const struct view *v, const struct options *o))
{
	struct verdicts verdicts;
	struct options o;
	struct session ss;
	struct snapshot s;
	struct error e;
	int status = options_parse(
		&o, argc, argv, OPT_TARGET | OPT_SOURCE | OPT_JSON | OPT_FREEZE | accepts,
		usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (session_open(&ss, &o, &e))
		return report_error(&e);
	status = o.trace_ns ? session_trace_look(&ss, &o, &s, &e)
			    : session_look(&ss, &o, &s, &e);
	session_close(&ss);
	if (status)
		return report_error(&e);
	verdicts_judge(&verdicts, &s, NULL);
	struct view shown = { &s, NULL, &verdicts, want_colour(STDOUT_FILENO) };

	if (o.json)
		status = json_snapshot(stdout, &shown, false);
	else
		text(stdout, &shown, &o);
	snapshot_free(&s);
	return status ? EXIT_FAILED : EXIT_DONE;
}
