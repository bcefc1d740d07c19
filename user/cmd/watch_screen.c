// SPDX-License-Identifier: GPL-2.0-or-later
/* The live screen: looks and keys in turn, and what is remembered of looks. */
#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/watch.h"
#include "cmd/watch_replay.h"
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
	struct pace pace;
	struct replay *replay; /* of a recording; NULL: live */
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

/* What is shown of the look that is now the last one. */
static int remember(struct screen *w, struct error *e)
{
	struct tui *t = &w->tui;

	t->now = &w->now;
	verdicts_judge(&w->verdicts, t->now, t->before);
	forget(&w->last, &w->has_last);
	compare(w); /* what was compared with it is gone */
	if (record_take(&w->last, &w->now, e))
		return -1;
	w->has_last = true;
	if (!w->has_mark && mark(w, e))
		return -1;
	compare(w);
	return 0;
}

/* Of a recording, changes are told from its first look on, of those that are left. */
static int mark_first(struct screen *w, struct error *e)
{
	size_t i = 0, n = recording_count(w->looks->recording);
	int err;

	if (w->has_mark)
		return 0;
	while (recording_look(w->looks->recording, i, &w->now, e))
		if (e->status != EXIT_GONE || ++i == n)
			return -1;
	err = mark(w, e);
	snapshot_free(&w->now);
	return err;
}

/* Shows the look of index @i of a recording; on failure that of before. */
static int turn_to(struct screen *w, size_t i, struct error *e)
{
	struct tui *t = &w->tui;
	struct snapshot s;

	if (mark_first(w, e) || replay_look(w->replay, i, &s, &w->history, &t->before, e))
		return -1;
	if (w->has_now)
		snapshot_free(&w->now);
	w->now = s;
	w->has_now = true;
	w->looks->i = t->look = i;
	return remember(w, e);
}

/* It called exec: what the program before it had is not compared with. */
static void begin_anew(struct screen *w, const struct snapshot *s)
{
	char when[TUI_WHEN];

	snapshot_free(&w->now);
	earlier_free(&w->earlier);
	w->history.n = 0;
	forget(&w->mark, &w->has_mark);
	compare(w); /* what was compared with it is gone */
	snprintf(
		w->looks->note, sizeof(w->looks->note),
		"at %s or shortly before, it called exec: changes are told from there on",
		tui_when(when, &s->time));
}

static int look(struct screen *w, struct error *e)
{
	struct tui *t = &w->tui;
	struct snapshot s;

	if (w->looks->next(w->looks, &s, e))
		return -1;
	if (w->has_now && s.process.execs != w->now.process.execs)
		begin_anew(w, &s);
	else if (w->has_now)
		earlier_put(&w->earlier, &w->now);
	w->now = s;
	w->has_now = true;
	t->before = earlier_get(&w->earlier, &w->now);
	if (w->looks->note[0])
		memcpy(t->in.message, w->looks->note, sizeof(w->looks->note));
	w->looks->note[0] = '\0';
	if (history_add(&w->history, &w->now))
		return error_sys(e, ENOMEM, "the history of looks");
	return remember(w, e);
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

static void say(struct screen *w, const struct error *e)
{
	snprintf(w->tui.in.message, sizeof(w->tui.in.message), "%.400s", e->text);
}

static void turn(struct screen *w, size_t i)
{
	struct error e;

	if (turn_to(w, i, &e)) {
		w->tui.look = w->looks->i;
		w->tui.in.paused = true;
		say(w, &e);
	}
}

static void go(struct screen *w)
{
	struct error e;
	size_t i;

	w->tui.in.paused = true;
	if (recording_find(w->looks->recording, w->tui.path, &i, &e))
		say(w, &e);
	else
		turn(w, i);
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
	case TUI_TURN:
		turn(w, w->tui.look);
		return false;
	case TUI_GO:
		go(w);
		return false;
	case TUI_NONE:
		return false;
	}
	return false;
}

/* The next look; true if there can be none any more. */
static bool go_on(struct screen *w, struct error *e)
{
	struct tui *t = &w->tui;

	if (!w->replay) {
		if (!look(w, e))
			return false;
		end(w, e);
		return true;
	}
	if (t->look + 1 < t->looks)
		turn(w, t->look + 1);
	else
		t->in.paused = true;
	return false;
}

/* Takes keys until it is time to look again. */
static void wait_keys(struct screen *w)
{
	int key;

	while (!watch_stop &&
	       (key = watch_key(&w->terminal, &w->tui.in, &w->pace)) != WATCH_NOW) {
		if (key == ERR)
			continue;
		if (key != KEY_RESIZE && act(w, key))
			return;
		show(w);
	}
}

static int first_look(struct screen *w, struct error *e)
{
	struct tui *t = &w->tui;
	struct recording *r = w->looks->recording;

	if (!r)
		return look(w, e);
	w->replay = replay_new(r);
	if (!w->replay)
		return error_sys(e, ENOMEM, "the recording");
	t->looks = recording_count(r);
	t->in.paused = true;
	return turn_to(w, w->looks->i, e);
}

static int run(struct screen *w, struct error *e)
{
	bool ended = false;
	int err;

	pace_begin(&w->pace);
	err = first_look(w, e);
	pace_end(&w->pace);
	if (err || terminal_open(&w->terminal, want_colour(STDOUT_FILENO), e))
		return -1;
	while (!watch_stop) {
		w->tui.rest_ns = w->replay ? 0 : w->pace.least;
		show(w);
		wait_keys(w);
		if (watch_stop || ended)
			continue;
		pace_begin(&w->pace);
		ended = go_on(w, e);
		pace_end(&w->pace);
	}
	terminal_close(&w->terminal);
	return ended ? -1 : 0;
}

int watch_screen(struct looks *l, struct error *e)
{
	struct screen w = { .looks = l, .pace.careful = true };
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
	replay_free(w.replay);
	return err;
}
