// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* About a million mappings. */
#define FILE_MAX ((size_t)1 << 30)

/* All that @fd has, and one byte more than FILE_MAX at most; NULL with errno set. */
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
		if (!got || n > FILE_MAX) {
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

int record_open(struct record *r, const char *where, struct error *e)
{
	int fd = open(where, O_RDONLY | O_CLOEXEC), err;
	size_t len;
	char *text;

	if (fd < 0)
		return error_set(e, EXIT_FAILED,
				 "%s: %m (fallow snapshot writes such files)", where);
	text = slurp(fd, &len);
	if (!text)
		error_set(e, EXIT_FAILED, "reading %s: %m", where);
	close(fd);
	if (!text)
		return -1;
	err = len > FILE_MAX
		      ? error_set(e, EXIT_FAILED, "%s: a snapshot has at most %zu MiB",
				  where, FILE_MAX >> 20)
		      : record_parse(r, text, len, where, e);
	free(text);
	return err;
}
