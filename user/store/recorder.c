// SPDX-License-Identifier: GPL-2.0-or-later
/* Adding to recordings; see recorder.h. What goes when there is no room: keep.c. */
#include "store/recorder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"
#include "store/base.h"
#include "store/keep.h"
#include "store/sql.h"

/* Looks that are kept by how they differ from one: the more, the more they differ. */
#define GROUP_MAX 128
/* A look that is as large as this part of a whole one is kept whole. */
#define WORTH 2
/* Of what is kept for a time, a group is this part at most, for it goes as a whole. */
#define TIME_PART 8

enum { FIND_PROCESS, ADD_PROCESS, NAME_PROCESS, FIND_GROUP, ADD_LOOK, STATEMENTS };

static const char *const texts[STATEMENTS] = {
	[FIND_PROCESS] = "SELECT id, comm FROM process WHERE pid = ? AND starttime = ? "
			 "AND boot = ?",
	[ADD_PROCESS] = "INSERT INTO process (pid, starttime, boot, comm) "
			"VALUES (?, ?, ?, ?)",
	[NAME_PROCESS] = "UPDATE process SET comm = ? WHERE id = ?",
	[FIND_GROUP] =
		"SELECT id, base, length(json), uptime FROM look WHERE process = ? "
		"ORDER BY id DESC",
	[ADD_LOOK] =
		"INSERT INTO look (process, time, uptime, rss, swap, live, stranded, "
		"heap_used, heap_returnable, heap_held, heap_metadata, heap_unread, "
		"anon_other, stack_live, stack_dead, file_clean, file_dirty, shmem, "
		"why, base, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		"?, "
		"?, ?, ?, ?, ?)",
};

_Static_assert(LEDGER_CLASSES == 11, "a column for each class, in the ledger's order");

struct recorder {
	struct sql q;
	struct keep keep;
	sqlite3_stmt *st[STATEMENTS];
};

void recorder_close(struct recorder *r)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(r->st[i]);
	sql_close(&r->q);
	free(r);
}

int recorder_open(struct recorder **out, const char *path, const struct keep *keep,
		  struct error *e)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return error_sys(e, ENOMEM, "%s", path);
	r->keep = *keep;
	if (sql_open_rw(&r->q, path, e)) {
		free(r);
		return -1;
	}
	for (int i = 0; i < STATEMENTS; i++) {
		r->st[i] = sql_prepare(&r->q, texts[i], e);
		if (!r->st[i]) {
			recorder_close(r);
			return -1;
		}
	}
	*out = r;
	return 0;
}

static void bind_text(sqlite3_stmt *st, int n, const char *text)
{
	sqlite3_bind_text(st, n, text, -1, SQLITE_TRANSIENT);
}

static int add_process(struct recorder *r, const struct snapshot *s, const char *comm,
		       int64_t *id, struct error *e)
{
	sqlite3_stmt *st = r->st[ADD_PROCESS];

	sqlite3_bind_int64(st, 1, s->process.pid);
	sqlite3_bind_int64(st, 2, (int64_t)s->process.starttime);
	bind_text(st, 3, s->boot_id);
	bind_text(st, 4, comm);
	if (sql_do(&r->q, st, e))
		return -1;
	*id = sqlite3_last_insert_rowid(r->q.db);
	return 0;
}

/* A pid that was used again has another start, and is another process. */
static int find_process(struct recorder *r, const struct snapshot *s, int64_t *id,
			struct error *e)
{
	sqlite3_stmt *st = r->st[FIND_PROCESS], *name = r->st[NAME_PROCESS];
	char comm[65];
	bool renamed;
	int got;

	escape_utf8(comm, sizeof(comm), s->process.comm);
	sqlite3_bind_int64(st, 1, s->process.pid);
	sqlite3_bind_int64(st, 2, (int64_t)s->process.starttime);
	bind_text(st, 3, s->boot_id);
	got = sql_step(&r->q, st, e);
	if (got > 0) {
		const char *was = (const char *)sqlite3_column_text(st, 1);

		*id = sqlite3_column_int64(st, 0);
		renamed = !was || strcmp(was, comm) != 0;
	}
	sqlite3_reset(st);
	if (got <= 0)
		return got ? -1 : add_process(r, s, comm, id, e);
	if (!renamed)
		return 0;
	bind_text(name, 1, comm);
	sqlite3_bind_int64(name, 2, *id);
	return sql_do(&r->q, name, e);
}

/* The look that the next one of a process may differ from, and what followed it. */
struct group {
	int64_t key; /* 0: there is none, or it is full */
	uint64_t key_len;
	uint64_t len; /* all that is in it */
	uint64_t begun_ns; /* after boot */
	int n;
};

static bool is_full(const struct group *g, const struct keep *keep,
		    const struct snapshot *now)
{
	if (g->n >= GROUP_MAX)
		return true;
	/* Of a file that is bounded, groups are what goes: small ones. */
	if (keep->what == KEEP_BYTES)
		return g->len > keep->n / 16;
	return keep->what == KEEP_TIME &&
	       now->uptime_ns - g->begun_ns >= keep->n / TIME_PART;
}

static int find_group(struct recorder *r, int64_t process, const struct snapshot *now,
		      struct group *g, struct error *e)
{
	sqlite3_stmt *st = r->st[FIND_GROUP];
	int got;

	*g = (struct group){ 0 };
	sqlite3_bind_int64(st, 1, process);
	while (!g->key && (got = sql_step(&r->q, st, e)) > 0) {
		uint64_t len = (uint64_t)sqlite3_column_int64(st, 2);

		g->len += len;
		g->n++;
		if (sqlite3_column_int64(st, 1))
			continue;
		g->key = sqlite3_column_int64(st, 0);
		g->key_len = len;
		g->begun_ns = (uint64_t)sqlite3_column_int64(st, 3);
	}
	sqlite3_reset(st);
	if (!g->key && got < 0)
		return -1;
	if (is_full(g, &r->keep, now))
		g->key = 0;
	return 0;
}

static int pack_text(struct recorder *r, const struct blob *text, const struct blob *base,
		     struct blob *out, struct error *e)
{
	const char *wrong = pack(text, base, out);

	return wrong ? error_set(e, EXIT_FAILED, "%s: packing a look: %s", r->q.path,
				 wrong)
		     : 0;
}

/* By the difference, if that is worth it: then *@key is of what; else 0. */
static int pack_look(struct recorder *r, const struct group *g, const struct blob *text,
		     int64_t *key, struct blob *out, struct error *e)
{
	struct blob base;
	int err;

	*key = 0;
	if (!g->key)
		return pack_text(r, text, NULL, out, e);
	if (base_text(&r->q, g->key, &base, e))
		return -1;
	err = pack_text(r, text, &base, out, e);
	free(base.data);
	if (err)
		return -1;
	if (out->len <= g->key_len / WORTH) {
		*key = g->key;
		return 0;
	}
	free(out->data);
	return pack_text(r, text, NULL, out, e);
}

static int insert(struct recorder *r, const struct snapshot *s, int64_t process,
		  const char *why, int64_t key, const struct blob *packed,
		  struct error *e)
{
	const int64_t numbers[] = {
		process,
		s->time.tv_sec * 1000 + s->time.tv_nsec / 1000000,
		(int64_t)s->uptime_ns,
		(int64_t)s->rss,
		(int64_t)s->swap,
		(int64_t)s->live_bytes,
		(int64_t)s->stranded_bytes,
	};
	sqlite3_stmt *st = r->st[ADD_LOOK];
	int at = 1, bad = SQLITE_OK;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		bad |= sqlite3_bind_int64(st, at++, numbers[i]);
	for (int c = 0; c < LEDGER_CLASSES; c++)
		bad |= sqlite3_bind_int64(st, at++, (int64_t)s->ledger[c].resident);
	bad |= sqlite3_bind_text(st, at++, why, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_int64(st, at++, key);
	bad |= sqlite3_bind_blob64(st, at, packed->data, packed->len, SQLITE_STATIC);
	return bad ? sql_error(&r->q, "writing", e) : sql_do(&r->q, st, e);
}

static int add(struct recorder *r, const struct snapshot *s, const struct blob *text,
	       const char *why, struct error *e)
{
	struct group g;
	struct blob packed;
	int64_t process, key;
	bool begun;
	int err;

	if (find_process(r, s, &process, e) || find_group(r, process, s, &g, e) ||
	    pack_look(r, &g, text, &key, &packed, e))
		return -1;
	err = keep_check(&r->q, &r->keep, packed.len, e);
	if (!err)
		err = insert(r, s, process, why, key, &packed, e);
	free(packed.data);
	if (err)
		return -1;
	begun = !key;
	if (begun)
		key = sqlite3_last_insert_rowid(r->q.db);
	return keep_newest(&r->q, &r->keep, process, key, begun, s, e);
}

int recorder_add(struct recorder *r, const struct snapshot *s, const struct blob *text,
		 const char *why, struct error *e)
{
	if (sql_run(&r->q, "BEGIN IMMEDIATE", e))
		return -1;
	if (add(r, s, text, why, e) || sql_run(&r->q, "COMMIT", e)) {
		sqlite3_exec(r->q.db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return 0;
}
