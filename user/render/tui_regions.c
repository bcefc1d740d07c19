// SPDX-License-Identifier: GPL-2.0-or-later
/* The mappings, with what changed since the mark. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/size.h"
#include "render/escape.h"
#include "render/tui_draw.h"

static const char *const sorts[TUI_SORTS] = { "change", "resident", "size", "swapped",
					      "address" };

/* What is there, else what was. */
static const struct record_region *region_of(const struct match *m)
{
	return m->now.first ? m->now.first : m->before.first;
}

static const struct match_side *side_of(const struct match *m)
{
	return m->now.first ? &m->now : &m->before;
}

static bool passes(const struct tui *t, const struct match *m)
{
	const struct record_region *r = region_of(m);
	char perms_owner[64];

	snprintf(perms_owner, sizeof(perms_owner), "%s %s", r->perms, r->owner);
	return !t->filter[0] || strcasestr(r->name, t->filter) ||
	       strcasestr(perms_owner, t->filter) ||
	       strcasestr(match_name(m->kind), t->filter);
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* The biggest first, but by address. Until anything changes, that is what is resident. */
static int in_order(const void *a, const void *b, void *arg)
{
	const struct match *x = *(const struct match *const *)a;
	const struct match *y = *(const struct match *const *)b;
	int order = 0;

	switch (*(const enum tui_sort *)arg) {
	case TUI_BY_CHANGE:
		order = x->change > y->change ? -1 : x->change < y->change;
		if (!order)
			order = compare(y->now.resident, x->now.resident);
		break;
	case TUI_BY_RESIDENT:
		order = compare(y->now.resident, x->now.resident);
		break;
	case TUI_BY_SIZE:
		order = compare(y->now.size, x->now.size);
		break;
	case TUI_BY_SWAPPED:
		/* One more than UNKNOWN is 0. */
		order = compare(y->now.swapped + 1, x->now.swapped + 1);
		break;
	default:
		break;
	}
	return order ? order : compare(region_of(x)->start, region_of(y)->start);
}

/* Those that pass the filter, in order, to be freed; NULL: out of memory. */
static const struct match **chosen(const struct tui *t, size_t *n)
{
	const struct match **list = calloc(t->nregions + 1, sizeof(*list));
	enum tui_sort sort = t->sort;

	*n = 0;
	for (size_t i = 0; list && i < t->nregions; i++)
		if (passes(t, &t->regions[i]))
			list[(*n)++] = &t->regions[i];
	if (list)
		qsort_r(list, *n, sizeof(*list), in_order, &sort);
	return list;
}

/* Of a path that is too long, the end tells most. */
static void draw_name(struct canvas *c, int row, int col, const char *raw)
{
	char name[1024];
	int room = c->cols - col, over;
	size_t len;

	escape_terminal(name, sizeof(name), raw);
	over = escape_cells(name, INT_MAX, &len) - room;
	if (name[0] != '/' || over <= 0 || room < 8) {
		canvas_put(c, row, col, INK_PLAIN, name);
		return;
	}
	over += 3;
	/* If a character has two cells, the second one may be the last that is over. */
	if (escape_cells(name, over, &len) < over)
		escape_cells(name, over + 1, &len);
	canvas_printf(c, row, col, INK_PLAIN, "...%s", name + len);
}

static void draw_region(struct canvas *c, int row, const struct match *m)
{
	const struct record_region *r = region_of(m);
	enum ink ink = !m->now.first ? INK_DIM : m->change > 0 ? INK_WARN : INK_PLAIN;
	char size[SIZE_TEXT];
	int col;

	canvas_printf(c, row, 0, INK_PLAIN, "%012" PRIx64, r->start);
	tui_size(c, row, 12, INK_PLAIN, side_of(m)->size);
	tui_size(c, row, 25, INK_PLAIN, m->now.resident);
	col = 38;
	if (c->cols >= 110) {
		tui_size(c, row, col, INK_PLAIN, m->now.swapped);
		col += TUI_SIZE;
	}
	canvas_printf(c, row, col, ink, "%*s", TUI_SIZE,
		      size_format_change(size, m->change));
	col = canvas_printf(c, row, col + TUI_SIZE + 1, INK_PLAIN, "%-6s %s %s",
			    m->kind == MATCH_SAME ? "" : match_name(m->kind), r->perms,
			    r->owner);
	draw_name(c, row, col + (r->owner[0] != '\0'), r->name);
}

static void draw_headings(struct canvas *c, const struct tui *t, int row)
{
	char when[TUI_WHEN];

	canvas_printf(c, row, 0, INK_DIM, "%-12s%*s%*s%*s%*s %-6s %s", "start", TUI_SIZE,
		      "size", TUI_SIZE, "resident", c->cols >= 110 ? TUI_SIZE : 0,
		      c->cols >= 110 ? "swapped" : "", TUI_SIZE, "change", "", "what");
	canvas_printf(c, row + 1, 0, INK_DIM,
		      "changes since %s   s: by %s   /: %s   arrows, PgUp, PgDn",
		      tui_when(when, &t->mark.time), sorts[t->sort],
		      t->filter[0] ? "filtered" : "filter");
}

static void draw_totals(struct canvas *c, const struct tui *t, int row,
			const struct match *const *list, size_t n, size_t shown)
{
	uint64_t resident = 0;
	int64_t change = 0;
	char a[SIZE_TEXT], b[SIZE_TEXT];

	for (size_t i = 0; i < n; i++) {
		resident += list[i]->now.resident;
		change += list[i]->change;
	}
	canvas_printf(c, row, 0, INK_BOLD,
		      "%zu to %zu of %zu regions%s, resident %s, change %s",
		      n ? t->in.scroll + 1 : 0, t->in.scroll + shown, n,
		      t->filter[0] ? " that match the filter" : "",
		      size_format(a, resident), size_format_change(b, change));
}

void tui_regions(struct canvas *c, struct tui *t, int row, int end)
{
	const struct match **list;
	size_t n, shown = 0;

	list = chosen(t, &n);
	draw_headings(c, t, row);
	row += 2;
	end--;
	if (!list) {
		canvas_put(c, row, 0, INK_WARN, "out of memory");
		return;
	}
	input_scrolls(&t->in, n, end - row);
	for (; row < end && t->in.scroll + shown < n; shown++)
		draw_region(c, row++, list[t->in.scroll + shown]);
	draw_totals(c, t, end, list, n, shown);
	free(list);
}
