// SPDX-License-Identifier: GPL-2.0-or-later
/* The first view: what it is, whether it grows, and what would help. */
#include <inttypes.h>

#include "model/size.h"
#include "render/escape.h"
#include "render/text.h"
#include "render/tui_draw.h"

#define NAME_CELLS 17
#define WIDE	   100 /* columns from which on swap has one of its own */
#define GROWING	   3 /* regions that are shown at least if they fit */

static int column_change(const struct canvas *c)
{
	return NAME_CELLS + TUI_SIZE + (c->cols >= WIDE ? TUI_SIZE : 0) + 7;
}

static void draw_headings(struct canvas *c, int row)
{
	canvas_printf(c, row, 2, INK_DIM, "class%*s%*s%7s%*s%*s",
		      NAME_CELLS - 7 + TUI_SIZE, "resident",
		      c->cols >= WIDE ? TUI_SIZE : 0, c->cols >= WIDE ? "swapped" : "",
		      "share", TUI_SIZE, "change", TUI_SIZE + 4, "rate");
}

static void draw_line(struct canvas *c, const struct tui *t, int row, const char *name,
		      enum ink ink, enum quantity q, uint64_t swapped)
{
	uint64_t resident = history_last(t->history)->value[q];
	int64_t change = (int64_t)(resident - t->mark.value[q]);
	int col = column_change(c);

	canvas_put(c, row, 2, ink, name);
	tui_size(c, row, NAME_CELLS, ink, resident);
	if (c->cols >= WIDE)
		tui_size(c, row, NAME_CELLS + TUI_SIZE, ink, swapped);
	canvas_printf(c, row, col - 7, ink, "%6.1f%%",
		      t->now->rss ? 100.0 * (double)resident / (double)t->now->rss : 0);
	tui_change(c, row, col, ink, change, tui_rate(t, q));
	col += 2 * TUI_SIZE + 6;
	tui_spark(c, t, row, col, c->cols - col, INK_PLAIN, q);
}

static bool line_empty(const struct tui *t, int k)
{
	return !t->now->ledger[k].resident && !t->now->ledger[k].swapped &&
	       !t->mark.value[k];
}

static int draw_classes(struct canvas *c, const struct tui *t, int row, int end)
{
	for (int k = 0; k < LEDGER_CLASSES && row < end; k++) {
		bool kept = k == LEDGER_HEAP_RETURNABLE || k == LEDGER_HEAP_HELD;

		if (line_empty(t, k))
			continue;
		canvas_put(c, row, 0, INK_CLASS + (enum ink)k,
			   canvas_mark(c, (enum ledger_class)k));
		draw_line(c, t, row++, ledger_name((enum ledger_class)k),
			  kept ? INK_WARN : INK_PLAIN, (enum quantity)k,
			  t->now->ledger[k].swapped);
	}
	if (row < end)
		draw_line(c, t, row++, "RSS", INK_BOLD, QUANTITY_RSS, t->now->swap);
	return row;
}

/* The principal one, and the first thing to do. */
static int draw_verdict(struct canvas *c, const struct tui *t, int row)
{
	const struct verdict *v = &t->verdicts->v[0];
	enum ink ink = v->id == VERDICT_HEALTHY ? INK_GOOD : INK_WARN;
	char size[SIZE_TEXT];
	int col;

	col = canvas_printf(c, row, 0, ink, "%s (%s)", verdict_name(v->id),
			    confidence_name(v->confidence));
	if (v->bytes)
		col = canvas_printf(c, row, col, ink, ": %s",
				    size_format(size, v->bytes));
	if (t->verdicts->n > 1)
		col = canvas_printf(c, row, col, INK_PLAIN, "  and %s%s",
				    verdict_name(t->verdicts->v[1].id),
				    t->verdicts->n > 2 ? ", more" : "");
	canvas_put(c, row, col, INK_DIM, "  (5 tells why)");
	if (v->nadvice)
		canvas_printf(c, row + 1, 0, INK_PLAIN, "-> %s", v->advice[0].text);
	else if (v->nevidence)
		canvas_put(c, row + 1, 0, INK_PLAIN, v->evidence[0]);
	return row + 2;
}

static int draw_heap(struct canvas *c, const struct heap *h, int row)
{
	struct heap_totals x = heap_totals(h);
	char version[4 * sizeof(h->version)], a[SIZE_TEXT], b[SIZE_TEXT], d[SIZE_TEXT];
	int col = canvas_printf(c, row, 0, INK_PLAIN, "%s%s%s, %s", h->ops->name,
				h->version[0] ? " " : "",
				escape_terminal(version, sizeof(version), h->version),
				heap_status_name(h->status));

	if (h->status != HEAP_UNSUPPORTED)
		canvas_printf(c, row, col, INK_PLAIN, ": live %s, free %s, stranded %s",
			      size_format(a, x.live), size_format(b, x.free),
			      size_format(d, x.stranded));
	else if (h->narenas)
		canvas_printf(c, row, col, INK_PLAIN, ": at least %s resident",
			      size_format(a, x.resident));
	return row + 1;
}

static int draw_heaps(struct canvas *c, const struct tui *t, int row, int end)
{
	size_t n = t->now->nheaps;

	for (size_t i = 0; i < n && row < end; i++) {
		if (row == end - 1 && i + 1 < n) {
			canvas_printf(c, row++, 0, INK_DIM, "and %zu more allocators",
				      n - i);
			break;
		}
		row = draw_heap(c, t->now->heaps[i], row);
	}
	if (!n && row < end)
		canvas_put(c, row++, 0, INK_PLAIN, "no known allocator");
	return row;
}

static void draw_grown(struct canvas *c, int row, const struct match *m)
{
	const struct record_region *r = m->now.first;
	char name[1024];

	canvas_printf(c, row, 2, INK_PLAIN, "%012" PRIx64, r->start);
	tui_size(c, row, NAME_CELLS, INK_PLAIN, m->now.resident);
	canvas_printf(c, row, NAME_CELLS + TUI_SIZE + 7, INK_PLAIN, "%*s", TUI_SIZE,
		      size_format_change(name, m->change));
	canvas_printf(c, row, NAME_CELLS + 2 * TUI_SIZE + 9, INK_PLAIN, "%s %s %s",
		      r->perms, r->owner, escape_terminal(name, sizeof(name), r->name));
}

/* The regions that grew most, which come first. */
static void draw_growing(struct canvas *c, const struct tui *t, int row, int end)
{
	char when[TUI_WHEN];

	if (row < end)
		canvas_printf(c, row++, 0, INK_DIM,
			      "changes since %s; regions that grew most:",
			      tui_when(when, &t->mark.time));
	if (row < end && (!t->nregions || t->regions[0].change <= 0))
		canvas_put(c, row++, 2, INK_DIM, "none");
	for (size_t i = 0; i < t->nregions && row < end; i++) {
		const struct match *m = &t->regions[i];

		if (m->change <= 0 || !m->now.first)
			break;
		draw_grown(c, row++, m);
	}
}

void tui_ledger(struct canvas *c, struct tui *t, int row, int end)
{
	int heaps_end;

	row = tui_head(c, t, row);
	row = draw_verdict(c, t, row);
	draw_headings(c, row++);
	row = draw_classes(c, t, row, end);
	heaps_end = end - GROWING > row + 1 ? end - GROWING : row + 1;
	row = draw_heaps(c, t, row, heaps_end < end ? heaps_end : end);
	draw_growing(c, t, row, end);
}
