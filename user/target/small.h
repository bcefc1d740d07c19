/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is short enough to be read at once, and folders, of /proc and the like. */
#ifndef FALLOW_SMALL_H
#define FALLOW_SMALL_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * What is at the beginning of the file @path, NUL terminated, to @text of @size bytes; @dir
 * as of openat(2). Its length; -1 with errno set, and @text "".
 */
ssize_t small_read(int dir, const char *path, char *text, size_t size);

/* The folder @path; NULL with errno set. closedir() ends it. */
DIR *small_folder(int dir, const char *path);

#endif
