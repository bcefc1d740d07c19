// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/base.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int copy_blob(const struct sql *q, sqlite3_stmt *st, int column, struct blob *to,
		     struct error *e)
{
	const void *data = sqlite3_column_blob(st, column);

	to->len = data ? (size_t)sqlite3_column_bytes(st, column) : 0;
	to->data = malloc(to->len + 1);
	if (!to->data)
		return error_sys(e, ENOMEM, "%s", q->path);
	if (data)
		memcpy(to->data, data, to->len);
	return 0;
}

/* As it is in the file: *@base is the id of what it differs from, 0 if from nothing. */
static int read_packed(const struct sql *q, int64_t id, struct blob *packed,
		       int64_t *base, struct error *e)
{
	sqlite3_stmt *st = sql_prepare(q, "SELECT base, json FROM look WHERE id = ?", e);
	int got = -1;

	*packed = (struct blob){ 0 };
	*base = 0;
	if (st) {
		sqlite3_bind_int64(st, 1, id);
		got = sql_step(q, st, e);
	}
	if (!got)
		error_set(e, EXIT_GONE,
			  "%s: look %" PRId64 " is no longer in it: newer ones took its "
			  "place",
			  q->path, id);
	if (got > 0) {
		*base = sqlite3_column_int64(st, 0);
		got = copy_blob(q, st, 1, packed, e) ? -1 : 1;
	}
	sqlite3_finalize(st);
	return got > 0 ? 0 : -1;
}

static int wrong_with(const struct sql *q, int64_t id, const char *wrong, struct error *e)
{
	return wrong ? error_set(e, EXIT_FAILED,
				 "%s: the recording is corrupt: look %" PRId64 ": %s",
				 q->path, id, wrong)
		     : 0;
}

static int read_whole(const struct sql *q, int64_t id, struct blob *text, struct error *e)
{
	struct blob packed;
	int64_t base;
	const char *wrong;

	if (read_packed(q, id, &packed, &base, e))
		return -1;
	wrong = base ? "what others differ from differs itself"
		     : unpack(&packed, NULL, text);
	free(packed.data);
	return wrong_with(q, id, wrong, e);
}

int base_text(const struct sql *q, int64_t id, struct blob *text, struct error *e)
{
	struct blob packed, before = { 0 };
	int64_t base;
	int err;

	if (read_packed(q, id, &packed, &base, e))
		return -1;
	err = base ? read_whole(q, base, &before, e) : 0;
	if (!err)
		err = wrong_with(q, id, unpack(&packed, base ? &before : NULL, text), e);
	free(before.data);
	free(packed.data);
	return err;
}
