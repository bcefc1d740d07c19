// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* About a million mappings. */
#define FILE_MAX ((size_t)1 << 30)

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
		if (!got || n > FILE_MAX || (n == (size_t)got && !begins_well(buf, n))) {
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
			 FILE_MAX >> 20);
}

static int read_record(struct record *r, int fd, const char *where, struct error *e)
{
	struct stat st;
	size_t len;
	char *text;
	int err;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > (off_t)FILE_MAX)
		return too_long(where, e);
	text = slurp(fd, &len);
	if (!text)
		return error_set(e, EXIT_FAILED, "reading %s: %m", where);
	err = len > FILE_MAX ? too_long(where, e) : record_parse(r, text, len, where, e);
	free(text);
	return err;
}

int record_open(struct record *r, const char *where, struct error *e)
{
	int fd = open(where, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return error_set(e, EXIT_FAILED,
				 "%s: %m (fallow snapshot writes such files)", where);
	err = read_record(r, fd, where, e);
	close(fd);
	return err;
}
