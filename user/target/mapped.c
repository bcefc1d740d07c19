// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opens what a target has mapped; see mapped.h. A name may lead to another file by now,
 * and means one in the target's root, not here: what it leads to is believed only if it
 * is the file that the kernel says is mapped.
 */
#include "target/mapped.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OVERLAYFS_SUPER_MAGIC 0x794c7630 /* linux/magic.h */

static bool on_overlay(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/*
 * Opens for reading what @at, which was opened by O_PATH and is closed, leads to. Only
 * a regular file, for to open a device may do things. @number: as the mapping has it.
 */
static int open_regular(int at, uint64_t number, bool by_link)
{
	char path[40];
	struct stat st;
	int fd = -1;

	if (at < 0)
		return -1;
	/* An overlay may number files otherwise than the mappings do that it passes on. */
	if (!fstat(at, &st) && S_ISREG(st.st_mode) &&
	    (st.st_ino == number || (by_link && on_overlay(at)))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	close(at);
	return fd;
}

/* A link of /proc/PID leads to the file itself. */
static int by_link(const struct target *t, const char *link, uint64_t number)
{
	return open_regular(openat(t->dir, link, O_PATH | O_CLOEXEC), number, true);
}

/* Symbolic links in @name are those of the target's root, too. */
static int by_name(const struct target *t, const char *name, uint64_t number)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int root = openat(t->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int at;

	if (root < 0)
		return -1;
	at = (int)syscall(__NR_openat2, root, name, &how, sizeof(how));
	close(root);
	return open_regular(at, number, false);
}

int mapped_open(const struct target *t, const struct vma *v)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, v->start, v->end);
	fd = by_link(t, link, v->inode);
	if (fd >= 0)
		return fd;
	/* Those are for the administrator, these for the owner as well. */
	if (!strcmp(v->name, t->exe))
		fd = by_link(t, "exe", v->inode);
	return fd >= 0 ? fd : by_name(t, v->name, v->inode);
}
