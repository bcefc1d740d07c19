// SPDX-License-Identifier: GPL-2.0-or-later
/* The map: each cell is a piece of the address space, by what most of it is, or by age. */
#include <inttypes.h>
#include <string.h>

#include "model/size.h"
#include "render/tui_draw.h"

#define ADDRESS_CELLS 13
#define LEGEND_ROWS   2

static const char *const ages_utf8[] = { "·", "░", "▒", "▓", "█" };
static const char *const ages_ascii[] = { ".", "-", "=", "*", "#" };

#define AGES 5

static uint64_t resident_of(const struct map_cell *m)
{
	uint64_t sum = 0;

	for (int k = 0; k < LEDGER_CLASSES; k++)
		sum += m->resident[k];
	return sum;
}

static void draw_class(struct canvas *c, int row, int col, const struct map_cell *m)
{
	int most = 0;

	for (int k = 1; k < LEDGER_CLASSES; k++)
		if (m->resident[k] > m->resident[most])
			most = k;
	if (m->resident[most])
		canvas_put(c, row, col, INK_CLASS + (enum ink)most,
			   canvas_mark(c, (enum ledger_class)most));
}

/* The share of what is known to be idle. */
static void draw_age(struct canvas *c, int row, int col, const struct map_cell *m)
{
	const char *const *marks = c->utf8 ? ages_utf8 : ages_ascii;
	uint64_t known = resident_of(m) - m->idle_unknown;
	size_t level;

	if (!resident_of(m))
		return;
	if (!known) {
		canvas_put(c, row, col, INK_DIM, "?");
		return;
	}
	level = m->idle >= known ? AGES - 1
				 : (size_t)((double)m->idle / (double)known * (AGES - 1));
	canvas_put(c, row, col, level ? INK_COLD : INK_WARN, marks[level]);
}

static void draw_legend(struct canvas *c, const struct tui *t, int row)
{
	const char *const *ages = c->utf8 ? ages_utf8 : ages_ascii;
	int col = 0;

	if (t->by_age) {
		canvas_printf(c, row, 0, INK_PLAIN,
			      "idle for %g s: %s none %s some %s half %s most %s all  ? "
			      "unknown",
			      (double)t->now->idle_ns / 1e9, ages[0], ages[1], ages[2],
			      ages[3], ages[4]);
		return;
	}
	for (int k = 0; k < LEDGER_CLASSES; k++) {
		int len = (int)strlen(ledger_name((enum ledger_class)k)) + 4;

		if (!t->now->ledger[k].resident)
			continue;
		if (col && col + len > c->cols) {
			row++;
			col = 0;
		}
		col = canvas_put(c, row, col, INK_CLASS + (enum ink)k,
				 canvas_mark(c, (enum ledger_class)k));
		col = canvas_printf(c, row, col, INK_PLAIN, " %s ",
				    ledger_name((enum ledger_class)k)) +
		      1;
	}
}

static void draw_cells(struct canvas *c, const struct tui *t, int row, int rows, int cols)
{
	const struct map *m = t->now->map;
	size_t n = (size_t)rows * (size_t)cols;

	if (n > m->ncells)
		n = m->ncells;
	for (size_t i = 0; i < n; i++) {
		size_t first = i * m->ncells / n, next = (i + 1) * m->ncells / n;
		struct map_cell cell = map_sum(m, first, next - first);
		int y = row + (int)(i / (size_t)cols), x = (int)(i % (size_t)cols);

		if (!x)
			canvas_printf(c, y, 0, INK_DIM, "%012" PRIx64,
				      map_address(m, first));
		if (t->by_age)
			draw_age(c, y, ADDRESS_CELLS + x, &cell);
		else
			draw_class(c, y, ADDRESS_CELLS + x, &cell);
	}
}

void tui_map(struct canvas *c, const struct tui *t, int row, int end)
{
	const struct map *m = t->now->map;
	int rows = end - row - 1 - LEGEND_ROWS, cols = c->cols - ADDRESS_CELLS;
	char size[SIZE_TEXT];
	size_t n;

	if (rows < 1 || cols < 1)
		return;
	if (!m) {
		canvas_put(c, row, 0, INK_DIM,
			   "no map of the address space: not recorded");
		return;
	}
	if (t->by_age && !t->now->idle_ns) {
		canvas_put(c, row, 0, INK_WARN,
			   "ages are not known: fallow watch --idle=30s, with the module "
			   "(a: by class)");
		return;
	}
	n = (size_t)rows * (size_t)cols < m->ncells ? (size_t)rows * (size_t)cols
						    : m->ncells;
	canvas_printf(c, row, 0, INK_DIM,
		      "address space, %s a cell, by %s (a: by %s); blank: nothing "
		      "resident",
		      size_format(size, n ? m->cell * ((m->ncells + n - 1) / n) : 0),
		      t->by_age ? "age" : "class", t->by_age ? "class" : "age");
	draw_cells(c, t, row + 1, rows, cols);
	draw_legend(c, t, end - LEGEND_ROWS);
}
