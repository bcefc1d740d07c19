/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live screen of fallow top. As tui.h: it draws on a canvas, and looks at nothing. */
#ifndef FALLOW_TUI_TOP_H
#define FALLOW_TUI_TOP_H

#include "model/node.h"
#include "render/canvas.h"
#include "render/input.h"

enum tui_top_sort { TOP_BY_FALLOW, TOP_BY_RSS, TOP_BY_GROWTH, TOP_SORTS };

enum tui_top_action { TOP_NONE, TOP_QUIT, TOP_LOOK };

struct tui_top {
	const struct node *node; /* the caller's */
	struct input in;
	enum tui_top_sort sort;
	bool help;
	char filter[INPUT_TEXT]; /* of names and verdicts; "" for all */
};

void tui_top_draw(struct canvas *c, struct tui_top *t);

/* @key is one of ncurses. */
enum tui_top_action tui_top_key(struct tui_top *t, int key);

#endif
