/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal that canvases are shown on, by ncurses. It is left as it was, whatever ends
 * the program but SIGKILL: signals are the caller's to catch.
 */
#ifndef FALLOW_TERMINAL_H
#define FALLOW_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "render/canvas.h"

struct terminal {
	void *screen;
	bool utf8, colour;
};

/* @colour: whether colours are wanted. Output is stdout's, keys are stdin's. */
int terminal_open(struct terminal *t, bool colour, struct error *e);
void terminal_close(struct terminal *t);

/* Has @draw draw on a canvas of the terminal's size, and shows it. */
void terminal_show(struct terminal *t, void (*draw)(struct canvas *c, void *arg),
		   void *arg);

/* A key, one of ncurses; -1 if none comes within @ms milliseconds, or at a signal. */
int terminal_key(struct terminal *t, int ms);

#endif
