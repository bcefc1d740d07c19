// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/activity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool activity_read(pid_t pid, struct activity *a)
{
	char path[32], text[1024];
	const char *rest;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	/* proc(5): fields 10, 12, 14, 15, 22, 23 and 24; the name ends at the last ')'. */
	rest = strrchr(text, ')');
	return rest &&
	       sscanf(rest + 1,
		      " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64
		      " %*u %" SCNu64 " %" SCNu64 " %*d %*d %*d %*d %*d %*d %" SCNu64
		      " %" SCNu64 " %" SCNu64,
		      &a->minor, &a->major, &a->user, &a->system, &a->starttime, &a->size,
		      &a->rss) == 7 &&
	       a->rss;
}

bool activity_same(const struct activity *a, const struct activity *b)
{
	return a->starttime == b->starttime && a->minor == b->minor &&
	       a->major == b->major && a->user == b->user && a->system == b->system &&
	       a->size == b->size && a->rss == b->rss;
}
