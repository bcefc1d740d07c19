// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading recordings; see recording.h. Which look is meant: find.c. */
#include "store/recording.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base.h"
#include "store/record.h"
#include "store/revive.h"
#include "store/sql.h"

#define PROCESSES_MAX ((size_t)1 << 24)
#define LOOKS_MAX     ((size_t)1 << 28)
#define LISTED	      12 /* processes that an error names */

struct entry {
	int64_t id;
	int64_t time; /* ms since 1970 */
	uint64_t uptime; /* ns after boot */
};

struct recording {
	struct sql q;
	struct recorded_process *processes;
	size_t nprocesses;
	size_t chosen;
	struct entry *looks; /* of the chosen one */
	size_t nlooks;
};

/* Room for one more after @n: doubled whenever it is full. */
static void *grown(const struct recording *r, void *all, size_t n, size_t size,
		   struct error *e)
{
	void *more = n & (n - 1) ? all : realloc(all, (n ? 2 * n : 1) * size);

	if (!more)
		error_sys(e, ENOMEM, "%s", r->q.path);
	return more;
}

static void copy_column(char *to, size_t size, sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	snprintf(to, size, "%s", text ? text : "");
}

static int add_process(struct recording *r, sqlite3_stmt *st, struct error *e)
{
	struct recorded_process *p = grown(r, r->processes, r->nprocesses, sizeof(*p), e);
	int64_t id = sqlite3_column_int64(st, 0);

	if (!p)
		return -1;
	r->processes = p;
	if (r->nprocesses == PROCESSES_MAX ||
	    (r->nprocesses && p[r->nprocesses - 1].id >= id))
		return sql_corrupt(&r->q, "its processes are not in order", e);
	p += r->nprocesses++;
	p->id = id;
	p->pid = (pid_t)sqlite3_column_int(st, 2);
	p->starttime = (uint64_t)sqlite3_column_int64(st, 3);
	copy_column(p->boot_id, sizeof(p->boot_id), st, 1);
	copy_column(p->comm, sizeof(p->comm), st, 4);
	return 0;
}

static int read_processes(struct recording *r, struct error *e)
{
	sqlite3_stmt *st = sql_prepare(
		&r->q, "SELECT id, boot, pid, starttime, comm FROM process ORDER BY id",
		e);
	int got = -1;

	while (st && (got = sql_step(&r->q, st, e)) > 0)
		if (add_process(r, st, e)) {
			got = -1;
			break;
		}
	sqlite3_finalize(st);
	return got;
}

static int open_file(struct recording **out, const char *path, bool still,
		     struct error *e)
{
	struct recording *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return error_sys(e, ENOMEM, "%s", path);
	if (sql_open(&r->q, path, e)) {
		free(r);
		return -1;
	}
	if ((still && sql_run(&r->q, "BEGIN", e)) || read_processes(r, e)) {
		recording_close(r);
		return -1;
	}
	*out = r;
	return 0;
}

int recording_open(struct recording **out, const char *path, struct error *e)
{
	return open_file(out, path, false, e);
}

int recording_open_still(struct recording **out, const char *path, struct error *e)
{
	return open_file(out, path, true, e);
}

void recording_close(struct recording *r)
{
	if (!r)
		return;
	sql_close(&r->q);
	free(r->processes);
	free(r->looks);
	free(r);
}

size_t recording_processes(const struct recording *r)
{
	return r->nprocesses;
}

const struct recorded_process *recording_process(const struct recording *r, size_t i)
{
	return &r->processes[i];
}

static int add_look(struct recording *r, sqlite3_stmt *st, struct error *e)
{
	struct entry *all = grown(r, r->looks, r->nlooks, sizeof(*all), e);
	int64_t id = sqlite3_column_int64(st, 0), ms = sqlite3_column_int64(st, 1);
	int64_t uptime = sqlite3_column_int64(st, 2);

	if (!all)
		return -1;
	r->looks = all;
	if (ms < 0 || ms / 1000 >= RECORD_TIME_END || uptime < 0)
		return sql_corrupt(&r->q, "a time is out of range", e);
	if (r->nlooks == LOOKS_MAX || (r->nlooks && all[r->nlooks - 1].id >= id))
		return sql_corrupt(&r->q, "its looks are not in order", e);
	all[r->nlooks++] = (struct entry){ id, ms, (uint64_t)uptime };
	return 0;
}

int recording_choose_nth(struct recording *r, size_t i, struct error *e)
{
	sqlite3_stmt *st;
	int got = -1;

	if (sql_renew(&r->q, e))
		return -1;
	st = sql_prepare(
		&r->q, "SELECT id, time, uptime FROM look WHERE process = ? ORDER BY id",
		e);
	r->nlooks = 0;
	r->chosen = i;
	if (st)
		sqlite3_bind_int64(st, 1, r->processes[i].id);
	while (st && (got = sql_step(&r->q, st, e)) > 0)
		if (add_look(r, st, e)) {
			got = -1;
			break;
		}
	sqlite3_finalize(st);
	if (!got && !r->nlooks)
		return error_set(e, EXIT_FAILED, "%s: no look is in it yet", r->q.path);
	return got;
}

static bool is_meant(const struct recorded_process *p, const char *who)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)p->pid);
	return !*who || !strcmp(who, pid) || !strcmp(who, p->comm);
}

/* Which it may be; @more of them are not in @list. */
static int say_which(const struct recording *r, const char *who, size_t n,
		     struct error *e)
{
	char list[LISTED * 80] = "";
	size_t at = 0, listed = 0;

	for (size_t i = 0; i < r->nprocesses && listed < LISTED; i++) {
		const struct recorded_process *p = &r->processes[i];

		if (!is_meant(p, who))
			continue;
		at += (size_t)snprintf(list + at, sizeof(list) - at, " %d (%s)",
				       (int)p->pid, p->comm);
		listed++;
	}
	return error_set(e, EXIT_USAGE,
			 "%s: %zu processes%s%s%s are in it: name one, as in F@PID:-1, "
			 "of%s%s",
			 r->q.path, n, *who ? " called \"" : "", who, *who ? "\"" : "",
			 list, n > LISTED ? " ..." : "");
}

int recording_choose(struct recording *r, const char *who, struct error *e)
{
	size_t n = 0, found = 0;

	who = who ? who : "";
	for (size_t i = 0; i < r->nprocesses; i++)
		if (is_meant(&r->processes[i], who)) {
			found = i;
			n++;
		}
	if (n == 1)
		return recording_choose_nth(r, found, e);
	if (!r->nprocesses)
		return error_set(e, EXIT_FAILED, "%s: no look is in it yet", r->q.path);
	if (!n)
		return error_set(e, EXIT_GONE,
				 "%s: no process \"%s\" is in it (fallow "
				 "info %s lists them)",
				 r->q.path, who, r->q.path);
	return say_which(r, who, n, e);
}

size_t recording_count(const struct recording *r)
{
	return r->nlooks;
}

struct timespec recording_time(const struct recording *r, size_t i)
{
	int64_t ms = r->looks[i].time;

	return (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
}

uint64_t recording_uptime(const struct recording *r, size_t i)
{
	return r->looks[i].uptime;
}

int recording_text(struct recording *r, size_t i, struct blob *text, struct error *e)
{
	return sql_renew(&r->q, e) ? -1 : base_text(&r->q, r->looks[i].id, text, e);
}

int recording_look(struct recording *r, size_t i, struct snapshot *s, struct error *e)
{
	struct blob text;
	char name[PATH_MAX + 32];
	int err;

	if (recording_text(r, i, &text, e))
		return -1;
	snprintf(name, sizeof(name), "%s@%zu", r->q.path, i + 1);
	err = snapshot_revive(s, text.data, text.len, name, e);
	free(text.data);
	return err;
}

/* The columns of the query in recording_moments(), behind time and uptime. */
static const int quantities[] = {
	QUANTITY_RSS,	   QUANTITY_SWAP,	 QUANTITY_LIVE,
	QUANTITY_STRANDED, LEDGER_HEAP_USED,	 LEDGER_HEAP_RETURNABLE,
	LEDGER_HEAP_HELD,  LEDGER_HEAP_METADATA, LEDGER_HEAP_UNREAD,
	LEDGER_ANON_OTHER, LEDGER_STACK_LIVE,	 LEDGER_STACK_DEAD,
	LEDGER_FILE_CLEAN, LEDGER_FILE_DIRTY,	 LEDGER_SHMEM
};

#define COLUMNS (sizeof(quantities) / sizeof(quantities[0]))

static int read_moment(const struct recording *r, sqlite3_stmt *st, struct moment *m,
		       struct error *e)
{
	int64_t ms = sqlite3_column_int64(st, 0);

	*m = (struct moment){ .time = { ms / 1000, ms % 1000 * 1000000 },
			      .monotonic_ns = (uint64_t)sqlite3_column_int64(st, 1) };
	for (size_t i = 0; i < COLUMNS; i++) {
		int64_t n = sqlite3_column_int64(st, (int)i + 2);

		if (n < 0 || (uint64_t)n > RECORD_MAX)
			return sql_corrupt(&r->q, "a size is out of range", e);
		m->value[quantities[i]] = (uint64_t)n;
	}
	m->value[QUANTITY_FALLOW] =
		m->value[LEDGER_HEAP_RETURNABLE] + m->value[LEDGER_HEAP_HELD];
	return 0;
}

int recording_moments(struct recording *r, size_t last,
		      int (*each)(void *arg, const struct moment *m, struct error *e),
		      void *arg, struct error *e)
{
	sqlite3_stmt *st;
	struct moment m;
	int got = -1;

	if (sql_renew(&r->q, e))
		return -1;
	st = sql_prepare(
		&r->q,
		"SELECT time, uptime, rss, swap, live, stranded, heap_used, "
		"heap_returnable, heap_held, heap_metadata, heap_unread, anon_other, "
		"stack_live, stack_dead, file_clean, file_dirty, shmem FROM look "
		"WHERE process = ? AND id <= ? ORDER BY id",
		e);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, r->processes[r->chosen].id);
	sqlite3_bind_int64(st, 2, r->looks[last].id);
	while ((got = sql_step(&r->q, st, e)) > 0)
		if (read_moment(r, st, &m, e) || each(arg, &m, e)) {
			got = -1;
			break;
		}
	sqlite3_finalize(st);
	return got;
}
