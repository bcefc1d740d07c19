// SPDX-License-Identifier: GPL-2.0-or-later
/* The live screen: looks and keys in turn, and what is remembered of looks. */
#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/watch.h"
#include "model/earlier.h"
#include "render/terminal.h"
#include "render/tui.h"
#include "store/record.h"

struct screen {
	struct looks *looks;
	struct terminal terminal;
	struct tui tui;
	struct verdicts verdicts;
	struct history history;
	struct snapshot now;
	bool has_now;
	struct earlier earlier; /* that verdicts compare with */
	struct record mark, last; /* what changes are told from; and to */
	bool has_mark, has_last;
	struct match *regions;
};

/* Which regions changed since the mark. Without memory none is shown. */
static void compare(struct screen *w)
{
	struct tui *t = &w->tui;
	size_t n = 0;

	free(w->regions);
	w->regions = w->has_mark && w->has_last
			     ? match_regions(&w->mark, &w->last, true, &n)
			     : NULL;
	t->regions = w->regions;
	t->nregions = w->regions ? n : 0;
}

static void forget(struct record *r, bool *has)
{
	if (*has)
		record_free(r);
	*has = false;
}

/* The last look becomes what changes are told from. */
static int mark(struct screen *w, struct error *e)
{
	struct record r;

	if (record_take(&r, &w->now, e))
		return -1;
	forget(&w->mark, &w->has_mark);
	w->mark = r;
	w->has_mark = true;
	w->tui.mark = moment_of(&w->now);
	return 0;
}

static int remember(struct screen *w, struct error *e)
{
	forget(&w->last, &w->has_last);
	if (record_take(&w->last, &w->now, e))
		return -1;
	w->has_last = true;
	if (history_add(&w->history, &w->now))
		return error_sys(e, ENOMEM, "the history of looks");
	return w->has_mark ? 0 : mark(w, e);
}

static int look(struct screen *w, struct error *e)
{
	struct tui *t = &w->tui;
	struct snapshot s;

	if (w->looks->next(w->looks, &s, e))
		return -1;
	if (w->has_now)
		earlier_put(&w->earlier, &w->now);
	w->now = s;
	w->has_now = true;
	t->now = &w->now;
	t->before = earlier_get(&w->earlier, &w->now);
	verdicts_judge(&w->verdicts, t->now, t->before);
	if (w->looks->note[0])
		memcpy(t->in.message, w->looks->note, sizeof(w->looks->note));
	w->looks->note[0] = '\0';
	if (remember(w, e))
		return -1;
	compare(w);
	return 0;
}

static void draw(struct canvas *c, void *arg)
{
	tui_draw(c, arg);
}

static void show(struct screen *w)
{
	terminal_show(&w->terminal, draw, &w->tui);
}

/* The last look stays on the screen, and what happened beside it. */
static void end(struct screen *w, const struct error *e)
{
	struct tui *t = &w->tui;
	char when[TUI_WHEN];

	t->in.ended = true;
	snprintf(t->in.message, sizeof(t->in.message),
		 "%s: the last look is of %s: %.300s",
		 e->status == EXIT_GONE ? "ENDED" : "STOPPED",
		 tui_when(when, &w->now.time), e->text);
}

static void save(struct screen *w)
{
	struct tui *t = &w->tui;
	char path[sizeof(t->path)];
	struct error e;

	memcpy(path, t->path, sizeof(path));
	if (snapshot_keep(&w->now, path, &e))
		snprintf(t->in.message, sizeof(t->in.message), "%.400s", e.text);
	else
		snprintf(t->in.message, sizeof(t->in.message), "written: %.400s", path);
}

static void remark(struct screen *w)
{
	struct error e;

	if (mark(w, &e))
		snprintf(w->tui.in.message, sizeof(w->tui.in.message), "%.400s", e.text);
	compare(w);
}

/* Does what a key asks for; true if that is to look now. */
static bool act(struct screen *w, int key)
{
	switch (tui_key(&w->tui, key)) {
	case TUI_QUIT:
		watch_stop = 1;
		return false;
	case TUI_LOOK:
		return true;
	case TUI_MARK:
		remark(w);
		return false;
	case TUI_SAVE:
		save(w);
		return false;
	case TUI_NONE:
		return false;
	}
	return false;
}

/* Takes keys until it is time to look again, after a look that began at @begun. */
static void wait_keys(struct screen *w, uint64_t begun)
{
	const struct tui *t = &w->tui;
	uint64_t took = watch_now() - begun;

	while (!watch_stop) {
		int ms = t->in.paused || t->in.ended
				 ? WATCH_WAIT_MS
				 : watch_left_ms(
					   watch_next(begun, took, t->in.interval_ns));
		int key;

		if (!ms)
			return;
		key = terminal_key(&w->terminal, ms);
		if (key == ERR)
			continue;
		if (key != KEY_RESIZE && act(w, key))
			return;
		show(w);
	}
}

static int run(struct screen *w, struct error *e)
{
	int err = look(w, e);

	if (err)
		return err;
	if (terminal_open(&w->terminal, want_colour(STDOUT_FILENO), e))
		return -1;
	for (uint64_t begun = watch_now(); !watch_stop;) {
		show(w);
		wait_keys(w, begun);
		begun = watch_now();
		if (watch_stop || w->tui.in.ended)
			continue;
		err = look(w, e);
		if (err)
			end(w, e);
	}
	terminal_close(&w->terminal);
	return err;
}

int watch_screen(struct looks *l, struct error *e)
{
	struct screen w = { .looks = l };
	int err;

	w.tui.in.interval_ns = l->o->interval_ns;
	w.tui.history = &w.history;
	w.tui.verdicts = &w.verdicts;
	err = run(&w, e);
	free(w.regions);
	forget(&w.mark, &w.has_mark);
	forget(&w.last, &w.has_last);
	history_free(&w.history);
	if (w.has_now)
		snapshot_free(&w.now);
	earlier_free(&w.earlier);
	return err;
}
