// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/terminal.h"

#include <langinfo.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#define PAIR_GOOD  1
#define PAIR_WARN  2
#define PAIR_COLD  3
#define PAIR_CLASS 4

static const short class_colours[LEDGER_CLASSES] = {
	[LEDGER_HEAP_USED] = COLOR_GREEN,   [LEDGER_HEAP_RETURNABLE] = COLOR_YELLOW,
	[LEDGER_HEAP_HELD] = COLOR_MAGENTA, [LEDGER_HEAP_METADATA] = COLOR_BLUE,
	[LEDGER_HEAP_UNREAD] = COLOR_RED,   [LEDGER_ANON_OTHER] = COLOR_RED,
	[LEDGER_STACK_LIVE] = COLOR_CYAN,   [LEDGER_STACK_DEAD] = COLOR_YELLOW,
	[LEDGER_FILE_CLEAN] = COLOR_CYAN,   [LEDGER_FILE_DIRTY] = COLOR_BLUE,
	[LEDGER_SHMEM] = COLOR_BLUE,
};

static void begin_colours(void)
{
	start_color();
	use_default_colors();
	init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	init_pair(PAIR_COLD, COLOR_CYAN, -1);
	for (int k = 0; k < LEDGER_CLASSES; k++)
		init_pair((short)(PAIR_CLASS + k), class_colours[k], -1);
}

static const char *type_name(void)
{
	const char *name = getenv("TERM");

	return name ? name : "";
}

int terminal_open(struct terminal *t, bool colour, struct error *e)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);

	if (!screen)
		return error_set(
			e, EXIT_FAILED,
			"the terminal type \"%s\" is not known: set TERM, or use --json",
			type_name());
	*t = (struct terminal){ .screen = screen,
				.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
				.colour = colour && has_colors() };
	if (!cursor_address) {
		terminal_close(t);
		return error_set(e, EXIT_FAILED,
				 "a terminal of type \"%s\" cannot be drawn upon: use "
				 "--json",
				 type_name());
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	set_escdelay(100);
	if (t->colour)
		begin_colours();
	return 0;
}

void terminal_close(struct terminal *t)
{
	endwin();
	delscreen(t->screen);
	t->screen = NULL;
}

static attr_t attributes(const struct terminal *t, uint8_t ink)
{
	switch (ink) {
	case INK_PLAIN:
		return A_NORMAL;
	case INK_BOLD:
		return A_BOLD;
	case INK_DIM:
		return A_DIM;
	case INK_BAR:
		return A_REVERSE;
	}
	if (!t->colour)
		return ink == INK_WARN ? A_BOLD : A_NORMAL;
	if (ink == INK_GOOD)
		return COLOR_PAIR(PAIR_GOOD);
	if (ink == INK_WARN)
		return COLOR_PAIR(PAIR_WARN) | A_BOLD;
	if (ink == INK_COLD)
		return COLOR_PAIR(PAIR_COLD);
	return COLOR_PAIR(PAIR_CLASS + ink - INK_CLASS);
}

static void copy(const struct terminal *t, const struct canvas *c)
{
	erase();
	for (int row = 0; row < c->rows; row++) {
		const struct canvas_cell *line = &c->cells[(size_t)row * (size_t)c->cols];

		for (int col = 0; col < c->cols; col++) {
			if (!line[col].text[0])
				continue;
			attrset((int)attributes(t, line[col].ink));
			mvaddstr(row, col, line[col].text);
		}
	}
	attrset(A_NORMAL);
	refresh();
}

void terminal_show(struct terminal *t, void (*draw)(struct canvas *c, void *arg),
		   void *arg)
{
	struct canvas c;

	/* Without memory the screen stays as it is. */
	if (canvas_init(&c, LINES, COLS, t->utf8))
		return;
	draw(&c, arg);
	copy(t, &c);
	canvas_free(&c);
}

int terminal_key(struct terminal *t, int ms)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	int key;

	(void)t;
	timeout(ms);
	key = getch();
	/* A terminal that has gone may send no signal, and has no key any more. */
	if (key == ERR && poll(&keys, 1, 0) > 0 && (keys.revents & (POLLHUP | POLLERR)))
		raise(SIGHUP);
	return key;
}
