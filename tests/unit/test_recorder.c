// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recordings: what is kept when more comes, whose looks are whose, and which look is meant.
 * What is in a file is counted by SQLite itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "store/recorder.h"
#include "store/recording.h"

#define S_NS 1000000000ull

static char dir[] = "/tmp/test_recorder.XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/r", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int64_t ask(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int64_t n;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

static void assert_sound(void)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	sqlite3_open(path, &db);
	sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
	sqlite3_close(db);
	/* What a look differs from is there, is whole, and is of the same process. */
	assert_int_equal(ask("SELECT count(*) FROM look WHERE base AND base NOT IN "
			     "(SELECT b.id FROM look b WHERE b.base = 0 AND "
			     "b.process = look.process)"),
			 0);
	assert_int_equal(ask("SELECT count(*) FROM process WHERE id NOT IN "
			     "(SELECT process FROM look)"),
			 0);
}

static struct recorder *begin(enum keep_what what, uint64_t n)
{
	struct keep keep = { what, n };
	struct recorder *r;
	struct error e = { .text = "" };

	if (recorder_open(&r, path, &keep, &e))
		fail_msg("%s", e.text);
	return r;
}

static struct snapshot look_of(pid_t pid, uint64_t starttime, time_t second)
{
	return (struct snapshot){
		.time = { 1000000000 + second, 0 },
		.uptime_ns = (uint64_t)second * S_NS,
		.boot_id = "aaaa",
		.process = { .pid = pid, .starttime = starttime, .comm = "one" },
		.rss = 4096,
	};
}

static void add_text(struct recorder *r, const struct snapshot *s, const char *text,
		     size_t len)
{
	struct blob blob = { (void *)(uintptr_t)text, len };
	struct error e = { .text = "" };

	if (recorder_add(r, s, &blob, "", &e))
		fail_msg("%s", e.text);
}

static void add(struct recorder *r, const struct snapshot *s)
{
	char text[64];

	snprintf(text, sizeof(text), "look at second %ld of %d",
		 (long)s->time.tv_sec - 1000000000, (int)s->process.pid);
	add_text(r, s, text, strlen(text));
}

static struct recording *reopen(const char *who)
{
	struct recording *r;
	struct error e = { .text = "" };

	if (recording_open(&r, path, &e) || recording_choose(r, who, &e))
		fail_msg("%s", e.text);
	return r;
}

static void assert_look(struct recording *r, const char *which, const char *text)
{
	struct error e = { .text = "" };
	struct blob blob;
	size_t i;

	if (recording_find(r, which, &i, &e) || recording_text(r, i, &blob, &e))
		fail_msg("%s: %s", which, e.text);
	assert_int_equal(blob.len, strlen(text));
	assert_memory_equal(blob.data, text, blob.len);
	free(blob.data);
}

static void assert_none(struct recording *r, const char *which)
{
	struct error e = { .text = "" };
	size_t i;

	assert_int_equal(recording_find(r, which, &i, &e), -1);
	assert_true(e.text[0]);
}

static void record_seconds(struct recorder *r, time_t from, time_t to)
{
	for (time_t t = from; t < to; t++) {
		struct snapshot s = look_of(7, 70, t);

		add(r, &s);
	}
}

static void test_all_are_there(void **state)
{
	struct recorder *w = begin(KEEP_ALL, 0);
	struct recording *r;

	(void)state;
	record_seconds(w, 0, 500);
	r = reopen(NULL);
	assert_int_equal(recording_count(r), 500);
	assert_look(r, "1", "look at second 0 of 7");
	assert_look(r, "130", "look at second 129 of 7");
	assert_look(r, "-1", "look at second 499 of 7");
	assert_look(r, "-500", "look at second 0 of 7");
	assert_none(r, "0");
	assert_none(r, "501");
	assert_none(r, "-501");
	assert_none(r, "");
	assert_none(r, "x");
	assert_none(r, "99999999999999999999");
	recording_close(r);
	recorder_close(w);
	assert_sound();
}

static void test_times(void **state)
{
	struct recorder *w = begin(KEEP_ALL, 0);
	struct recording *r;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	/* 1000000000 is 2001-09-09T01:46:40. */
	record_seconds(w, 0, 300);
	r = reopen("");
	assert_look(r, "-60s", "look at second 239 of 7");
	assert_look(r, "-2m", "look at second 179 of 7");
	assert_look(r, "01:46:45", "look at second 5 of 7");
	assert_look(r, "01:47", "look at second 79 of 7");
	assert_look(r, "2001-09-09T01:47:00", "look at second 20 of 7");
	assert_look(r, "2002-01-01T00:00", "look at second 299 of 7");
	assert_none(r, "2001-09-08T23:00");
	/* Of the day before, of which there is nothing. */
	assert_none(r, "02:30");
	assert_none(r, "-1h");
	assert_none(r, "-1x");
	recording_close(r);
	recorder_close(w);
}

/* A clock that is set: looks stay in the order in which they were taken. */
static void test_clock(void **state)
{
	struct recorder *w = begin(KEEP_TIME, 100 * S_NS);
	struct snapshot s;
	struct recording *r;

	(void)state;
	record_seconds(w, 0, 10);
	s = look_of(7, 70, 10);
	s.time.tv_sec += 1000000000; /* years ahead */
	add(w, &s);
	s = look_of(7, 70, 11);
	s.time.tv_sec -= 3600; /* and back */
	add(w, &s);
	r = reopen(NULL);
	assert_int_equal(recording_count(r), 12);
	assert_look(r, "-1", "look at second -3589 of 7");
	assert_look(r, "-2", "look at second 1000000010 of 7");
	recording_close(r);
	recorder_close(w);
	assert_sound();
}

static void test_keep_looks(void **state)
{
	struct recorder *w = begin(KEEP_LOOKS, 50);
	struct recording *r;
	size_t n;

	(void)state;
	for (int part = 0; part < 20; part++) {
		record_seconds(w, part * 100, part * 100 + 100);
		r = reopen(NULL);
		n = recording_count(r);
		/* Whole groups go: up to 128 more may be there. */
		assert_in_range(n, part ? 50 : 50, 50 + 128);
		recording_close(r);
	}
	r = reopen(NULL);
	assert_look(r, "-1", "look at second 1999 of 7");
	assert_look(r, "-50", "look at second 1950 of 7");
	recording_close(r);
	recorder_close(w);
	assert_sound();
}

static void test_keep_time(void **state)
{
	struct recorder *w = begin(KEEP_TIME, 100 * S_NS);
	struct snapshot s = look_of(9, 90, 0);

	(void)state;
	add(w, &s); /* a process that ends */
	s = look_of(8, 80, 0);
	strcpy(s.boot_id, "bbbb"); /* of the boot before: by the clock */
	add(w, &s);
	record_seconds(w, 0, 90);
	assert_int_equal(ask("SELECT count(*) FROM process"), 3);
	record_seconds(w, 90, 1000);
	assert_int_equal(ask("SELECT count(*) FROM process"), 1);
	assert_in_range(ask("SELECT count(*) FROM look"), 100, 101 + 128);
	assert_int_equal(ask("SELECT max(time) FROM look"), 1000000999000);
	recorder_close(w);
	assert_sound();
}

/* Processes that are looked at rarely keep no more than is asked, nor what others left. */
static void test_keep_time_of_all(void **state)
{
	struct recorder *w = begin(KEEP_TIME, 100 * S_NS);
	struct snapshot s;

	(void)state;
	s = look_of(8, 80, 0);
	add(w, &s);
	for (time_t t = 0; t < 20; t++) {
		s = look_of(9, 90, t); /* a process that ends */
		add(w, &s);
	}
	for (time_t t = 20; t < 300; t += 20) {
		s = look_of(8, 80, t);
		add(w, &s);
	}
	assert_int_equal(ask("SELECT count(*) FROM process"), 1);
	assert_int_equal(ask("SELECT min(time) FROM look"), 1000000180000);
	recorder_close(w);
	assert_sound();
}

/* Looks that cannot be packed: what they take is known. */
static void fill(char *text, size_t len, unsigned int *seed)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (char)rand_r(seed);
}

static void test_keep_bytes(void **state)
{
	static char text[100000];
	unsigned int seed = 1;
	struct recorder *w = begin(KEEP_BYTES, 8 << 20);
	struct snapshot s;
	struct stat st;

	(void)state;
	for (int i = 0; i < 500; i++) {
		s = look_of(i % 3 + 1, 10, i);
		fill(text, sizeof(text), &seed);
		add_text(w, &s, text, sizeof(text));
		assert_int_equal(stat(path, &st), 0);
		assert_in_range(st.st_size, 0, 8 << 20);
	}
	/* Most of the room is used. */
	assert_in_range(ask("SELECT sum(length(json)) FROM look"), 3 << 20, 8 << 20);
	assert_int_equal(ask("SELECT max(time) FROM look"), 1000000499000);
	assert_int_equal(ask("SELECT count(DISTINCT process) FROM look"), 3);
	recorder_close(w);
	assert_sound();
}

static void test_too_large(void **state)
{
	static char text[2 << 20];
	struct blob blob = { text, sizeof(text) };
	unsigned int seed = 1;
	struct recorder *w = begin(KEEP_BYTES, 4 << 20);
	struct snapshot s = look_of(7, 70, 0);
	struct error e = { .text = "" };

	(void)state;
	add(w, &s);
	fill(text, sizeof(text), &seed);
	assert_int_equal(recorder_add(w, &s, &blob, "", &e), -1);
	assert_non_null(strstr(e.text, "too little"));
	assert_int_equal(ask("SELECT count(*) FROM look"), 1);
	add(w, &s);
	recorder_close(w);
	assert_sound();
}

/* The same pid, another start; the same process, another name. */
static void test_processes(void **state)
{
	struct recorder *w = begin(KEEP_ALL, 0);
	struct snapshot s = look_of(7, 70, 0);
	struct recording *r;
	struct error e = { .text = "" };

	(void)state;
	add(w, &s);
	s = look_of(7, 71, 1);
	s.process.comm = (char *)"two";
	add(w, &s);
	s = look_of(7, 70, 2);
	s.process.comm = (char *)"three";
	add(w, &s);
	assert_int_equal(ask("SELECT count(*) FROM process"), 2);
	r = reopen("two");
	assert_int_equal(recording_count(r), 1);
	recording_close(r);
	r = reopen("three");
	assert_int_equal(recording_count(r), 2);
	assert_int_equal(recording_choose(r, "7", &e), -1);
	assert_int_equal(e.status, EXIT_USAGE);
	assert_int_equal(recording_choose(r, NULL, &e), -1);
	assert_int_equal(recording_choose(r, "one", &e), -1);
	assert_int_equal(e.status, EXIT_GONE);
	recording_close(r);
	recorder_close(w);
	/* Added to by another. */
	w = begin(KEEP_ALL, 0);
	s = look_of(7, 71, 3);
	add(w, &s);
	assert_int_equal(ask("SELECT count(*) FROM process"), 2);
	assert_int_equal(ask("SELECT count(*) FROM look"), 4);
	recorder_close(w);
	assert_sound();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_are_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep_looks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep_time_of_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_processes, setup, teardown),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
