// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the fdinfo of io_uring instances, and of nothing else. */
#include "target/uring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/small.h"

/* Lest what only looks busy takes long. */
#define DESCRIPTORS_MAX 65536
#define BUFFERS_MAX	(1u << 20)

#define RING_LINK "anon_inode:[io_uring]"

static bool is_ring(int fds, const char *name)
{
	char link[sizeof(RING_LINK)];
	ssize_t n = readlinkat(fds, name, link, sizeof(link));

	return n == sizeof(RING_LINK) - 1 && !memcmp(link, RING_LINK, (size_t)n);
}

static int add(struct uring_buffers *u, uint64_t start, uint64_t len)
{
	if (!len || len > UINT64_MAX - start)
		return 0;
	if (u->n == BUFFERS_MAX) {
		u->partial = true;
		return 0;
	}
	if (u->n == u->cap) {
		size_t grown = u->cap ? 2 * u->cap : 64;
		struct uring_buffer *p = realloc(u->buffer, grown * sizeof(*p));

		if (!p)
			return -ENOMEM;
		u->buffer = p;
		u->cap = grown;
	}
	u->buffer[u->n++] = (struct uring_buffer){ start, start + len };
	return 0;
}

/* "UserBufs:\t2", and so many lines like "    0: 0x7f0000000000/4096". */
static int parse(struct uring_buffers *u, const char *text)
{
	const char *at = strstr(text, "\nUserBufs:");
	int err = 0;

	while (!err && at && (at = strchr(at + 1, '\n'))) {
		uint64_t start, len;

		if (at[1] != ' ')
			break;
		if (sscanf(at + 1, " %*u: 0x%" SCNx64 "/%" SCNu64, &start, &len) == 2)
			err = add(u, start, len);
	}
	return err;
}

static int read_ring(const struct target *t, struct uring_buffers *u, const char *name)
{
	char path[300], *text;
	int err;

	snprintf(path, sizeof(path), "fdinfo/%s", name);
	text = target_slurp(t, path, NULL);
	u->rings++;
	/* It may have been closed meanwhile. */
	err = text ? parse(u, text) : 0;
	free(text);
	return err;
}

static int by_start(const void *a, const void *b)
{
	const struct uring_buffer *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* What several registrations have is there once. */
static void merge(struct uring_buffers *u)
{
	size_t n = 0;

	u->registered = u->n;
	if (!u->n)
		return;
	qsort(u->buffer, u->n, sizeof(*u->buffer), by_start);
	for (size_t i = 1; i < u->n; i++) {
		struct uring_buffer *last = &u->buffer[n];

		if (u->buffer[i].start > last->end)
			u->buffer[++n] = u->buffer[i];
		else if (u->buffer[i].end > last->end)
			last->end = u->buffer[i].end;
	}
	u->n = n + 1;
	for (size_t i = 0; i < u->n; i++)
		u->bytes += u->buffer[i].end - u->buffer[i].start;
}

int uring_buffers_read(const struct target *t, struct uring_buffers *u)
{
	DIR *fds = small_folder(t->dir, "fd");
	struct dirent *d;
	size_t seen = 0;
	int err = 0;

	*u = (struct uring_buffers){ 0 };
	if (!fds)
		return 0;
	while (!err && (d = readdir(fds))) {
		if (d->d_name[0] == '.')
			continue;
		if (seen++ == DESCRIPTORS_MAX) {
			u->partial = true;
			break;
		}
		if (is_ring(dirfd(fds), d->d_name))
			err = read_ring(t, u, d->d_name);
	}
	closedir(fds);
	merge(u);
	if (err)
		uring_buffers_free(u);
	return err;
}

void uring_buffers_free(struct uring_buffers *u)
{
	free(u->buffer);
	*u = (struct uring_buffers){ 0 };
}

bool uring_buffers_touch(const struct uring_buffers *u, uint64_t start, uint64_t end)
{
	size_t lo = 0, hi = u->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (u->buffer[mid].start < end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && u->buffer[lo - 1].end > start;
}
