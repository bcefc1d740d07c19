// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/tui_top.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "render/escape.h"
#include "render/top.h"
#include "render/tui_draw.h"

#define WIDE	   110 /* columns from which on nothing is left out */
#define FOOT_CELLS 60 /* likewise, in the last row */

static const char *const sorts[TOP_SORTS] = { "fallow", "RSS", "growth" };

static const char help[] =
	"fallow   what allocators hold and the application does not use, resident or\n"
	"         swapped; \"<=\" or at most: was not looked at; what is anonymous\n"
	"growth   of RSS, by the kernel's counters, over the last half a minute or so\n"
	"verdict  the principal one; fallow watch PID tells why\n"
	"\n"
	"s            the next order; f, r, g: by fallow, RSS, growth\n"
	"/            only those with this in name or verdict\n"
	"p            pause, and go on; Space: look now\n"
	"+ -          look more often, less often\n"
	"Up k, Down j scroll, as PgUp, PgDn, Home, End\n"
	"? h          this, and back; Esc: back\n"
	"q Q          quit\n"
	"While you type: Enter takes it, Esc does not, Ctrl-U empties it.\n";

static int64_t growth_of(const struct node_process *p)
{
	int64_t change;
	uint64_t ns;

	return node_growth(p, &change, &ns)
		       ? (int64_t)((double)change / (double)ns * 6e10)
		       : 0;
}

static int in_order(const void *a, const void *b, void *arg)
{
	const struct node_process *x = *(const struct node_process *const *)a;
	const struct node_process *y = *(const struct node_process *const *)b;
	int64_t p = 0, q = 0;

	switch (*(const enum tui_top_sort *)arg) {
	case TOP_BY_RSS:
		p = (int64_t)x->rss;
		q = (int64_t)y->rss;
		break;
	case TOP_BY_GROWTH:
		p = growth_of(x);
		q = growth_of(y);
		break;
	default:
		break;
	}
	return p != q ? (p < q) - (p > q) : node_rank(x, y);
}

static bool passes(const struct tui_top *t, const struct node_process *p)
{
	char verdict[TOP_TEXT];

	return !t->filter[0] || strcasestr(p->comm, t->filter) ||
	       strcasestr(top_verdict(verdict, p, false), t->filter);
}

/* Cells of a table's columns. */
struct widths {
	int name, fallow, returnable;
};

static struct widths widths_of(const struct canvas *c)
{
	return c->cols >= WIDE ? (struct widths){ 20, 21, 13 }
			       : (struct widths){ 11, 15, 0 };
}

static void draw_row(struct canvas *c, int row, const struct node_process *p)
{
	struct widths w = widths_of(c);
	bool brief = c->cols < WIDE;
	char name[4 * NODE_COMM], cell[TOP_TEXT];
	size_t len;
	int col;

	escape_cells(escape_terminal(name, sizeof(name), p->comm), w.name, &len);
	canvas_printf(c, row, 0, INK_PLAIN, "%7d %.*s", (int)p->pid, (int)len, name);
	col = canvas_printf(c, row, 8 + w.name, INK_PLAIN, "%12s",
			    size_format(cell, p->rss));
	col = canvas_printf(c, row, col, p->state == NODE_LOOKED ? INK_WARN : INK_DIM,
			    "%*s", w.fallow, top_fallow(cell, p, brief));
	if (w.returnable)
		col = canvas_printf(c, row, col, INK_PLAIN, "%*s", w.returnable,
				    top_returnable(cell, p));
	col = canvas_printf(c, row, col, INK_PLAIN, "%17s", top_growth(cell, p));
	canvas_put(c, row, col + 2, INK_PLAIN, top_verdict(cell, p, brief));
}

static void draw_headings(struct canvas *c, int row)
{
	struct widths w = widths_of(c);

	canvas_printf(c, row, 0, INK_DIM, "%7s %-*s%12s%*s%*s%17s  verdict", "pid",
		      w.name, "name", "RSS", w.fallow, "fallow", w.returnable,
		      w.returnable ? "returnable" : "", "growth");
}

static void draw_table(struct canvas *c, struct tui_top *t, int row, int end)
{
	const struct node *n = t->node;
	const struct node_process **list = calloc(n->n + 1, sizeof(*list));
	enum tui_top_sort sort = t->sort;
	size_t shown = 0;

	if (!list) {
		canvas_put(c, row, 0, INK_WARN, "out of memory");
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		if (passes(t, &n->v[i]))
			list[shown++] = &n->v[i];
	qsort_r(list, shown, sizeof(*list), in_order, &sort);
	input_scrolls(&t->in, shown, end - row);
	for (size_t i = t->in.scroll; i < shown && row < end; i++)
		draw_row(c, row++, list[i]);
	free(list);
}

static void draw_head(struct canvas *c, const struct node *n)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], line[256], when[16];
	struct tm tm;
	int col;

	localtime_r(&n->time.tv_sec, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	col = canvas_printf(c, 0, 0, INK_BOLD, "%zu processes", n->n);
	col = canvas_printf(c, 0, col, INK_PLAIN, "  memory %s, available %s",
			    size_format(a, n->total), size_format(b, n->available));
	if (col + 10 <= c->cols)
		canvas_put(c, 0, c->cols - 8, INK_PLAIN, when);
	canvas_put(c, 1, 0, INK_PLAIN, top_summary(line, sizeof(line), n));
}

static void draw_foot(struct canvas *c, const struct tui_top *t, int row)
{
	int col;

	canvas_rule(c, row, INK_BAR);
	col = canvas_printf(c, row, 1, INK_BAR, "by %s%s  ", sorts[t->sort],
			    t->filter[0] ? "  filtered" : "");
	if (c->cols >= FOOT_CELLS)
		col = canvas_printf(c, row, col, INK_BAR, "s: order%s  every %g s  ",
				    t->filter[0] ? "" : "  / filter",
				    (double)t->in.interval_ns / 1e9);
	canvas_put(c, row, col, INK_BAR, "? help  q: quit");
}

void tui_top_draw(struct canvas *c, struct tui_top *t)
{
	t->in.most = 0;
	t->in.page = 0;
	draw_head(c, t->node);
	if (t->help) {
		tui_text(c, &t->in, 3, c->rows - 2, help);
	} else {
		draw_headings(c, 2);
		draw_table(c, t, 3, c->rows - 2);
	}
	input_draw(c, &t->in, c->rows - 2);
	draw_foot(c, t, c->rows - 1);
}

static enum tui_top_action command(struct tui_top *t, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return TOP_QUIT;
	case ' ':
		return TOP_LOOK;
	case 'p':
		t->in.paused = !t->in.paused;
		return t->in.paused ? TOP_NONE : TOP_LOOK;
	case 's':
		t->sort = (enum tui_top_sort)((t->sort + 1) % TOP_SORTS);
		break;
	case 'f':
		t->sort = TOP_BY_FALLOW;
		break;
	case 'r':
		t->sort = TOP_BY_RSS;
		break;
	case 'g':
		t->sort = TOP_BY_GROWTH;
		break;
	case '/':
		input_ask(&t->in, "filter", t->filter);
		break;
	case '?':
	case 'h':
		t->help = !t->help;
		t->in.scroll = 0;
		break;
	case INPUT_ESCAPE:
		t->help = false;
		break;
	}
	return TOP_NONE;
}

enum tui_top_action tui_top_key(struct tui_top *t, int key)
{
	if (t->in.asks) {
		if (input_type(&t->in, key) == INPUT_TYPED)
			memcpy(t->filter, t->in.typed, sizeof(t->filter));
		return TOP_NONE;
	}
	t->in.message[0] = '\0';
	return input_key(&t->in, key) ? TOP_NONE : command(t, key);
}
