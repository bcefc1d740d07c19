// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow info: which sources can be used here, what each can tell, and why not. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "pages/probe.h"
#include "render/info.h"

static const char usage[] =
	"usage: fallow info [--json]\n"
	"\n"
	"The module, the sources of page facts, what each can tell here, and why the\n"
	"rest is unknown; the allocators that are known.\n"
	"\n"
	"  -j, --json        one JSON object\n"
	"  -h, --help\n";

int cmd_info(int argc, char **argv)
{
	struct options o;
	struct probe p;
	struct utsname u = { 0 };
	struct error e;
	int status = options_parse(&o, argc, argv, OPT_JSON, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	uname(&u);
	probe(&p);
	if (o.json)
		return json_info(stdout, &p, u.release) ? EXIT_FAILED : EXIT_DONE;
	text_info(stdout, &p, u.release);
	return EXIT_DONE;
}
