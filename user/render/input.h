/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keys do on every live screen: scroll, pause, change the interval, type a line. */
#ifndef FALLOW_INPUT_H
#define FALLOW_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/canvas.h"

#define INPUT_TEXT 512

#define INPUT_ESCAPE 27

struct input {
	size_t scroll; /* lines */
	size_t most; /* of scroll, as drawn last; a page is one of so many lines */
	size_t page;
	bool paused, ended; /* ended: nothing new comes */
	uint64_t interval_ns;
	const char *asks; /* what is being typed: "filter"; NULL: nothing */
	char typed[INPUT_TEXT];
	char message[INPUT_TEXT]; /* until the next key; if ended, what happened */
};

enum input_line { INPUT_TYPING, INPUT_TYPED, INPUT_GIVEN_UP };

/* Asks for a line, which begins with @typed. */
void input_ask(struct input *in, const char *what, const char *typed);

/* A key, one of ncurses, while something is asked for: what became of the line. */
enum input_line input_type(struct input *in, int key);

/* Any other: whether it was one to scroll, or to change the interval by. */
bool input_key(struct input *in, int key);

/* Tells how far a list of @lines can be scrolled where @room of them fit. */
void input_scrolls(struct input *in, size_t lines, int room);

/* What is typed, or what there is to say, in a row. */
void input_draw(struct canvas *c, const struct input *in, int row);

#endif
