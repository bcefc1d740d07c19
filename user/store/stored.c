// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/revive.h"
#include "store/sql.h"

struct place {
	char path[PATH_MAX];
	char who[128]; /* "" for none */
	const char *look; /* behind the '@', and WHO; "" for none */
};

static bool is_there(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

/*
 * Whether that is the colon of "14:05" or "2026-11-28T14:05", and not one behind WHO: an
 * hour has two digits, so that "1:12" is a look at process 1, as the first of a container is.
 */
static bool is_clock(const char *look, const char *colon)
{
	const char *hour = colon - look == 13 && look[10] == 'T' ? look + 11 : look;

	return strspn(hour, "0123456789") == (size_t)(colon - hour) &&
	       colon - hour == 2 && strspn(colon + 1, "0123456789") == 2;
}

/* An '@' may be part of the name of the file. False if no such file is there. */
static bool find_place(const char *where, struct place *p)
{
	const char *at = strrchr(where, '@'), *colon;
	size_t len = strlen(where);

	*p = (struct place){ .look = "" };
	if (len >= sizeof(p->path))
		return false;
	strcpy(p->path, where);
	if (is_there(where))
		return true;
	if (!at)
		return false;
	p->path[at - where] = '\0';
	p->look = at + 1;
	colon = strchr(p->look, ':');
	if (colon && (size_t)(colon - p->look) < sizeof(p->who) &&
	    !is_clock(p->look, colon)) {
		memcpy(p->who, p->look, (size_t)(colon - p->look));
		p->look = colon + 1;
	}
	return is_there(p->path);
}

bool stored_exists(const char *where)
{
	struct place p;

	return find_place(where, &p);
}

/* What cannot be JSON's object need not be read whole. */
static bool begins_well(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!memchr(" \t\r\n", text[i], 4))
			return text[i] == '{';
	return true;
}

/* All that @fd has, or the beginning of what is too long or no JSON; NULL with errno set. */
static char *slurp(int fd, size_t *len)
{
	size_t cap = 1 << 16, n = 0;
	char *buf = malloc(cap);

	while (buf) {
		ssize_t got = read(fd, buf + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		n += (size_t)got;
		if (!got || n > TEXT_MAX || (n == (size_t)got && !begins_well(buf, n))) {
			*len = n;
			return buf;
		}
		if (n == cap) {
			char *grown = realloc(buf, 2 * cap);

			if (!grown)
				break;
			buf = grown;
			cap *= 2;
		}
	}
	free(buf);
	return NULL;
}

static int too_long(const char *where, struct error *e)
{
	return error_set(e, EXIT_FAILED, "%s: a snapshot has at most %zu MiB", where,
			 TEXT_MAX >> 20);
}

static int read_file(struct blob *text, int fd, const char *where, struct error *e)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > (off_t)TEXT_MAX)
		return too_long(where, e);
	text->data = slurp(fd, &text->len);
	if (!text->data)
		return error_set(e, EXIT_FAILED, "reading %s: %m", where);
	if (text->len <= TEXT_MAX)
		return 0;
	free(text->data);
	*text = (struct blob){ 0 };
	return too_long(where, e);
}

/* A snapshot is one look. */
static int check_only(const struct place *p, struct error *e)
{
	if (!p->who[0] &&
	    (!p->look[0] || !strcmp(p->look, "1") || !strcmp(p->look, "-1")))
		return 0;
	return error_set(e, EXIT_USAGE,
			 "%s: a snapshot has one look, and \"%s\" is not it", p->path,
			 p->look);
}

/* 1 if @fd is a database; only a file can be. */
static int is_database(int fd)
{
	char magic[sizeof(SQL_MAGIC)];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, SQL_MAGIC, sizeof(magic));
}

/* The recording, with whom and which look @p names. */
static int open_recording(struct recording **r, size_t *i, const struct place *p,
			  struct error *e)
{
	if (recording_open(r, p->path, e))
		return -1;
	if (!recording_choose(*r, p->who, e) &&
	    !recording_find(*r, p->look[0] ? p->look : "-1", i, e))
		return 0;
	recording_close(*r);
	*r = NULL;
	return -1;
}

static int read_recording(struct blob *text, const struct place *p, struct error *e)
{
	struct recording *r;
	size_t i;
	int err;

	if (open_recording(&r, &i, p, e))
		return -1;
	err = recording_text(r, i, text, e);
	recording_close(r);
	return err;
}

static int open_place(struct place *p, const char *where, struct error *e)
{
	int fd;

	find_place(where, p);
	fd = open(p->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		error_set(e, EXIT_FAILED,
			  "%s: %m (fallow snapshot and fallow record write such files)",
			  p->path);
	return fd;
}

int stored_text(struct blob *text, const char *where, struct error *e)
{
	struct place p;
	int fd = open_place(&p, where, e), err;

	if (fd < 0)
		return -1;
	if (is_database(fd))
		err = read_recording(text, &p, e);
	else
		err = check_only(&p, e) ? -1 : read_file(text, fd, p.path, e);
	close(fd);
	return err;
}

int stored_look(struct snapshot *s, const char *where, struct error *e)
{
	struct blob text;
	int err;

	if (stored_text(&text, where, e))
		return -1;
	err = snapshot_revive(s, text.data, text.len, where, e);
	free(text.data);
	return err;
}

int stored_recording(struct recording **r, const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool database = fd >= 0 && is_database(fd);

	if (fd < 0)
		return error_set(e, EXIT_FAILED, "%s: %m", path);
	close(fd);
	return database ? recording_open_still(r, path, e)
			: error_set(e, EXIT_USAGE, "%s: no recording of fallow record",
				    path);
}

bool stored_is_recording(const char *where)
{
	struct place p;
	struct error e;
	int fd = open_place(&p, where, &e);
	bool yes = fd >= 0 && is_database(fd);

	if (fd >= 0)
		close(fd);
	return yes;
}

int stored_replay(struct recording **r, size_t *i, const char *where, struct error *e)
{
	struct place p;
	int fd = open_place(&p, where, e);
	bool database = fd >= 0 && is_database(fd);

	if (fd < 0)
		return -1;
	close(fd);
	return database
		       ? open_recording(r, i, &p, e)
		       : error_set(
				 e, EXIT_USAGE,
				 "%s is one look: fallow report shows it; a recording of "
				 "fallow record can be watched",
				 p.path);
}
