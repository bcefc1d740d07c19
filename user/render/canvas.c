// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define LINE_TEXT 2048

static const struct {
	const char *utf8, *ascii;
} marks[LEDGER_CLASSES] = {
	[LEDGER_HEAP_USED] = { "█", "#" },   [LEDGER_HEAP_RETURNABLE] = { "░", "=" },
	[LEDGER_HEAP_HELD] = { "▒", "-" },   [LEDGER_HEAP_METADATA] = { "▓", "m" },
	[LEDGER_HEAP_UNREAD] = { "?", "?" }, [LEDGER_ANON_OTHER] = { "▞", "a" },
	[LEDGER_STACK_LIVE] = { "s", "s" },  [LEDGER_STACK_DEAD] = { "d", "d" },
	[LEDGER_FILE_CLEAN] = { "f", "f" },  [LEDGER_FILE_DIRTY] = { "w", "w" },
	[LEDGER_SHMEM] = { "h", "h" },
};

static const char *const levels_utf8[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const levels_ascii[] = { "_", ".", "-", "=", "+", "*", "%", "#" };

#define LEVELS (sizeof(levels_utf8) / sizeof(levels_utf8[0]))

int canvas_init(struct canvas *c, int rows, int cols, bool utf8)
{
	size_t n = rows > 0 && cols > 0 ? (size_t)rows * (size_t)cols : 0;

	*c = (struct canvas){ .rows = rows, .cols = cols, .utf8 = utf8 };
	c->cells = calloc(n + 1, sizeof(*c->cells));
	if (!c->cells)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		strcpy(c->cells[i].text, " ");
	return 0;
}

void canvas_free(struct canvas *c)
{
	free(c->cells);
	c->cells = NULL;
}

static struct canvas_cell *at(const struct canvas *c, int row, int col)
{
	return &c->cells[(size_t)row * (size_t)c->cols + (size_t)col];
}

/* One character of @len bytes, and @width cells. */
static void set(struct canvas *c, int row, int col, enum ink ink, const char *s,
		size_t len, int width)
{
	struct canvas_cell *cell = at(c, row, col);

	memcpy(cell->text, s, len);
	cell->text[len] = '\0';
	cell->ink = (uint8_t)ink;
	if (width == 2) {
		cell[1].text[0] = '\0';
		cell[1].ink = (uint8_t)ink;
	}
}

int canvas_put(struct canvas *c, int row, int col, enum ink ink, const char *text)
{
	mbstate_t state = { 0 };

	if (row < 0 || row >= c->rows)
		return col;
	while (*text && col < c->cols) {
		wchar_t wide;
		size_t len = mbrtowc(&wide, text, MB_CUR_MAX, &state);
		bool good = len && len < sizeof(at(c, 0, 0)->text);
		int width = good ? wcwidth(wide) : -1;

		if (!good) {
			len = 1;
			memset(&state, 0, sizeof(state));
		}
		if (width > c->cols - col)
			break;
		/* What has no width of its own is left out; what is no character is told. */
		if (width != 0 && col >= 0)
			set(c, row, col, ink, width < 0 ? "?" : text, width < 0 ? 1 : len,
			    width < 0 ? 1 : width);
		col += width < 0 ? 1 : width;
		text += len;
	}
	return col;
}

int canvas_printf(struct canvas *c, int row, int col, enum ink ink, const char *fmt, ...)
{
	char text[LINE_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return canvas_put(c, row, col, ink, text);
}

void canvas_rule(struct canvas *c, int row, enum ink ink)
{
	for (int col = 0; row >= 0 && row < c->rows && col < c->cols; col++)
		set(c, row, col, ink, " ", 1, 1);
}

void canvas_spark(struct canvas *c, int row, int col, enum ink ink, const uint64_t *v,
		  size_t n, uint64_t low, uint64_t high)
{
	const char *const *levels = c->utf8 ? levels_utf8 : levels_ascii;

	for (size_t i = 0; i < n; i++) {
		double share = high > low && v[i] > low
				       ? (double)(v[i] - low) / (double)(high - low)
				       : 0;
		size_t level = share >= 1 ? LEVELS - 1 : (size_t)(share * LEVELS);

		canvas_put(c, row, col + (int)i, ink, levels[level]);
	}
}

const char *canvas_mark(const struct canvas *c, enum ledger_class k)
{
	return c->utf8 ? marks[k].utf8 : marks[k].ascii;
}

void canvas_bar(struct canvas *c, int row, int col, int width, const uint64_t *value,
		uint64_t full)
{
	uint64_t sum = 0;
	int drawn = 0;

	if (!full)
		return;
	for (int k = 0; k < LEDGER_CLASSES; k++) {
		int upto;

		sum += value[k];
		upto = (int)((double)sum / (double)full * width + 0.5);
		for (; drawn < upto && drawn < width; drawn++)
			canvas_put(c, row, col + drawn, INK_CLASS + (enum ink)k,
				   canvas_mark(c, (enum ledger_class)k));
	}
}

char *canvas_text(const struct canvas *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (int row = 0; row < c->rows; row++) {
		int end = c->cols;

		while (end && !strcmp(at(c, row, end - 1)->text, " "))
			end--;
		for (int col = 0; col < end; col++)
			fputs(at(c, row, col)->text, f);
		fputc('\n', f);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
