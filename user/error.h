/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors as values: what failed, on what, what to do next, and the exit status
 * that the process would end with.
 */
#ifndef FALLOW_ERROR_H
#define FALLOW_ERROR_H

/* Exit statuses; documented in fallow(1). */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* also: a partial answer could not be given at all */
	EXIT_USAGE = 2,
	EXIT_GONE = 3, /* the target does not exist, or ended midway */
	EXIT_DENIED = 4, /* the kernel does not let the caller look */
	EXIT_VERDICT = 10, /* a --fail-on verdict held */
};

struct error {
	enum exit_status status;
	char text[512]; /* one line, without "fallow: " and newline */
};

/* Fills @e; always returns -1, so that "return error_set(…)" reads well. */
int error_set(struct error *e, enum exit_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * As error_set(), with the status taken from @err, an errno value: ESRCH is
 * EXIT_GONE, EPERM and EACCES are EXIT_DENIED, all else is EXIT_FAILED. The
 * text of @err is appended.
 */
int error_sys(struct error *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
