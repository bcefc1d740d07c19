// SPDX-License-Identifier: GPL-2.0-or-later
/* The live screen of fallow top: rounds and keys in turn. */
#include <ncurses.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/watch.h"
#include "render/terminal.h"
#include "render/tui_top.h"

/* So that the machine has the rest, and keys are soon answered. */
static const struct node_budget first = { 1500000000, 1500000000 };
static const struct node_budget later = { 1000000000, 300000000 };

struct screen {
	struct terminal terminal;
	struct tui_top top;
	struct pace pace;
};

static void draw(struct canvas *c, void *arg)
{
	tui_top_draw(c, arg);
}

static void show(struct screen *w)
{
	terminal_show(&w->terminal, draw, &w->top);
}

/* Whether to look now. */
static bool act(struct screen *w, int key)
{
	enum tui_top_action action = tui_top_key(&w->top, key);

	if (action == TOP_QUIT)
		watch_stop = 1;
	return action == TOP_LOOK;
}

/* Takes keys until it is time for another round. */
static void wait_keys(struct screen *w)
{
	int key;

	while (!watch_stop &&
	       (key = watch_key(&w->terminal, &w->top.in, &w->pace)) != WATCH_NOW) {
		if (key == ERR)
			continue;
		if (key != KEY_RESIZE && act(w, key))
			return;
		show(w);
	}
}

static int go_round(struct screen *w, struct node *n, const struct node_budget *b,
		    struct error *e)
{
	int err;

	pace_begin(&w->pace);
	err = node_round(n, b, &watch_stop, e);
	pace_end(&w->pace);
	return err;
}

int top_screen(struct node *n, const struct options *o, struct error *e)
{
	struct screen w = { .top = { .node = n, .in.interval_ns = o->interval_ns } };
	int err;

	watch_catch_signals();
	err = go_round(&w, n, &first, e);
	if (err || terminal_open(&w.terminal, want_colour(STDOUT_FILENO), e))
		return -1;
	while (!watch_stop && !err) {
		show(&w);
		wait_keys(&w);
		if (!watch_stop)
			err = go_round(&w, n, &later, e);
	}
	terminal_close(&w.terminal);
	return err;
}
