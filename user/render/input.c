// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/input.h"

#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "render/escape.h"

#define NS_PER_MS 1000000ull

static const uint64_t intervals_ms[] = {
	200, 500, 1000, 2000, 5000, 10000, 30000, 60000
};

#define INTERVALS (sizeof(intervals_ms) / sizeof(intervals_ms[0]))

static void scroll_by(struct input *in, long by)
{
	long to = (long)in->scroll + by;

	in->scroll = to < 0 ? 0 : (size_t)to > in->most ? in->most : (size_t)to;
}

static void look_oftener(struct input *in)
{
	for (size_t i = INTERVALS; i-- > 0;)
		if (intervals_ms[i] * NS_PER_MS < in->interval_ns) {
			in->interval_ns = intervals_ms[i] * NS_PER_MS;
			return;
		}
}

static void look_seldomer(struct input *in)
{
	for (size_t i = 0; i < INTERVALS; i++)
		if (intervals_ms[i] * NS_PER_MS > in->interval_ns) {
			in->interval_ns = intervals_ms[i] * NS_PER_MS;
			return;
		}
}

/* Takes the last character away, all its bytes. */
static void rub_out(char *text)
{
	size_t len = strlen(text);

	while (len && ((unsigned char)text[--len] & 0xc0) == 0x80)
		;
	text[len] = '\0';
}

void input_ask(struct input *in, const char *what, const char *typed)
{
	in->asks = what;
	snprintf(in->typed, sizeof(in->typed), "%s", typed);
}

enum input_line input_type(struct input *in, int key)
{
	size_t len = strlen(in->typed);

	switch (key) {
	case '\r':
	case '\n':
	case KEY_ENTER:
		in->asks = NULL;
		return INPUT_TYPED;
	case INPUT_ESCAPE:
		in->asks = NULL;
		return INPUT_GIVEN_UP;
	case KEY_BACKSPACE:
	case '\b':
	case 0x7f:
		rub_out(in->typed);
		break;
	case 'U' - '@': /* Ctrl-U */
		in->typed[0] = '\0';
		break;
	default:
		if (key >= ' ' && key < 256 && len + 1 < sizeof(in->typed)) {
			in->typed[len] = (char)key;
			in->typed[len + 1] = '\0';
		}
	}
	return INPUT_TYPING;
}

bool input_key(struct input *in, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		scroll_by(in, -1);
		return true;
	case KEY_DOWN:
	case 'j':
		scroll_by(in, 1);
		return true;
	case KEY_PPAGE:
		scroll_by(in, -(long)in->page);
		return true;
	case KEY_NPAGE:
		scroll_by(in, (long)in->page);
		return true;
	case KEY_HOME:
		in->scroll = 0;
		return true;
	case '+':
		look_oftener(in);
		return true;
	case '-':
		look_seldomer(in);
		return true;
	case KEY_END:
		in->scroll = in->most;
		return true;
	}
	return false;
}

void input_scrolls(struct input *in, size_t lines, int room)
{
	in->page = room > 0 ? (size_t)room : 0;
	in->most = lines > in->page ? lines - in->page : 0;
	if (in->scroll > in->most)
		in->scroll = in->most;
}

void input_draw(struct canvas *c, const struct input *in, int row)
{
	char text[INPUT_TEXT * 4];

	if (in->asks)
		canvas_printf(c, row, 0, INK_BOLD, "%s: %s_   (Enter; Esc: not)",
			      in->asks, escape_terminal(text, sizeof(text), in->typed));
	else if (in->message[0])
		canvas_put(c, row, 0, in->ended ? INK_WARN : INK_BOLD,
			   escape_terminal(text, sizeof(text), in->message));
	else if (in->paused)
		canvas_put(c, row, 0, INK_WARN, "paused: p goes on");
	else if (in->most > in->scroll)
		canvas_printf(c, row, 0, INK_DIM, "%zu more below: Down, PgDn",
			      in->most - in->scroll);
}
