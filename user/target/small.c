// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/small.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

ssize_t small_read(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), saved;
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	saved = errno;
	close(fd);
	errno = saved;
	text[n < 0 ? 0 : n] = '\0';
	return n;
}

DIR *small_folder(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (!folder && fd >= 0)
		close(fd);
	return folder;
}
