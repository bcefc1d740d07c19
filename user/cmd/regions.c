// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow regions: the mappings of a process. */
#include "cmd/cmd.h"

static const char usage[] =
	"usage: fallow regions TARGET [options]\n"
	"       fallow regions --columns=help\n"
	"\n"
	"Each mapping of a process: what is resident in it and who owns it, biggest\n"
	"first. TARGET is a pid or a process name.\n"
	"\n"
	"  --columns=C[,C]   what to show of each mapping: names of columns, or all;\n"
	"                    help lists them\n"
	"  --sort=C          by this column: a size from the biggest down, all else up\n"
	"                    (default rss; address for the order in memory)\n"
	"  --trace=TIME      follow for so long which functions map memory, and show of\n"
	"                    each mapping the one that mapped most of it (column "
	"mapped_by).\n"
	"                    Takes root\n" HELP_VIEW;

static void text(FILE *out, const struct view *v, const struct options *o)
{
	struct column_list shown = o->columns;

	if (o->trace_ns)
		columns_add(&shown, column_by_name("mapped_by", 9));
	text_regions(out, v, &shown, o->sort);
}

int cmd_regions(int argc, char **argv)
{
	return view_command(argc, argv, OPT_COLUMNS | OPT_TRACE, usage, text);
}
