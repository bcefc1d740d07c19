// SPDX-License-Identifier: GPL-2.0-or-later
/* How the ledger went since the first look that is remembered. */
#include <stdlib.h>
#include <string.h>

#include "model/size.h"
#include "render/tui_draw.h"

#define SCALE_CELLS 13
#define TABLE_ROWS  6

static const struct {
	enum quantity q;
	const char *name;
} lines[] = {
	{ QUANTITY_RSS, "RSS" },
	{ QUANTITY_LIVE, "live bytes" },
	{ QUANTITY_STRANDED, "stranded bytes" },
	{ QUANTITY_FALLOW, "fallow pages" },
	{ QUANTITY_SWAP, "swapped" },
};

#define LINES (sizeof(lines) / sizeof(lines[0]))

static const struct {
	uint64_t ns;
	const char *name;
} spans[] = {
	{ 60000000000ull, "1 min" },
	{ 600000000000ull, "10 min" },
	{ UINT64_MAX, "all" },
};

#define SPANS (sizeof(spans) / sizeof(spans[0]))

/* Rates over several times. */
static void draw_table(struct canvas *c, const struct tui *t, int row)
{
	const struct moment *last = history_last(t->history);
	char rate[SIZE_TEXT];

	canvas_printf(c, row, 16, INK_DIM, "%*s", TUI_SIZE, "now");
	for (size_t k = 0; k < SPANS; k++)
		canvas_printf(c, row, 29 + 17 * (int)k, INK_DIM, "%13s    ",
			      spans[k].name);
	for (size_t i = 0; i < LINES; i++) {
		row++;
		canvas_put(c, row, 0, INK_PLAIN, lines[i].name);
		tui_size(c, row, 16, INK_PLAIN, last->value[lines[i].q]);
		for (size_t k = 0; k < SPANS; k++) {
			const struct moment *from =
				history_since(t->history, spans[k].ns);

			canvas_printf(c, row, 29 + 17 * (int)k, INK_PLAIN, "%13s/min",
				      size_format_change(
					      rate, moment_rate(from, last, lines[i].q)));
		}
	}
}

/* The look that a column of the chart stands for. */
static const struct moment *moment_at(const struct history *h, int col, int width)
{
	size_t n = h->n, w = (size_t)width;

	return n <= w ? history_at(h, (size_t)col)
		      : history_at(h, ((size_t)col + 1) * n / w - 1);
}

static void draw_column(struct canvas *c, int col, int row, int rows,
			const struct moment *m, uint64_t full)
{
	uint64_t sum = 0;
	int drawn = 0;

	for (int k = 0; k < LEDGER_CLASSES; k++) {
		int upto;

		sum += m->value[k];
		upto = (int)((double)sum / (double)full * rows + 0.5);
		for (; drawn < upto && drawn < rows; drawn++)
			canvas_put(c, row + rows - 1 - drawn, col,
				   INK_CLASS + (enum ink)k,
				   canvas_mark(c, (enum ledger_class)k));
	}
}

static void draw_times(struct canvas *c, const struct tui *t, int row, int width)
{
	char when[TUI_WHEN];

	canvas_put(c, row, SCALE_CELLS + 1, INK_DIM,
		   tui_when(when, &history_at(t->history, 0)->time));
	if (width > 20)
		canvas_put(c, row, SCALE_CELLS + 1 + width - 8, INK_DIM,
			   tui_when(when, &history_last(t->history)->time));
}

static void draw_chart(struct canvas *c, const struct tui *t, int row, int rows)
{
	int width = c->cols - SCALE_CELLS - 1;
	uint64_t full = 1;

	if (width < 1 || rows < 1)
		return;
	for (size_t i = 0; i < t->history->n; i++)
		if (history_at(t->history, i)->value[QUANTITY_RSS] > full)
			full = history_at(t->history, i)->value[QUANTITY_RSS];
	tui_size(c, row, 0, INK_DIM, full);
	tui_size(c, row + rows / 2, 0, INK_DIM, full / 2);
	for (int i = 0; i < width && (size_t)i < t->history->n; i++)
		draw_column(c, SCALE_CELLS + 1 + i, row, rows,
			    moment_at(t->history, i, width), full);
	if ((size_t)width > t->history->n)
		width = (int)t->history->n;
	draw_times(c, t, row + rows, width);
}

void tui_trend(struct canvas *c, struct tui *t, int row, int end)
{
	int rows = end - row - TABLE_ROWS - 2;

	draw_chart(c, t, row, rows);
	draw_table(c, t, end - TABLE_ROWS);
}
