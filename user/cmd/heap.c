// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow heap: the allocators of a process, by arena. */
#include "cmd/cmd.h"

static const char usage[] =
	"usage: fallow heap TARGET [options]\n"
	"\n"
	"Each allocator of a process, by arena, the few blocks that keep much free "
	"memory,\n"
	"and the settings in force. TARGET is a pid or a process name.\n"
	"\n"
	"  --show-data       the first bytes of these blocks, which may be "
	"secret\n" HELP_VIEW;

static void text(FILE *out, const struct view *v, const struct options *o)
{
	(void)o;
	text_heap(out, v);
}

int cmd_heap(int argc, char **argv)
{
	return view_command(argc, argv, OPT_HEAP, usage, text);
}
