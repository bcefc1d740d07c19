/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording as a database: its tables, opening it, and what is said when SQLite fails.
 * The tables are described in Documentation/recording.md.
 */
#ifndef FALLOW_SQL_H
#define FALLOW_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "error.h"

#define SQL_MAGIC "SQLite format 3" /* a file begins so, and a NUL */

struct sql {
	sqlite3 *db;
	char *path;
	bool alone; /* read as a file that nobody writes to, as it was then: */
	struct stat then;
};

/*
 * To read: nothing is written to the file, nor is what an interrupted writer left beside
 * it followed, but for the log of our own that SQLite reads along. A file whose tables are
 * others than ours is refused: it may have been made to do harm.
 */
int sql_open(struct sql *q, const char *path, struct error *e);

/*
 * Before each use of one that stays open: opens it anew if somebody has written to it since it
 * was opened as a file that nobody writes to. No statement of it may be there. Within a
 * transaction, and on failure, it is as it was.
 */
int sql_renew(struct sql *q, struct error *e);

/*
 * To write; the file is made, for its owner alone, if it is not there. What others could
 * have put there is refused.
 */
int sql_open_rw(struct sql *q, const char *path, struct error *e);

void sql_close(struct sql *q);

/* Says that @what failed, with SQLite's reason. Returns -1. */
int sql_error(const struct sql *q, const char *what, struct error *e);

/* Of a file that contradicts itself. Returns -1. */
int sql_corrupt(const struct sql *q, const char *what, struct error *e);

/* Prepared; NULL with @e set. */
sqlite3_stmt *sql_prepare(const struct sql *q, const char *text, struct error *e);

/* Runs what has no result. */
int sql_run(const struct sql *q, const char *text, struct error *e);

/*
 * The next row: 1, or 0 if there is none more, or -1. Values of other types than ours are
 * read as SQLite converts them: text as 0, and NULL as "".
 */
int sql_step(const struct sql *q, sqlite3_stmt *st, struct error *e);

/* A row of numbers is bound and run: st is ready for the next. */
int sql_do(const struct sql *q, sqlite3_stmt *st, struct error *e);

#endif
