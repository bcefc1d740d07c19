// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1
#define WAIT_MS 5000 /* for others who read or write just now */

/* "FALW" in the header says what file it is: sqlite.org/fileformat2.html, offset 68. */
#define IS_OURS	 1178684503
#define TEXT(n)	 TEXT_(n)
#define TEXT_(n) #n

/* As sqlite_schema has them, in the order of their names. */
static const char *const tables[] = {
	"CREATE TABLE look (id INTEGER PRIMARY KEY, process INTEGER, time INTEGER, "
	"uptime INTEGER, rss INTEGER, swap INTEGER, live INTEGER, stranded INTEGER, "
	"heap_used INTEGER, heap_returnable INTEGER, heap_held INTEGER, "
	"heap_metadata INTEGER, heap_unread INTEGER, anon_other INTEGER, "
	"stack_live INTEGER, stack_dead INTEGER, file_clean INTEGER, "
	"file_dirty INTEGER, shmem INTEGER, why TEXT, base INTEGER, json BLOB)",
	"CREATE INDEX look_of ON look (process, id)",
	"CREATE TABLE process (id INTEGER PRIMARY KEY, boot TEXT, pid INTEGER, "
	"starttime INTEGER, comm TEXT)",
	"CREATE INDEX process_of ON process (pid, starttime, boot)",
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

int sql_error(const struct sql *q, const char *what, struct error *e)
{
	int code = q->db ? sqlite3_errcode(q->db) : SQLITE_NOMEM;
	int err = q->db ? sqlite3_system_errno(q->db) : 0;

	if (code == SQLITE_FULL)
		return error_set(e, EXIT_FAILED,
				 "%s: %s: the disk is full; what was recorded is there",
				 q->path, what);
	if (code == SQLITE_BUSY)
		return error_set(e, EXIT_FAILED, "%s: %s: another process writes to it",
				 q->path, what);
	return error_set(e, EXIT_FAILED, "%s: %s: %s%s%s", q->path, what,
			 q->db ? sqlite3_errmsg(q->db) : "out of memory",
			 code == SQLITE_IOERR && err ? ": " : "",
			 code == SQLITE_IOERR && err ? strerror(err) : "");
}

int sql_corrupt(const struct sql *q, const char *what, struct error *e)
{
	return error_set(e, EXIT_FAILED, "%s: the recording is corrupt: %s", q->path,
			 what);
}

sqlite3_stmt *sql_prepare(const struct sql *q, const char *text, struct error *e)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(q->db, text, -1, &st, NULL) == SQLITE_OK)
		return st;
	sql_error(q, "reading", e);
	return NULL;
}

int sql_run(const struct sql *q, const char *text, struct error *e)
{
	if (sqlite3_exec(q->db, text, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(q, "writing", e);
	return 0;
}

int sql_step(const struct sql *q, sqlite3_stmt *st, struct error *e)
{
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	}
	return sql_error(q, sqlite3_stmt_readonly(st) ? "reading" : "writing", e);
}

int sql_do(const struct sql *q, sqlite3_stmt *st, struct error *e)
{
	int code = sqlite3_step(st), err = 0;

	if (code != SQLITE_DONE && code != SQLITE_ROW)
		err = sql_error(q, "writing", e);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return err;
}

/* A number that the file has in its header. */
static int64_t pragma(const struct sql *q, const char *text)
{
	int64_t n = -1;
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(q->db, text, -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* No view and no trigger is in it, and no table is another than ours. */
static int check_tables(const struct sql *q, struct error *e)
{
	sqlite3_stmt *st =
		sql_prepare(q, "SELECT sql FROM sqlite_schema ORDER BY name LIMIT 9", e);
	size_t n = 0;
	int got;

	if (!st)
		return -1;
	while ((got = sql_step(q, st, e)) > 0) {
		const char *text = (const char *)sqlite3_column_text(st, 0);

		if (n == TABLES || !text || strcmp(text, tables[n]) != 0)
			break;
		n++;
	}
	sqlite3_finalize(st);
	if (got < 0)
		return -1;
	return got || n != TABLES ? sql_corrupt(q, "its tables are not a recording's", e)
				  : 0;
}

static int check_kind(const struct sql *q, struct error *e)
{
	int64_t version = pragma(q, "PRAGMA user_version");

	if (sqlite3_errcode(q->db) != SQLITE_OK && sqlite3_errcode(q->db) != SQLITE_DONE)
		return sql_error(q, "reading", e);
	if (pragma(q, "PRAGMA application_id") != IS_OURS)
		return error_set(e, EXIT_FAILED,
				 "%s: a database, but no recording of fallow record",
				 q->path);
	if (version != VERSION)
		return error_set(e, EXIT_FAILED,
				 "%s: a recording of version %lld: this fallow reads %d",
				 q->path, (long long)version, VERSION);
	return check_tables(q, e);
}

/* What a file of ours never needs is off. */
static void be_careful(sqlite3 *db)
{
	sqlite3_busy_timeout(db, WAIT_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_exec(db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", NULL, NULL,
		     NULL);
}

/* @name: what SQLite opens; @path: how the user calls it. */
static int open_db(struct sql *q, const char *path, const char *name, int flags,
		   struct error *e)
{
	*q = (struct sql){ .path = strdup(path) };
	if (!q->path)
		return error_sys(e, ENOMEM, "%s", path);
	if (sqlite3_open_v2(name, &q->db, flags | SQLITE_OPEN_NOFOLLOW, NULL) !=
	    SQLITE_OK) {
		sql_error(q, "opening", e);
		sql_close(q);
		return -1;
	}
	be_careful(q->db);
	return 0;
}

/* Whether nobody writes to it, or was stopped while writing. */
static bool has_no_log(const char *real)
{
	char log[PATH_MAX + 8];
	struct stat st;

	snprintf(log, sizeof(log), "%s-wal", real);
	return lstat(log, &st) && errno == ENOENT;
}

#define URI_MAX (3 * PATH_MAX + 32)

/* The file alone: SQLite would make a log just to look for one, and leave it there. */
static void alone(const char *real, char uri[URI_MAX])
{
	size_t at = 0;

	at += (size_t)sprintf(uri, "file:");
	for (const char *p = real; *p; p++)
		at += (size_t)sprintf(uri + at, strchr("%?#", *p) ? "%%%02x" : "%c", *p);
	strcpy(uri + at, "?immutable=1");
}

/* A link to a recording is good enough to read. */
static int find_file(const char *path, char real[PATH_MAX], struct stat *st,
		     struct error *e)
{
	if (!realpath(path, real) || stat(real, st))
		return error_sys(e, errno, "%s", path);
	return 0;
}

int sql_open(struct sql *q, const char *path, struct error *e)
{
	char real[PATH_MAX], uri[URI_MAX];
	struct stat st;
	bool only;
	int err;

	if (find_file(path, real, &st, e))
		return -1;
	only = has_no_log(real);
	if (only) {
		alone(real, uri);
		err = open_db(q, path, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, e);
	} else {
		err = open_db(q, path, real, SQLITE_OPEN_READONLY, e);
	}
	if (err)
		return -1;
	q->alone = only;
	q->then = st;
	if (check_kind(q, e)) {
		sql_close(q);
		return -1;
	}
	return 0;
}

int sql_renew(struct sql *q, struct error *e)
{
	char real[PATH_MAX];
	struct stat st;
	struct sql fresh;

	/* What took its place, or that it is gone, does not matter to what is open. */
	if (!q->alone || !sqlite3_get_autocommit(q->db) ||
	    find_file(q->path, real, &st, e) || st.st_dev != q->then.st_dev ||
	    st.st_ino != q->then.st_ino)
		return 0;
	if (has_no_log(real) && st.st_size == q->then.st_size &&
	    st.st_mtim.tv_sec == q->then.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == q->then.st_mtim.tv_nsec)
		return 0;
	if (sql_open(&fresh, q->path, e))
		return -1;
	sql_close(q);
	*q = fresh;
	return 0;
}

/*
 * Whether nothing was ever made in it; -1. The kind of journal is written before the tables
 * are: who is killed in between leaves a database of nothing.
 */
static int is_fresh(const struct sql *q, struct error *e)
{
	sqlite3_stmt *st = sql_prepare(q, "SELECT 1 FROM sqlite_schema LIMIT 1", e);
	int got = st ? sql_step(q, st, e) : -1;

	sqlite3_finalize(st);
	if (got)
		return got < 0 ? -1 : 0;
	return !pragma(q, "PRAGMA application_id") && !pragma(q, "PRAGMA user_version");
}

/* Between BEGIN and COMMIT: of two that begin one file, the second finds the tables there. */
static int fill_fresh(const struct sql *q, struct error *e)
{
	int fresh = is_fresh(q, e);

	if (fresh <= 0)
		return fresh;
	if (sql_run(q,
		    "PRAGMA application_id = " TEXT(
			    IS_OURS) ";"
				     "PRAGMA user_version = " TEXT(VERSION),
		    e))
		return -1;
	for (size_t i = 0; i < TABLES; i++)
		/* Tables before what indexes them: so are their names. */
		if (sql_run(q, tables[i], e))
			return -1;
	return 0;
}

/* Where somebody else does the same, SQLite does not wait: the lock is had already, and grows. */
static int begin_log(const struct sql *q, struct error *e)
{
	static const char text[] = "PRAGMA journal_mode = WAL";
	int code, waited = 0;

	while ((code = sqlite3_exec(q->db, text, NULL, NULL, NULL)) == SQLITE_BUSY &&
	       waited < WAIT_MS)
		waited += sqlite3_sleep(10);
	return code == SQLITE_OK ? 0 : sql_error(q, "writing", e);
}

static int make_tables(const struct sql *q, struct error *e)
{
	if (begin_log(q, e) || sql_run(q, "BEGIN IMMEDIATE", e) || fill_fresh(q, e))
		return -1;
	return sql_run(q, "COMMIT", e);
}

/*
 * Whose the file is, and what SQLite would find beside it: a journal that somebody else
 * made up could have it remove files.
 */
static int check_owner(const char *path, const char *suffix, struct error *e)
{
	char name[PATH_MAX + 16];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	if (lstat(name, &st))
		return errno == ENOENT ? 0 : error_sys(e, errno, "%s", name);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return error_set(e, EXIT_FAILED,
				 "%s is no file, or others can write to it: name another "
				 "place to record to",
				 name);
	return 0;
}

/* Makes it if it is not there. */
static int make_file(const char *path, struct error *e)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno != EEXIST)
		return error_sys(e, errno, "writing %s", path);
	if (fd >= 0)
		close(fd);
	if (check_owner(path, "", e) || check_owner(path, "-journal", e) ||
	    check_owner(path, "-wal", e) || check_owner(path, "-shm", e))
		return -1;
	return 0;
}

int sql_open_rw(struct sql *q, const char *path, struct error *e)
{
	char real[PATH_MAX];
	int fresh;

	if (strlen(path) >= PATH_MAX)
		return error_sys(e, ENAMETOOLONG, "writing %.100s...", path);
	if (make_file(path, e))
		return -1;
	if (!realpath(path, real))
		return error_sys(e, errno, "%s", path);
	if (open_db(q, path, real, SQLITE_OPEN_READWRITE, e))
		return -1;
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like others */
	fresh = is_fresh(q, e);
	if (fresh < 0 || (fresh && make_tables(q, e)) || check_kind(q, e) ||
	    sql_run(q,
		    "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF;"
		    "PRAGMA wal_autocheckpoint = 256",
		    e)) {
		sql_close(q);
		return -1;
	}
	return 0;
}

void sql_close(struct sql *q)
{
	sqlite3_close_v2(q->db);
	free(q->path);
	*q = (struct sql){ 0 };
}
