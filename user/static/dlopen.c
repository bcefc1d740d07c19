// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a static program, no library is loaded while it runs: it would bring a C library of
 * its own, which need not go with the one that is linked in. libdwfl tries to, for
 * libdebuginfod, and does without if there is none.
 */
#include <stddef.h>

void *__wrap_dlopen(const char *name, int flags);

void *__wrap_dlopen(const char *name, int flags)
{
	(void)name;
	(void)flags;
	return NULL;
}
