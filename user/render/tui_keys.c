// SPDX-License-Identifier: GPL-2.0-or-later
/* What keys do. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "render/tui.h"

static void show(struct tui *t, enum tui_view view)
{
	t->behind = t->view == TUI_HELP ? t->behind : t->view;
	t->view = view;
	t->in.scroll = 0;
}

static void turn(struct tui *t, int by)
{
	int from = t->view == TUI_HELP ? (int)t->behind : (int)t->view;

	show(t, (enum tui_view)((from + by + TUI_HELP) % TUI_HELP));
}

static void begin_path(struct tui *t)
{
	char when[32], path[64];
	struct tm tm;

	if (!t->now)
		return;
	localtime_r(&t->now->time.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	snprintf(path, sizeof(path), "fallow-%d-%s.json", (int)t->now->process.pid, when);
	input_ask(&t->in, "save to", path);
	t->typing = TUI_TYPES_PATH;
}

static void begin_filter(struct tui *t)
{
	if (t->view != TUI_REGIONS)
		show(t, TUI_REGIONS);
	input_ask(&t->in, "filter", t->filter);
	t->typing = TUI_TYPES_FILTER;
}

static enum tui_action type(struct tui *t, int key)
{
	enum input_line line = input_type(&t->in, key);
	enum tui_typing typing = t->typing;

	if (line == INPUT_TYPING)
		return TUI_NONE;
	t->typing = TUI_TYPES_NOTHING;
	if (line == INPUT_GIVEN_UP)
		return TUI_NONE;
	if (typing == TUI_TYPES_FILTER) {
		memcpy(t->filter, t->in.typed, sizeof(t->filter));
		t->in.scroll = 0;
		return TUI_NONE;
	}
	memcpy(t->path, t->in.typed, sizeof(t->path));
	if (!t->path[0])
		return TUI_NONE;
	return typing == TUI_TYPES_TIME ? TUI_GO : TUI_SAVE;
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
	case INPUT_ESCAPE:
		if (t->view == TUI_HELP)
			show(t, t->behind);
		return true;
	}
	if (key < '1' || key >= '1' + TUI_HELP)
		return input_key(&t->in, key);
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
		return t->in.ended ? TUI_NONE : TUI_LOOK;
	case 'p':
		t->in.paused = !t->in.paused;
		return t->in.paused || t->in.ended ? TUI_NONE : TUI_LOOK;
	case 's':
		if (t->view == TUI_REGIONS)
			t->sort = (enum tui_sort)((t->sort + 1) % TUI_SORTS);
		break;
	case 'a':
		if (t->view == TUI_HEAP)
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

static enum tui_action turn_by(struct tui *t, long by)
{
	long to = (long)t->look + by, last = (long)t->looks - 1;

	t->look = to < 0 ? 0 : (size_t)(to > last ? last : to);
	t->in.paused = true;
	return TUI_TURN;
}

/* Of a recording: to another look of it. */
static enum tui_action travel(struct tui *t, int key)
{
	switch (key) {
	case ',':
	case '<':
		return turn_by(t, -1);
	case '.':
	case '>':
		return turn_by(t, 1);
	case '[':
		return turn_by(t, -10);
	case ']':
		return turn_by(t, 10);
	case '{':
		return turn_by(t, -(long)t->looks);
	case '}':
		return turn_by(t, (long)t->looks);
	case 'g':
		input_ask(&t->in, "go to (14:05, -10m, 3)", "");
		t->typing = TUI_TYPES_TIME;
		break;
	}
	return TUI_NONE;
}

enum tui_action tui_key(struct tui *t, int key)
{
	enum tui_action action;

	if (t->typing)
		return type(t, key);
	if (!t->in.ended)
		t->in.message[0] = '\0';
	if (moves(t, key))
		return TUI_NONE;
	action = t->looks ? travel(t, key) : TUI_NONE;
	return action == TUI_NONE && !t->typing ? command(t, key) : action;
}
