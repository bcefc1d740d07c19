/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live screen of a process: what is known, how it is shown, and what keys do. Drawing
 * goes to a canvas; nothing here looks at a process, or at a terminal.
 */
#ifndef FALLOW_TUI_H
#define FALLOW_TUI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/history.h"
#include "model/match.h"
#include "model/snapshot.h"
#include "model/verdict.h"
#include "render/canvas.h"
#include "render/input.h"

enum tui_view {
	TUI_LEDGER,
	TUI_REGIONS,
	TUI_HEAP,
	TUI_TREND,
	TUI_VERDICTS,
	TUI_HELP, /* the last one: no key goes on to it */
	TUI_VIEWS
};

enum tui_sort {
	TUI_BY_CHANGE,
	TUI_BY_RESIDENT,
	TUI_BY_SIZE,
	TUI_BY_SWAPPED,
	TUI_BY_ADDRESS,
	TUI_SORTS
};

/* What is being typed. */
enum tui_typing { TUI_TYPES_NOTHING, TUI_TYPES_FILTER, TUI_TYPES_PATH, TUI_TYPES_TIME };

/* What a key asks for that is not the screen's own. */
enum tui_action {
	TUI_NONE,
	TUI_QUIT,
	TUI_LOOK, /* at once */
	TUI_MARK, /* the last look is what changes are told from */
	TUI_SAVE, /* the last look, to tui.path */
	TUI_TURN, /* to the look of index tui.look */
	TUI_GO, /* to the look that tui.path names */
};

struct tui {
	/* What is known. All of it is the caller's. */
	const struct snapshot *now;
	const struct snapshot *before; /* that verdicts compare with; may be NULL */
	const struct verdicts *verdicts;
	const struct history *history;
	struct moment mark; /* changes are told from there on */
	const struct match *regions; /* since then */
	size_t nregions;
	/* How it is shown. */
	enum tui_view view, behind; /* behind: help goes back to it */
	enum tui_sort sort;
	bool by_age; /* the map */
	struct input in;
	uint64_t
		rest_ns; /* if more than the interval: what passes between looks at least */
	size_t looks, look; /* of a recording: how many, and the one shown; 0: live */
	char filter[INPUT_TEXT]; /* of regions; "" for all */
	char path[INPUT_TEXT];
	enum tui_typing typing;
};

void tui_draw(struct canvas *c, struct tui *t);

#define TUI_WHEN 16

/* "21:07:09", local. Returns @buf of TUI_WHEN bytes. */
const char *tui_when(char *buf, const struct timespec *ts);

/* @key is one of ncurses. */
enum tui_action tui_key(struct tui *t, int key);

#endif
