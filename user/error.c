// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors as values; see error.h. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, enum exit_status status, const char *fmt, ...)
{
	va_list ap;

	e->status = status;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

static enum exit_status status_of(int err)
{
	switch (err) {
	case ESRCH:
		return EXIT_GONE;
	case EPERM:
	case EACCES:
		return EXIT_DENIED;
	default:
		return EXIT_FAILED;
	}
}

int error_sys(struct error *e, int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	e->status = status_of(err);
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		snprintf(e->text + n, sizeof(e->text) - n, ": %s",
			 err == ESRCH ? "no such process" : strerror(err));
	return -1;
}
