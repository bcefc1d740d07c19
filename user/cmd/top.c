// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow top: the processes of this machine, ranked by their fallow memory. */
#include "cmd/cmd.h"

#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "cmd/watch.h"
#include "model/node.h"
#include "render/top.h"

/* A table is not to be waited for. */
static const struct node_budget once = { 1500000000, 1500000000 };

static const char usage[] =
	"usage: fallow top [options]\n"
	"\n"
	"All processes that you may look at, ranked by their fallow memory: what their\n"
	"allocators hold and the application does not use. The largest are looked at\n"
	"first, quickly (see report --quick), for about a second; of what was not "
	"looked\n"
	"at, fallow is at most what is anonymous. On a terminal, a live screen.\n"
	"\n"
	"  -i, --interval=T  of the live screen, time between two rounds (default 2s)\n"
	"  --once            print a table, as where there is no terminal\n"
	"  --after=TIME      two rounds, TIME apart: growth, and verdicts of change\n"
	"  -j, --json        one JSON object, sizes in bytes\n" HELP_SOURCE;

static int show(const struct options *o, const struct node *n, struct error *e)
{
	if (!o->json)
		text_top(stdout, n, want_colour(STDOUT_FILENO));
	else if (json_top(stdout, n))
		return error_set(e, EXIT_FAILED, "writing JSON failed");
	return 0;
}

static int print_once(struct node *n, const struct options *o, struct error *e)
{
	if (node_round(n, &once, &watch_stop, e))
		return -1;
	if (o->after_ns) {
		wait_for(NULL, o->after_ns);
		if (node_round(n, &once, &watch_stop, e))
			return -1;
	}
	return show(o, n, e);
}

static int top(const struct options *o, struct error *e)
{
	struct pages pages;
	struct node n = { .pages = &pages, .device = o->source != SOURCE_PROCFS };
	bool terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
	int err;

	if (pages_open(&pages, o->source, e))
		return -1;
	if (o->json || o->once || o->after_ns || !terminal)
		err = print_once(&n, o, e);
	else
		err = top_screen(&n, o, e);
	node_free(&n);
	pages_close(&pages);
	return err;
}

int cmd_top(int argc, char **argv)
{
	struct options o;
	struct error e;
	int status = options_parse(
		&o, argc, argv,
		OPT_SOURCE | OPT_JSON | OPT_INTERVAL | OPT_AFTER | OPT_ONCE, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	setlocale(LC_CTYPE, "");
	return top(&o, &e) ? report_error(&e) : EXIT_DONE;
}
