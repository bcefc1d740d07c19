// SPDX-License-Identifier: GPL-2.0-or-later
/* What keys do. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "render/tui.h"

#define KEY_ESCAPE 27
#define NS_PER_MS  1000000ull

static const uint64_t intervals_ms[] = {
	200, 500, 1000, 2000, 5000, 10000, 30000, 60000
};

#define INTERVALS (sizeof(intervals_ms) / sizeof(intervals_ms[0]))

static void show(struct tui *t, enum tui_view view)
{
	t->behind = t->view == TUI_HELP ? t->behind : t->view;
	t->view = view;
	t->scroll = 0;
}

static void turn(struct tui *t, int by)
{
	int from = t->view == TUI_HELP ? (int)t->behind : (int)t->view;

	show(t, (enum tui_view)((from + by + TUI_HELP) % TUI_HELP));
}

static void scroll_by(struct tui *t, long by)
{
	long to = (long)t->scroll + by;

	t->scroll = to < 0 ? 0 : (size_t)to > t->most ? t->most : (size_t)to;
}

static void look_oftener(struct tui *t)
{
	for (size_t i = INTERVALS; i-- > 0;)
		if (intervals_ms[i] * NS_PER_MS < t->interval_ns) {
			t->interval_ns = intervals_ms[i] * NS_PER_MS;
			return;
		}
}

static void look_seldomer(struct tui *t)
{
	for (size_t i = 0; i < INTERVALS; i++)
		if (intervals_ms[i] * NS_PER_MS > t->interval_ns) {
			t->interval_ns = intervals_ms[i] * NS_PER_MS;
			return;
		}
}

static void begin_path(struct tui *t)
{
	char when[32];
	struct tm tm;

	if (!t->now)
		return;
	localtime_r(&t->now->time.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	snprintf(t->typed, sizeof(t->typed), "fallow-%d-%s.json",
		 (int)t->now->process.pid, when);
	t->typing = TUI_TYPES_PATH;
}

static void begin_filter(struct tui *t)
{
	if (t->view != TUI_REGIONS)
		show(t, TUI_REGIONS);
	memcpy(t->typed, t->filter, sizeof(t->typed));
	t->typing = TUI_TYPES_FILTER;
}

/* Takes the last character away, all its bytes. */
static void rub_out(char *text)
{
	size_t len = strlen(text);

	while (len && ((unsigned char)text[--len] & 0xc0) == 0x80)
		;
	text[len] = '\0';
}

static enum tui_action end_typing(struct tui *t)
{
	enum tui_typing typing = t->typing;

	t->typing = TUI_TYPES_NOTHING;
	if (typing == TUI_TYPES_FILTER) {
		memcpy(t->filter, t->typed, sizeof(t->filter));
		t->scroll = 0;
		return TUI_NONE;
	}
	memcpy(t->path, t->typed, sizeof(t->path));
	return t->path[0] ? TUI_SAVE : TUI_NONE;
}

static enum tui_action type(struct tui *t, int key)
{
	size_t len = strlen(t->typed);

	switch (key) {
	case '\r':
	case '\n':
	case KEY_ENTER:
		return end_typing(t);
	case KEY_ESCAPE:
		t->typing = TUI_TYPES_NOTHING;
		break;
	case KEY_BACKSPACE:
	case '\b':
	case 0x7f:
		rub_out(t->typed);
		break;
	case 'U' - '@': /* Ctrl-U */
		t->typed[0] = '\0';
		break;
	default:
		if (key >= ' ' && key < 256 && len + 1 < sizeof(t->typed)) {
			t->typed[len] = (char)key;
			t->typed[len + 1] = '\0';
		}
	}
	return TUI_NONE;
}

static bool scrolls(struct tui *t, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		scroll_by(t, -1);
		return true;
	case KEY_DOWN:
	case 'j':
		scroll_by(t, 1);
		return true;
	case KEY_PPAGE:
		scroll_by(t, -(long)t->page);
		return true;
	case KEY_NPAGE:
		scroll_by(t, (long)t->page);
		return true;
	case KEY_HOME:
		t->scroll = 0;
		return true;
	case KEY_END:
		t->scroll = t->most;
		return true;
	}
	return false;
}

static bool moves(struct tui *t, int key)
{
	switch (key) {
	case '\t':
	case KEY_RIGHT:
		turn(t, 1);
		return true;
	case KEY_BTAB:
	case KEY_LEFT:
		turn(t, -1);
		return true;
	case '?':
	case 'h':
		show(t, t->view == TUI_HELP ? t->behind : TUI_HELP);
		return true;
	case KEY_ESCAPE:
		if (t->view == TUI_HELP)
			show(t, t->behind);
		return true;
	}
	if (key < '1' || key >= '1' + TUI_HELP)
		return scrolls(t, key);
	show(t, (enum tui_view)(key - '1'));
	return true;
}

static enum tui_action command(struct tui *t, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return TUI_QUIT;
	case 'b':
		return t->now ? TUI_MARK : TUI_NONE;
	case ' ':
		return t->ended ? TUI_NONE : TUI_LOOK;
	case 'p':
		t->paused = !t->paused;
		return t->paused || t->ended ? TUI_NONE : TUI_LOOK;
	case '+':
		look_oftener(t);
		break;
	case '-':
		look_seldomer(t);
		break;
	case 's':
		t->sort = (enum tui_sort)((t->sort + 1) % TUI_SORTS);
		break;
	case 'a':
		t->by_age = !t->by_age;
		break;
	case '/':
		begin_filter(t);
		break;
	case 'w':
		begin_path(t);
		break;
	}
	return TUI_NONE;
}

enum tui_action tui_key(struct tui *t, int key)
{
	if (t->typing)
		return type(t, key);
	if (!t->ended)
		t->message[0] = '\0';
	return moves(t, key) ? TUI_NONE : command(t, key);
}
