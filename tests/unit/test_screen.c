// SPDX-License-Identifier: GPL-2.0-or-later
/* The live screen, drawn into memory: cells, history, the map, views and keys. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <locale.h>
#include <ncurses.h>

#include "model/history.h"
#include "model/map.h"
#include "model/node.h"
#include "render/canvas.h"
#include "render/escape.h"
#include "render/top.h"
#include "render/tui.h"
#include "render/tui_top.h"

#define MIB (1ull << 20)
#define SECOND 1000000000ull

static char text[1 << 18];

static const char *drawn(struct canvas *c)
{
	char *t = canvas_text(c);

	assert_non_null(t);
	assert_true(strlen(t) < sizeof(text));
	strcpy(text, t);
	free(t);
	return text;
}

static void test_canvas(void **state)
{
	struct canvas c;

	(void)state;
	assert_int_equal(canvas_init(&c, 2, 8, true), 0);
	assert_int_equal(canvas_put(&c, 0, 0, INK_PLAIN, "h\xc3\xa9"), 2);
	/* What is not printable, or no character, or has no width. */
	canvas_put(&c, 0, 2, INK_PLAIN, "\033\xff\xe2\x80\xae|");
	assert_string_equal(drawn(&c), "h\xc3\xa9??|\n\n");
	/* Two cells wide: the second one does not fit. */
	canvas_put(&c, 1, 5, INK_PLAIN, "\xe4\xb8\xad\xe4\xb8\xad");
	assert_string_equal(drawn(&c), "h\xc3\xa9??|\n     \xe4\xb8\xad\n");
	/* Cut at each edge. */
	canvas_put(&c, 1, 0, INK_PLAIN, "0123456789");
	canvas_put(&c, 0, -2, INK_PLAIN, "abcd");
	canvas_put(&c, -1, 0, INK_PLAIN, "no");
	canvas_put(&c, 2, 0, INK_PLAIN, "no");
	assert_string_equal(drawn(&c), "cd??|\n01234567\n");
	canvas_free(&c);
	assert_int_equal(canvas_init(&c, 0, 0, true), 0);
	canvas_put(&c, 0, 0, INK_PLAIN, "x");
	canvas_rule(&c, 0, INK_BAR);
	assert_string_equal(drawn(&c), "");
	canvas_free(&c);
}

static void test_bars(void **state)
{
	uint64_t v[] = { 0, 50, 100, 1000 }, part[LEDGER_CLASSES] = { 0 };
	struct canvas c;

	(void)state;
	part[LEDGER_HEAP_USED] = 50;
	part[LEDGER_HEAP_RETURNABLE] = 25;
	part[LEDGER_FILE_CLEAN] = 25;
	assert_int_equal(canvas_init(&c, 2, 12, false), 0);
	canvas_spark(&c, 0, 0, INK_PLAIN, v, 4, 0, 100);
	canvas_bar(&c, 1, 0, 12, part, 100);
	assert_string_equal(drawn(&c), "_+##\n######===fff\n");
	canvas_free(&c);
	assert_int_equal(canvas_init(&c, 1, 4, true), 0);
	canvas_spark(&c, 0, 0, INK_PLAIN, v, 4, 0, 100);
	assert_string_equal(drawn(&c), "▁▅██\n");
	canvas_bar(&c, 0, 0, 4, part, 0);
	assert_string_equal(drawn(&c), "▁▅██\n");
	canvas_free(&c);
}

static struct snapshot look_at(uint64_t seconds, uint64_t rss)
{
	struct snapshot s = { .monotonic_ns = seconds * SECOND,
			      .time.tv_sec = (time_t)seconds,
			      .source = "procfs",
			      .process = { .pid = 42, .comm = "it", .threads = 1 },
			      .rss = rss };

	s.ledger[LEDGER_HEAP_USED].resident = rss / 2;
	s.ledger[LEDGER_HEAP_RETURNABLE].resident = rss - rss / 2;
	return s;
}

static void test_history(void **state)
{
	struct history h = { .n = 0 };

	(void)state;
	assert_null(history_last(&h));
	assert_null(history_since(&h, 1));
	for (uint64_t i = 0; i < HISTORY_MOMENTS + 10; i++) {
		struct snapshot s = look_at(i * 2, i * MIB);

		assert_int_equal(history_add(&h, &s), 0);
	}
	assert_int_equal(h.n, HISTORY_MOMENTS);
	assert_int_equal(history_at(&h, 0)->value[QUANTITY_RSS], 10 * MIB);
	assert_int_equal(history_last(&h)->value[QUANTITY_RSS],
			 (HISTORY_MOMENTS + 9) * MIB);
	assert_ptr_equal(history_since(&h, UINT64_MAX), history_at(&h, 0));
	assert_ptr_equal(history_since(&h, 0), history_last(&h));
	/* 60 s are 30 looks back. */
	assert_ptr_equal(history_since(&h, 60 * SECOND), history_at(&h, h.n - 31));
	assert_int_equal(moment_rate(history_since(&h, 60 * SECOND), history_last(&h),
				     QUANTITY_RSS),
			 30 * MIB);
	assert_int_equal(moment_rate(history_last(&h), history_at(&h, 0), QUANTITY_RSS), 0);
	history_free(&h);
}

static void test_map(void **state)
{
	struct vma v[] = {
		{ .start = 0x10000, .end = 0x12000, .st.rss = 0x2000 },
		{ .start = 0x20000, .end = 0x90000 }, /* nothing is resident */
		{ .start = 0x100000, .end = 0x102000, .st.rss = 0x1000 },
	};
	struct vma_list l = { v, 3, 3 };
	struct map *m = map_new(&l, 4096);
	struct page_run run = { .start = 0x10000, .end = 0x12000, .age = 2 };
	struct map_cell all;

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->cell, 4096);
	assert_int_equal(m->ncells, 4);
	map_add(m, 0, LEDGER_HEAP_USED, &run);
	run = (struct page_run){ .start = 0x101000, .end = 0x102000 };
	map_add(m, 2, LEDGER_FILE_CLEAN, &run);
	/* What came after the mappings were read is left out. */
	run = (struct page_run){ .start = 0x20000, .end = 0x90000 };
	map_add(m, 1, LEDGER_SHMEM, &run);
	/* Nor does one that is too long get anywhere. */
	run = (struct page_run){ .start = 0x101000, .end = 0x1000000 };
	map_add(m, 2, LEDGER_STACK_DEAD, &run);
	all = map_sum(m, 0, 100);
	assert_int_equal(all.resident[LEDGER_HEAP_USED], 0x2000);
	assert_int_equal(all.resident[LEDGER_FILE_CLEAN], 0x1000);
	assert_int_equal(all.resident[LEDGER_SHMEM], 0);
	assert_int_equal(all.resident[LEDGER_STACK_DEAD], 0x1000);
	assert_int_equal(all.idle, 0x2000);
	assert_int_equal(all.idle_unknown, 0x2000);
	assert_int_equal(map_sum(m, 2, 1).resident[LEDGER_FILE_CLEAN], 0);
	assert_int_equal(map_address(m, 1), 0x11000);
	assert_int_equal(map_address(m, 3), 0x101000);
	map_free(m);
	/* However large, it has so many cells at most. */
	v[0].end = v[1].start = v[1].end = 1ull << 46;
	v[2] = (struct vma){ .start = 1ull << 46, .end = 1ull << 47, .st.rss = 4096 };
	m = map_new(&l, 4096);
	assert_non_null(m);
	assert_true(m->ncells <= MAP_CELLS && m->ncells > MAP_CELLS / 2);
	map_free(m);
}

struct shown {
	struct tui t;
	struct snapshot now;
	struct history history;
	struct verdicts verdicts;
	struct match m[2];
	struct record_region r[2];
};

static void set_up(struct shown *s)
{
	memset(s, 0, sizeof(*s));
	for (uint64_t i = 0; i <= 30; i++) {
		s->now = look_at(i, (100 + i) * MIB);
		assert_int_equal(history_add(&s->history, &s->now), 0);
	}
	verdicts_judge(&s->verdicts, &s->now, NULL);
	s->r[0] = (struct record_region){ .start = 0x1000, .end = 0x2000, .perms = "rw-p",
					  .name = "[heap]", .owner = "glibc" };
	s->r[1] = (struct record_region){ .start = 0x5000, .end = 0x9000, .perms = "r--p",
					  .name = "/a\033b", .owner = "" };
	s->m[0] = (struct match){ .kind = MATCH_GREW, .change = 30 * MIB };
	s->m[0].now = (struct match_side){ &s->r[0], 1, 0x2000, 0x1000, 130 * MIB, 0 };
	s->m[1].now = (struct match_side){ &s->r[1], 1, 0x9000, 0x4000, 4096, 0 };
	s->t = (struct tui){ .now = &s->now, .history = &s->history,
			     .verdicts = &s->verdicts, .regions = s->m, .nregions = 2,
			     .in.interval_ns = 2 * SECOND,
			     .mark = *history_at(&s->history, 0) };
}

static const char *screen(struct tui *t, int rows, int cols)
{
	struct canvas c;

	assert_int_equal(canvas_init(&c, rows, cols, false), 0);
	tui_draw(&c, t);
	drawn(&c);
	canvas_free(&c);
	return text;
}

static void test_views(void **state)
{
	struct shown s;

	(void)state;
	set_up(&s);
	assert_non_null(strstr(screen(&s.t, 24, 80), "RSS 130.0 MiB  growing +60.0 MiB/min"));
	assert_non_null(strstr(text, "# heap.used           65.0 MiB  50.0%    +15.0 MiB"
				     "    +30.0 MiB/min"));
	assert_non_null(strstr(text, "000000001000       130.0 MiB           +30.0 MiB"
				     "  rw-p glibc [heap]"));
	/* Each view, in whatever there is room for. */
	for (enum tui_view v = 0; v < TUI_VIEWS; v++) {
		s.t.view = v;
		for (int rows = 0; rows < 40; rows++)
			screen(&s.t, rows, rows * 3 % 41);
		screen(&s.t, 200, 500);
	}
	history_free(&s.history);
}

static void type(struct tui *t, const char *keys)
{
	for (; *keys; keys++)
		assert_int_equal(tui_key(t, *keys), TUI_NONE);
}

static void test_keys(void **state)
{
	struct shown s;

	(void)state;
	set_up(&s);
	type(&s.t, "2");
	assert_int_equal(s.t.view, TUI_REGIONS);
	assert_non_null(strstr(screen(&s.t, 24, 80), "1 to 2 of 2 regions"));
	/* Names are the target's. */
	assert_non_null(strstr(text, "/a\\x1bb"));
	type(&s.t, "/heap\n");
	assert_non_null(strstr(screen(&s.t, 24, 80), "1 to 1 of 1 regions that match"));
	type(&s.t, "/");
	tui_key(&s.t, KEY_BACKSPACE);
	assert_string_equal(s.t.in.typed, "hea");
	tui_key(&s.t, 27);
	assert_string_equal(s.t.filter, "heap");
	type(&s.t, "sss?");
	assert_int_equal(s.t.sort, TUI_BY_SWAPPED);
	assert_int_equal(s.t.view, TUI_HELP);
	type(&s.t, "?\t\t\t\t");
	assert_int_equal(s.t.view, TUI_LEDGER);
	type(&s.t, "+-");
	assert_int_equal(s.t.in.interval_ns, 2 * SECOND);
	type(&s.t, "p");
	assert_non_null(strstr(screen(&s.t, 24, 80), "paused"));
	assert_int_equal(tui_key(&s.t, 'p'), TUI_LOOK);
	assert_int_equal(tui_key(&s.t, 'b'), TUI_MARK);
	type(&s.t, "w");
	for (int i = 0; i < 2 * INPUT_TEXT; i++)
		tui_key(&s.t, 'x');
	tui_key(&s.t, 'U' - '@');
	type(&s.t, "out");
	assert_int_equal(tui_key(&s.t, '\n'), TUI_SAVE);
	assert_string_equal(s.t.path, "out");
	assert_int_equal(tui_key(&s.t, 'q'), TUI_QUIT);
	history_free(&s.history);
}

static void test_scroll(void **state)
{
	struct shown s;
	struct match many[100];

	(void)state;
	set_up(&s);
	for (size_t i = 0; i < 100; i++) {
		many[i] = s.m[0];
		many[i].change = -(int64_t)i;
	}
	s.t.regions = many;
	s.t.nregions = 100;
	type(&s.t, "2");
	assert_non_null(strstr(screen(&s.t, 24, 80), "1 to 19 of 100 regions"));
	tui_key(&s.t, KEY_NPAGE);
	assert_non_null(strstr(screen(&s.t, 24, 80), "20 to 38 of 100 regions"));
	tui_key(&s.t, KEY_END);
	assert_non_null(strstr(screen(&s.t, 24, 80), "82 to 100 of 100 regions"));
	tui_key(&s.t, KEY_DOWN);
	tui_key(&s.t, KEY_UP);
	assert_non_null(strstr(screen(&s.t, 24, 80), "81 to 99 of 100 regions"));
	/* More room: what was scrolled to stays in sight. */
	assert_non_null(strstr(screen(&s.t, 124, 80), "1 to 100 of 100 regions"));
	history_free(&s.history);
}

/* Keys by the names that help has for them; each stands there as a word of its own. */
static const struct {
	int key;
	const char *name;
} named[] = {
	{ '\t', "Tab" },      { KEY_BTAB, "Shift-Tab" }, { KEY_LEFT, "Left" },
	{ KEY_RIGHT, "Right" }, { KEY_UP, "Up" },	   { KEY_DOWN, "Down" },
	{ KEY_PPAGE, "PgUp" },	{ KEY_NPAGE, "PgDn" },	   { KEY_HOME, "Home" },
	{ KEY_END, "End" },	{ INPUT_ESCAPE, "Esc" },   { ' ', "Space" },
};

static const char *name_of(int key, char letter[2])
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (named[i].key == key)
			return named[i].name;
	letter[0] = key > ' ' && key < 0x7f ? (char)key : '\0';
	letter[1] = '\0';
	return letter;
}

/* Whether @name is a word of what is drawn; commas and the like end one, too. */
static bool told(const char *name)
{
	size_t len = strlen(name);

	for (const char *at = text; len && (at = strstr(at, name)); at++)
		if ((at == text || strchr(" \n", at[-1])) && strchr(" \n,:;.", at[len]))
			return true;
	return false;
}

/* Whether a key does anything, on some screen. */
static bool does_something(const struct tui *from, int key)
{
	for (enum tui_view v = 0; v < TUI_VIEWS; v++) {
		struct tui t = *from, was;

		t.view = v;
		t.behind = TUI_HEAP;
		t.in.scroll = 5;
		t.in.most = t.in.page = 10;
		was = t;
		if (tui_key(&t, key) != TUI_NONE || memcmp(&t, &was, sizeof(t)) != 0)
			return true;
	}
	return false;
}

/* Help tells of each key that does something, and of no other. */
static void test_help(void **state)
{
	struct shown s;

	(void)state;
	set_up(&s);
	for (size_t looks = 0; looks <= 30; looks += 30) {
		s.t.looks = looks;
		s.t.look = looks / 2;
		s.t.view = TUI_HELP;
		screen(&s.t, 60, 100);
		*strstr(text, "\nlive: ") = '\0'; /* marks of classes are no keys */
		for (int key = 1; key < KEY_MAX; key++) {
			char letter[2];
			const char *name = name_of(key, letter);
			bool does = does_something(&s.t, key);

			if (does != told(name) && (does || !isalnum(letter[0])))
				fail_msg("key %d (%s) does %s, and help %s", key, name,
					 does ? "something" : "nothing",
					 does ? "does not tell" : "tells of it");
		}
	}
	history_free(&s.history);
}

static void test_narrow(void **state)
{
	struct shown s;

	(void)state;
	set_up(&s);
	/* How to get help, and away, is always told; and that there is more. */
	for (enum tui_view v = 0; v < TUI_VIEWS; v++) {
		s.t.view = v;
		assert_non_null(strstr(screen(&s.t, 10, 40), "? help q: quit"));
		assert_int_equal(strstr(text, "more below: Down, PgDn") != NULL,
				 s.t.in.most > 0);
	}
	s.t.view = TUI_HELP;
	screen(&s.t, 10, 40);
	assert_non_null(strstr(text, "more below"));
	tui_key(&s.t, KEY_END);
	assert_null(strstr(screen(&s.t, 10, 40), "more below"));
	/* Whose screen it is, on each view that has room for that. */
	s.t.view = TUI_TREND;
	assert_non_null(strstr(screen(&s.t, 24, 100), "q: quit"));
	assert_non_null(strstr(text, " it 42\n"));
	/* Of a path that is too long, the end, to the last cell: here, wide ones. */
	s.r[1].name = "/a/\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"
		      "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad/end";
	s.t.view = TUI_REGIONS;
	for (int cols = 74; cols < 80; cols++)
		assert_non_null(strstr(screen(&s.t, 24, cols), "\xe4\xb8\xad/end\n"));
	history_free(&s.history);
}

static void test_cells(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(escape_cells("", 5, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(escape_cells("abc", 2, &len), 2);
	assert_int_equal(len, 2);
	/* Two cells each; a mark that has none of its own; what is no character. */
	assert_int_equal(escape_cells("\xe4\xb8\xad\xe4\xb8\xad", 3, &len), 2);
	assert_int_equal(len, 3);
	assert_int_equal(escape_cells("e\xcc\x81x", 1, &len), 1);
	assert_int_equal(len, 3);
	assert_int_equal(escape_cells("\xff\xe4|", 9, &len), 3);
	assert_int_equal(len, 3);
	assert_int_equal(escape_cells("ab", -1, &len), 0);
}

static const char *top_screen_of(struct tui_top *t, int rows, int cols)
{
	struct canvas c;

	assert_int_equal(canvas_init(&c, rows, cols, false), 0);
	tui_top_draw(&c, t);
	drawn(&c);
	canvas_free(&c);
	return text;
}

static void test_top(void **state)
{
	struct pages pages = { .ops = &pages_procfs };
	struct node_process v[] = {
		{ .pid = 7, .comm = "big\033", .rss = 900 * MIB, .anon = 800 * MIB,
		  .state = NODE_LOOKED, .fallow = 300 * MIB, .returnable = 200 * MIB,
		  .verdict = VERDICT_RETENTION, .before = { SECOND, 840 * MIB },
		  .counted_ns = 31 * SECOND },
		{ .pid = 8, .comm = "small", .rss = 2 * MIB, .anon = MIB },
		{ .pid = 9, .comm = "secret", .anon = 5000 * MIB, .state = NODE_DENIED },
	};
	struct node n = { .pages = &pages, .v = v, .n = 3, .total = 8192 * MIB,
			  .available = UNKNOWN, .of_state = { 1, 1, 1, 0 } };
	struct tui_top t = { .node = &n, .in.interval_ns = 2 * SECOND };

	(void)state;
	assert_true(node_rank(&v[0], &v[1]) < 0 && node_rank(&v[1], &v[2]) < 0);
	assert_non_null(strstr(top_screen_of(&t, 24, 80),
			       "      7 big\\x1b       900.0 MiB      300.0 MiB"
			       "   +120.0 MiB/min  retention\n"));
	assert_non_null(strstr(text, "     <= 1.0 MiB                -  not looked at\n"));
	assert_non_null(strstr(text, "at most 5,001.0 MiB in 2 others"));
	assert_int_equal(tui_top_key(&t, 'g'), TOP_NONE);
	assert_int_equal(tui_top_key(&t, '/'), TOP_NONE);
	assert_int_equal(tui_top_key(&t, 'S'), TOP_NONE);
	assert_int_equal(tui_top_key(&t, '\n'), TOP_NONE);
	assert_null(strstr(top_screen_of(&t, 24, 120), "big"));
	assert_non_null(strstr(text, "secret"));
	for (int rows = 0; rows < 30; rows++)
		top_screen_of(&t, rows, rows * 7 % 130);
	assert_int_equal(tui_top_key(&t, 'q'), TOP_QUIT);
}

static bool does_in_top(const struct tui_top *from, int key)
{
	for (int i = 0; i < 2 * TOP_SORTS; i++) {
		struct tui_top t = *from, was;

		t.sort = (enum tui_top_sort)(i / 2);
		t.help = i % 2;
		t.in.scroll = 5;
		t.in.most = t.in.page = 10;
		was = t;
		if (tui_top_key(&t, key) != TOP_NONE || memcmp(&t, &was, sizeof(t)) != 0)
			return true;
	}
	return false;
}

static void test_top_help(void **state)
{
	struct pages pages = { .ops = &pages_procfs };
	struct node n = { .pages = &pages };
	struct tui_top t = { .node = &n, .in.interval_ns = 2 * SECOND, .help = true };

	(void)state;
	top_screen_of(&t, 40, 100);
	for (int key = 1; key < KEY_MAX; key++) {
		char letter[2];
		const char *name = name_of(key, letter);
		bool does = does_in_top(&t, key);

		if (does != told(name) && (does || !isalnum(letter[0])))
			fail_msg("key %d (%s) does %s, and help says else", key, name,
				 does ? "something" : "nothing");
	}
	assert_non_null(strstr(top_screen_of(&t, 10, 40), "more below"));
	assert_non_null(strstr(text, "? help  q: quit"));
	tui_top_key(&t, KEY_END);
	assert_non_null(strstr(top_screen_of(&t, 10, 40), "Ctrl-U"));
}

/* Names of any width and kind leave the columns after them where they are. */
static void test_top_columns(void **state)
{
	static const char *const names[] = {
		"plain", "\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad",
		"e\xcc\x81x", "\033[2J\033[31mred", "\xff\xfe", "\xe2\x80\xae" "desrever", "",
	};
	struct pages pages = { .ops = &pages_procfs };
	struct node_process v[sizeof(names) / sizeof(names[0])] = { 0 };
	struct node n = { .pages = &pages, .v = v, .n = sizeof(v) / sizeof(v[0]) };
	char *table;
	size_t size;
	FILE *f = open_memstream(&table, &size);

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < n.n; i++) {
		v[i] = (struct node_process){ .pid = 7, .rss = 900 * MIB,
					      .state = NODE_LOOKED, .fallow = 300 * MIB };
		snprintf(v[i].comm, sizeof(v[i].comm), "%s", names[i]);
	}
	text_top(f, &n, false);
	fclose(f);
	strtok(table, "\n");
	for (size_t i = 0; i < 2; i++)
		strtok(NULL, "\n");
	for (size_t i = 0; i < n.n; i++) {
		char *line = strtok(NULL, "\n"), *at = line ? strstr(line, "900.0 MiB") : NULL;
		size_t len;

		assert_non_null(at);
		*at = '\0';
		assert_int_equal(escape_cells(line, 100, &len), 10 + 16 + 13 - 9);
	}
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canvas),	cmocka_unit_test(test_bars),
		cmocka_unit_test(test_history), cmocka_unit_test(test_map),
		cmocka_unit_test(test_views),	cmocka_unit_test(test_keys),
		cmocka_unit_test(test_scroll),	cmocka_unit_test(test_help),
		cmocka_unit_test(test_narrow),	cmocka_unit_test(test_cells),
		cmocka_unit_test(test_top),	cmocka_unit_test(test_top_help),
		cmocka_unit_test(test_top_columns),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
