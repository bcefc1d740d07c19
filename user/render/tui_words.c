// SPDX-License-Identifier: GPL-2.0-or-later
/* The views that are text: verdicts with all their evidence, and help. */
#include <stdio.h>
#include <stdlib.h>

#include "render/text.h"
#include "render/tui_draw.h"

static const char views[] =
	"1 ledger    every resident page in one class, what would help, what grows\n"
	"2 regions   mappings. s: another order; /: those that match, from any view\n"
	"3 heap      allocators by arena, and the address space. a: by class, or by age\n"
	"4 trend     the ledger over time, and rates\n"
	"5 verdicts  evidence and advice\n"
	"Tab, Right    the next view; Shift-Tab, Left: the one before\n"
	"? h           this, and back; Esc: back\n"
	"Up k, Down j  scroll, as PgUp, PgDn, Home, End\n"
	"b             mark: from now on changes are told from this look\n"
	"w             write the look to a file, for fallow diff\n"
	"+ -           look more often, less often; (9 s): it has to rest so long\n";

static const char live[] = "p             pause, and go on; Space: look now\n";

static const char recording[] =
	"p             play, and pause\n"
	", < . > Space  the look before; the one after\n"
	"[ ] { }       ten looks back, on; the first, the last\n"
	"g             to a time, as -10m or 14:05, or a number\n";

static const char rest[] =
	"q Q           quit\n"
	"While you type: Enter takes it, Esc does not, Ctrl-U empties it.\n"
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
		tui_text(c, &t->in, row, end, text);
	free(text);
}

void tui_help(struct canvas *c, struct tui *t, int row, int end)
{
	char text[sizeof(views) + sizeof(recording) + sizeof(rest) + 1024];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s%s%s", views,
				     t->looks ? recording : live, rest);

	for (int k = 0; k < LEDGER_CLASSES && at < sizeof(text); k++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %-15s %s\n",
				       canvas_mark(c, (enum ledger_class)k),
				       ledger_name((enum ledger_class)k),
				       ledger_meaning((enum ledger_class)k));
	tui_text(c, &t->in, row, end, text);
}
