/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the views of tui.h: each draws rows from @row up to @end, which is not its. */
#ifndef FALLOW_TUI_DRAW_H
#define FALLOW_TUI_DRAW_H

#include "render/tui.h"

#define TUI_SIZE 13 /* cells of a size, right-aligned */

void tui_ledger(struct canvas *c, struct tui *t, int row, int end);
void tui_regions(struct canvas *c, struct tui *t, int row, int end);
void tui_heap(struct canvas *c, struct tui *t, int row, int end);
void tui_trend(struct canvas *c, struct tui *t, int row, int end);
void tui_verdicts(struct canvas *c, struct tui *t, int row, int end);
void tui_help(struct canvas *c, struct tui *t, int row, int end);

/* The map of the address space. */
void tui_map(struct canvas *c, const struct tui *t, int row, int end);

/* The process and what it does, in the first rows; the one after them. */
int tui_head(struct canvas *c, const struct tui *t, int row);

/* A size, right-aligned in TUI_SIZE cells. */
void tui_size(struct canvas *c, int row, int col, enum ink ink, uint64_t bytes);
/* A change, and what that is a minute: 2 * TUI_SIZE + 4 cells. */
void tui_change(struct canvas *c, int row, int col, enum ink ink, int64_t change,
		int64_t rate);

/* The last looks' values of @q, as many as fit in @width cells. */
void tui_spark(struct canvas *c, const struct tui *t, int row, int col, int width,
	       enum ink ink, enum quantity q);

/*
 * Lines of @text that are scrolled to, broken where they are too long, further lines
 * indented as the first; the row after them.
 */
int tui_text(struct canvas *c, struct input *in, int row, int end, const char *text);

/* Bytes a minute, of late. */
int64_t tui_rate(const struct tui *t, enum quantity q);

#endif
