/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are there as a whole, or not at all. */
#ifndef FALLOW_WRITE_H
#define FALLOW_WRITE_H

#include <stdio.h>
#include <sys/types.h>

#include "error.h"

/*
 * Has @fill write to a new file, which then becomes @path, for its owner alone: 0. A file
 * that was there is replaced in one step, and stays as it is if anything fails: -1, with
 * @e set. @fill returns 0, or -1 if it could not write all, with errno set. Signals that
 * end the program wait until it is done.
 */
int write_whole(const char *path, int (*fill)(FILE *out, const void *arg),
		const void *arg, struct error *e);

/* The same, for whom @mode and the umask let read it. */
int write_shared(const char *path, mode_t mode, int (*fill)(FILE *out, const void *arg),
		 const void *arg, struct error *e);

#endif
