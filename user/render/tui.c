// SPDX-License-Identifier: GPL-2.0-or-later
/* The frame of the live screen, and what its views share. */
#include "render/tui.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/size.h"
#include "render/escape.h"
#include "render/tui_draw.h"

#define NAME_TEXT    1024
#define FOOT_CELLS   80 /* that the names of views have room in */
#define OF_LATE	     60000000000ull /* what rates are told of */
#define STEADY	     200 /* change by less than one part in so many is none... */
#define STEADY_BYTES (1 << 20) /* ...or than so many bytes */
#define LINE_TEXT    2048

static const struct {
	const char *name;
	void (*draw)(struct canvas *c, struct tui *t, int row, int end);
} views[TUI_VIEWS] = {
	[TUI_LEDGER] = { "ledger", tui_ledger },
	[TUI_REGIONS] = { "regions", tui_regions },
	[TUI_HEAP] = { "heap", tui_heap },
	[TUI_TREND] = { "trend", tui_trend },
	[TUI_VERDICTS] = { "verdicts", tui_verdicts },
	[TUI_HELP] = { "help", tui_help },
};

const char *tui_when(char *buf, const struct timespec *ts)
{
	struct tm tm;

	localtime_r(&ts->tv_sec, &tm);
	strftime(buf, TUI_WHEN, "%H:%M:%S", &tm);
	return buf;
}

void tui_size(struct canvas *c, int row, int col, enum ink ink, uint64_t bytes)
{
	char size[SIZE_TEXT];

	canvas_printf(c, row, col, ink, "%*s", TUI_SIZE, size_format(size, bytes));
}

void tui_change(struct canvas *c, int row, int col, enum ink ink, int64_t change,
		int64_t rate)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];

	canvas_printf(c, row, col, ink, "%*s%*s/min", TUI_SIZE,
		      size_format_change(a, change), TUI_SIZE,
		      size_format_change(b, rate));
}

int64_t tui_rate(const struct tui *t, enum quantity q)
{
	return t->history->n ? moment_rate(history_since(t->history, OF_LATE),
					   history_last(t->history), q)
			     : 0;
}

/* So that what hardly changes looks like that. */
static void range_of(const uint64_t *v, size_t n, uint64_t *low, uint64_t *high)
{
	uint64_t least;

	*low = *high = v[0];
	for (size_t i = 1; i < n; i++) {
		if (v[i] < *low)
			*low = v[i];
		if (v[i] > *high)
			*high = v[i];
	}
	least = *high / 50 > STEADY_BYTES ? *high / 50 : STEADY_BYTES;
	if (*high - *low < least)
		*high = *low + least;
}

void tui_spark(struct canvas *c, const struct tui *t, int row, int col, int width,
	       enum ink ink, enum quantity q)
{
	uint64_t v[LINE_TEXT], low, high;
	size_t n = width > 0 ? (size_t)width : 0;

	if (n > LINE_TEXT)
		n = LINE_TEXT;
	if (n > t->history->n)
		n = t->history->n;
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		v[i] = history_at(t->history, t->history->n - n + i)->value[q];
	range_of(v, n, &low, &high);
	canvas_spark(c, row, col, ink, v, n, low, high);
}

/* How much of @line fits in @width bytes, at most; not cut within a word if that can be. */
static size_t fitting(const char *line, size_t len, size_t width)
{
	size_t at;

	if (len <= width)
		return len;
	for (at = width; at > width / 2 && line[at] != ' '; at--)
		;
	if (line[at] == ' ')
		return at;
	/* Nor within a character. */
	for (at = width; at > 1 && ((unsigned char)line[at] & 0xc0) == 0x80; at--)
		;
	return at;
}

/* Draws what of @text is scrolled to, or only counts its lines if @c is NULL. */
static size_t break_lines(struct canvas *c, const char *text, int cols, int row, int end,
			  size_t scroll)
{
	size_t n = 0;

	for (const char *line = text; *line; line += *line == '\n') {
		size_t left = strcspn(line, "\n"), indent = strspn(line, " ");
		size_t width = cols > 20 ? (size_t)cols : 20, more = 0;

		if (indent > width / 2)
			indent = width / 2;
		do {
			size_t len = fitting(line, left, width - more);
			long at = (long)n++ - (long)scroll;

			if (c && at >= 0 && row + at < end)
				canvas_printf(c, row + (int)at, (int)more, INK_PLAIN,
					      "%.*s", (int)len, line);
			line += len;
			left -= len;
			while (left && *line == ' ') {
				line++;
				left--;
			}
			more = indent + 2;
		} while (left);
	}
	return n;
}

int tui_text(struct canvas *c, struct input *in, int row, int end, const char *text)
{
	size_t lines = break_lines(NULL, text, c->cols, 0, 0, 0);

	input_scrolls(in, lines, end - row);
	break_lines(c, text, c->cols, row, end, in->scroll);
	row += (int)(lines - in->scroll);
	return row < end ? row : end;
}

static int draw_name(struct canvas *c, const struct tui *t, int row)
{
	const struct snapshot *s = t->now;
	char name[NAME_TEXT], swap[SIZE_TEXT], when[TUI_WHEN];
	size_t len;
	int col;

	escape_cells(escape_terminal(name, sizeof(name), s->process.comm), 32, &len);
	col = canvas_printf(c, row, 0, INK_BOLD, "%.*s", (int)len, name);
	col = canvas_printf(c, row, col, INK_PLAIN,
			    "  pid %d  swapped %s  %u thread%s  (%s, %.2f s)",
			    (int)s->process.pid, size_format(swap, s->swap),
			    s->process.threads, s->process.threads == 1 ? "" : "s",
			    s->source, (double)s->duration_ns / 1e9);
	if (col + 10 <= c->cols)
		canvas_put(c, row, c->cols - 8, INK_PLAIN, tui_when(when, &s->time));
	return row + 1;
}

static void draw_growth(struct canvas *c, const struct tui *t, int row)
{
	const struct moment *from = history_since(t->history, OF_LATE);
	uint64_t rss = t->now->rss, was = from ? from->value[QUANTITY_RSS] : rss;
	uint64_t moved = rss > was ? rss - was : was - rss;
	char size[SIZE_TEXT], rate[SIZE_TEXT];
	int col = canvas_printf(c, row, 0, INK_BOLD, "RSS %s", size_format(size, rss));

	if (t->history->n < 2)
		col = canvas_put(c, row, col, INK_DIM, "  first look");
	else if (moved < STEADY_BYTES || moved < rss / STEADY)
		col = canvas_put(c, row, col, INK_GOOD, "  steady");
	else
		col = canvas_printf(c, row, col, rss > was ? INK_WARN : INK_GOOD,
				    "  %s %s/min", rss > was ? "growing" : "shrinking",
				    size_format_change(rate, tui_rate(t, QUANTITY_RSS)));
	tui_spark(c, t, row, col + 2, c->cols - col - 2, INK_PLAIN, QUANTITY_RSS);
}

int tui_head(struct canvas *c, const struct tui *t, int row)
{
	uint64_t value[LEDGER_CLASSES];

	row = draw_name(c, t, row);
	draw_growth(c, t, row++);
	for (int k = 0; k < LEDGER_CLASSES; k++)
		value[k] = t->now->ledger[k].resident;
	canvas_bar(c, row++, 0, c->cols, value, t->now->rss);
	return row;
}

/* Where in a recording it is. */
static void draw_place(struct canvas *c, const struct tui *t, int row)
{
	char day[32];
	struct tm tm;

	localtime_r(&t->now->time.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	canvas_printf(c, row, 0, INK_BOLD, "%s, look %zu of %zu%s  , . [ ] { } g: others",
		      day, t->look + 1, t->looks,
		      t->in.paused ? "  p: play" : ", playing");
}

/* Whose screen it is, on the right: not each view has that on top. */
static void draw_whose(struct canvas *c, const struct tui *t, int row, int from)
{
	char name[NAME_TEXT], whose[NAME_TEXT + 16];
	size_t len;
	int col;

	if (!t->now)
		return;
	snprintf(whose, sizeof(whose), "%s %d",
		 escape_terminal(name, sizeof(name), t->now->process.comm),
		 (int)t->now->process.pid);
	col = c->cols - escape_cells(whose, INT_MAX, &len) - 1;
	if (col >= from)
		canvas_put(c, row, col, INK_BAR, whose);
}

static void draw_foot(struct canvas *c, const struct tui *t, int row)
{
	bool named = c->cols >= FOOT_CELLS;
	int col = 1;

	canvas_rule(c, row, INK_BAR);
	for (enum tui_view v = 0; v < TUI_HELP; v++) {
		col = canvas_printf(c, row, col, INK_BAR, "%s%d%s%s%s",
				    v == t->view ? "[" : "", (int)v + 1, named ? " " : "",
				    named ? views[v].name : "", v == t->view ? "]" : "");
		col++;
	}
	col = canvas_printf(c, row, col, INK_BAR, " %g s ",
			    (double)t->in.interval_ns / 1e9);
	/* It is meant so, but the target has to rest. */
	if (t->rest_ns > t->in.interval_ns)
		col = canvas_printf(c, row, col, INK_BAR, "(%.*f s) ",
				    t->rest_ns < 10000000000ull,
				    (double)t->rest_ns / 1e9);
	col = canvas_put(c, row, col, INK_BAR, "? help q: quit");
	draw_whose(c, t, row, col + 2);
}

void tui_draw(struct canvas *c, struct tui *t)
{
	t->in.most = 0;
	t->in.page = 0;
	if (t->now)
		views[t->view].draw(c, t, 0, c->rows - 2);
	if (t->looks && !t->in.asks && !t->in.message[0] && t->now)
		draw_place(c, t, c->rows - 2);
	else
		input_draw(c, &t->in, c->rows - 2);
	draw_foot(c, t, c->rows - 1);
}
