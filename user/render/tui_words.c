// SPDX-License-Identifier: GPL-2.0-or-later
/* The views that are text: verdicts with all their evidence, and help. */
#include <stdio.h>
#include <stdlib.h>

#include "render/text.h"
#include "render/tui_draw.h"

static const char help[] =
	"1 ledger    every resident page in one class, what would help, what grows\n"
	"2 regions   mappings: s order, / filter\n"
	"3 heap      allocators by arena; the address space as a map: a class or age\n"
	"4 trend     the ledger over time, and rates\n"
	"5 verdicts  evidence and advice\n"
	"Tab, arrows: the next view. Up, Down, PgUp, PgDn, Home, End: scroll\n"
	"\n"
	"b  mark: changes are told from the last look on (at first: from the first)\n"
	"p  pause, and go on; Space: look now\n"
	"+  -  look more often, less often\n"
	"w  write the last look to a file, for fallow diff\n"
	"q  quit\n"
	"Of a recording: , and . the look before and after; [ and ] ten; { and } the\n"
	"first and the last; g a time, as -10m or 14:05, or a number; p plays\n"
	"\n"
	"live: bytes in blocks that the application holds. fallow: whole free pages "
	"that\n"
	"the allocator keeps. stranded: free bytes on pages that have a live block.\n"
	"\n";

void tui_verdicts(struct canvas *c, struct tui *t, int row, int end)
{
	struct view v = { t->now, t->before, t->verdicts, false };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	row = tui_head(c, t, row);
	if (f) {
		text_verdicts(f, &v);
		for (size_t i = 0; i < t->now->nheaps; i++)
			text_heap_line(f, t->now->heaps[i]);
		text_footer(f, &v);
	}
	if (!f || fclose(f))
		canvas_put(c, row, 0, INK_WARN, "out of memory");
	else
		tui_text(c, t, row, end, text);
	free(text);
}

void tui_help(struct canvas *c, struct tui *t, int row, int end)
{
	char text[sizeof(help) + 1024];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s", help);

	for (int k = 0; k < LEDGER_CLASSES && at < sizeof(text); k++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %-15s %s\n",
				       canvas_mark(c, (enum ledger_class)k),
				       ledger_name((enum ledger_class)k),
				       ledger_meaning((enum ledger_class)k));
	tui_text(c, t, row, end, text);
}
