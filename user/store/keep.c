// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/keep.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "model/size.h"

/* Of a file that is bounded, this part is free for the next look, and bounds it. */
#define SPARE 8

/* The log that is beside the file: PRAGMA wal_autocheckpoint, and what a look adds. */
#define LOG_BYTES ((uint64_t)2 << 20)

static uint64_t spare(const struct keep *keep)
{
	return (keep->n - LOG_BYTES) / SPARE;
}

int keep_check(const struct sql *q, const struct keep *keep, size_t len, struct error *e)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];

	if (keep->what != KEEP_BYTES || len <= spare(keep) / 2)
		return 0;
	return error_set(e, EXIT_FAILED,
			 "%s: a look takes %s: --keep=%s is too little for such a "
			 "process",
			 q->path, size_format(a, len), size_format(b, keep->n));
}

/*
 * Runs @text with the two numbers that it may have as ?1 and ?2, and takes up to two from
 * its first row: 1, 0 if there is none, or -1.
 */
static int ask(const struct sql *q, const char *text, int64_t a, int64_t b,
	       int64_t out[2], struct error *e)
{
	sqlite3_stmt *st = sql_prepare(q, text, e);
	int got;

	if (!st)
		return -1;
	for (int i = 1; i <= sqlite3_bind_parameter_count(st); i++)
		sqlite3_bind_int64(st, i, i == 1 ? a : b);
	got = sql_step(q, st, e);
	for (int i = 0; got > 0 && i < 2 && i < sqlite3_column_count(st); i++)
		out[i] = sqlite3_column_int64(st, i);
	sqlite3_finalize(st);
	return got;
}

/* Removes the looks of a process before @end, and the process if it has none then. */
static int drop_before(const struct sql *q, int64_t process, int64_t end, struct error *e)
{
	int64_t none[2];

	if (ask(q, "DELETE FROM look WHERE process = ?1 AND id < ?2", process, end, none,
		e) < 0)
		return -1;
	return ask(q,
		   "DELETE FROM process WHERE id = ?1 AND NOT EXISTS "
		   "(SELECT 1 FROM look WHERE process = ?1)",
		   process, 0, none, e);
}

/* A group: that of the look @key, up to the next one of its process. */
static int group_end(const struct sql *q, int64_t process, int64_t key, int64_t *end,
		     struct error *e)
{
	int64_t out[2] = { INT64_MAX, 0 };
	int got = ask(q,
		      "SELECT id FROM look WHERE process = ?1 AND id > ?2 AND base = 0 "
		      "ORDER BY id LIMIT 1",
		      process, key, out, e);

	*end = out[0];
	return got < 0 ? -1 : 0;
}

/* The oldest group but that of @key: 1, with its process and end; 0: there is none. */
static int oldest_group(const struct sql *q, int64_t key, int64_t *process, int64_t *end,
			struct error *e)
{
	int64_t out[2];
	int got = ask(q,
		      "SELECT id, process FROM look WHERE base = 0 AND id <> ?1 "
		      "ORDER BY id LIMIT 1",
		      key, 0, out, e);

	if (got <= 0)
		return got;
	*process = out[1];
	return group_end(q, *process, out[0], end, e) ? -1 : 1;
}

static int bytes_used(const struct sql *q, uint64_t *bytes, struct error *e)
{
	int64_t pages[2], unused[2], size[2];

	if (ask(q, "PRAGMA page_count", 0, 0, pages, e) < 0 ||
	    ask(q, "PRAGMA freelist_count", 0, 0, unused, e) < 0 ||
	    ask(q, "PRAGMA page_size", 0, 0, size, e) < 0)
		return -1;
	*bytes = (uint64_t)(pages[0] - unused[0]) * (uint64_t)size[0];
	return 0;
}

static int keep_bytes(const struct sql *q, uint64_t most, int64_t key, struct error *e)
{
	int64_t process, end;
	uint64_t used;
	int got;

	for (;;) {
		if (bytes_used(q, &used, e))
			return -1;
		if (used <= most)
			return 0;
		got = oldest_group(q, key, &process, &end, e);
		if (got <= 0)
			return got;
		if (drop_before(q, process, end, e))
			return -1;
	}
}

static int keep_looks(const struct sql *q, uint64_t n, int64_t process, struct error *e)
{
	int64_t out[2];
	int got = ask(q,
		      "SELECT id, base FROM look WHERE process = ?1 ORDER BY id DESC "
		      "LIMIT 1 OFFSET ?2",
		      process, (int64_t)(n - 1), out, e);

	if (got <= 0)
		return got;
	return drop_before(q, process, out[1] ? out[1] : out[0], e);
}

/*
 * Before this, a look is old: by the time since boot, which no clock that is set changes; by
 * the clock if that was another boot.
 */
struct limit {
	const char *boot;
	int64_t uptime; /* ns */
	int64_t time; /* ms since 1970 */
};

/* The process behind @after, by ids, whose first look is old: 1; 0: there is none more. */
static int next_with_old(const struct sql *q, const struct limit *l, int64_t after,
			 int64_t *process, bool *same_boot, struct error *e)
{
	sqlite3_stmt *st = sql_prepare(
		q,
		"SELECT id, boot = ?1 FROM process WHERE id > ?2 AND (SELECT CASE "
		"WHEN boot = ?1 THEN uptime < ?3 ELSE time < ?4 END FROM look WHERE "
		"process = process.id ORDER BY look.id LIMIT 1) ORDER BY id LIMIT 1",
		e);
	int got;

	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, l->boot, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, after);
	sqlite3_bind_int64(st, 3, l->uptime);
	sqlite3_bind_int64(st, 4, l->time);
	got = sql_step(q, st, e);
	if (got > 0) {
		*process = sqlite3_column_int64(st, 0);
		*same_boot = sqlite3_column_int(st, 1);
	}
	sqlite3_finalize(st);
	return got;
}

/* Removes the groups of a process before that of the first look that is not old. */
static int drop_old(const struct sql *q, const struct limit *l, int64_t process,
		    bool same_boot, struct error *e)
{
	const char *young = same_boot
				    ? "SELECT id, base FROM look WHERE process = ?1 AND "
				      "uptime >= ?2 ORDER BY id LIMIT 1"
				    : "SELECT id, base FROM look WHERE process = ?1 AND "
				      "time >= ?2 ORDER BY id LIMIT 1";
	int64_t out[2] = { INT64_MAX, 0 };

	if (ask(q, young, process, same_boot ? l->uptime : l->time, out, e) < 0)
		return -1;
	return drop_before(q, process, out[1] ? out[1] : out[0], e);
}

/* Of all processes: those that ended, or rest, have groups of their own that become old. */
static int keep_time(const struct sql *q, uint64_t ns, const struct snapshot *now,
		     struct error *e)
{
	const struct limit l = {
		.boot = now->boot_id,
		.uptime = (int64_t)now->uptime_ns - (int64_t)ns,
		.time = now->time.tv_sec * 1000 + now->time.tv_nsec / 1000000 -
			(int64_t)(ns / 1000000),
	};
	int64_t process = INT64_MIN;
	bool same_boot;
	int got;

	while ((got = next_with_old(q, &l, process, &process, &same_boot, e)) > 0)
		if (drop_old(q, &l, process, same_boot, e))
			return -1;
	return got;
}

int keep_newest(const struct sql *q, const struct keep *keep, int64_t process,
		int64_t key, bool begun, const struct snapshot *s, struct error *e)
{
	switch (keep->what) {
	case KEEP_ALL:
		return 0;
	case KEEP_LOOKS:
		return keep_looks(q, keep->n, process, e);
	case KEEP_BYTES:
		return keep_bytes(q, keep->n - LOG_BYTES - spare(keep), key, e);
	case KEEP_TIME:
		/* Groups are a part of that time: often enough. */
		return begun ? keep_time(q, keep->n, s, e) : 0;
	}
	return 0;
}
