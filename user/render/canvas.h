/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A screen of character cells that is drawn upon in memory, and shown as a whole. It
 * takes any text: what is not printable never gets into a cell.
 */
#ifndef FALLOW_CANVAS_H
#define FALLOW_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"

/* By meaning; a terminal without colours shows those of the first line alone. */
enum ink {
	INK_PLAIN,
	INK_BOLD,
	INK_DIM,
	INK_BAR,
	INK_GOOD,
	INK_WARN,
	INK_COLD, /* of a heat map */
	INK_CLASS, /* and one for each of the ledger's */
	INKS = INK_CLASS + LEDGER_CLASSES
};

struct canvas_cell {
	char text[8]; /* one character; "" behind one that is two cells wide */
	uint8_t ink;
};

struct canvas {
	int rows, cols;
	bool utf8; /* else ASCII alone */
	struct canvas_cell *cells; /* by row */
};

/* An empty one: 0 or -ENOMEM. */
int canvas_init(struct canvas *c, int rows, int cols, bool utf8);
void canvas_free(struct canvas *c);

/* Text in the locale's encoding from a cell on, cut at the edges. The column after it. */
int canvas_put(struct canvas *c, int row, int col, enum ink ink, const char *text);
int canvas_printf(struct canvas *c, int row, int col, enum ink ink, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* A line of @ink over the whole width, which may be written upon. */
void canvas_rule(struct canvas *c, int row, enum ink ink);

/* @n numbers as a line of bars from @low to @high, a cell each. */
void canvas_spark(struct canvas *c, int row, int col, enum ink ink, const uint64_t *v,
		  size_t n, uint64_t low, uint64_t high);

/* The mark of a class: on a terminal without colours they are told apart by it. */
const char *canvas_mark(const struct canvas *c, enum ledger_class k);

/* A bar of @width cells, divided among the classes in proportion; @full is all of it. */
void canvas_bar(struct canvas *c, int row, int col, int width, const uint64_t *value,
		uint64_t full);

/* What is drawn, as lines without trailing blanks, to be freed; NULL: out of memory. */
char *canvas_text(const struct canvas *c);

#endif
