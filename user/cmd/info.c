// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow info: which sources can be used here, what each can tell; what is in a recording. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "pages/probe.h"
#include "render/info.h"
#include "render/recording.h"
#include "store/stored.h"

static const char usage[] =
	"usage: fallow info [--json]\n"
	"       fallow info FILE [--json]\n"
	"\n"
	"The module, the sources of page facts, what each can tell here, and why the\n"
	"rest is unknown; the allocators that are known. Of a recording, the processes\n"
	"that are in it, and when they were looked at.\n"
	"\n"
	"  -j, --json        one JSON object\n"
	"  -h, --help\n";

static int show_recording(const struct options *o, struct error *e)
{
	struct recording *r;
	int err;

	if (stored_recording(&r, o->target, e))
		return -1;
	err = o->json ? json_recording(stdout, r, e)
		      : text_recording(stdout, r, o->target, e);
	recording_close(r);
	return err;
}

int cmd_info(int argc, char **argv)
{
	struct options o;
	struct probe p;
	struct utsname u = { 0 };
	struct error e;
	int status = options_parse(&o, argc, argv, OPT_JSON | OPT_FILE, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (o.target)
		return show_recording(&o, &e) ? report_error(&e) : EXIT_DONE;
	uname(&u);
	probe(&p);
	if (o.json)
		return json_info(stdout, &p, u.release) ? EXIT_FAILED : EXIT_DONE;
	text_info(stdout, &p, u.release);
	return EXIT_DONE;
}
