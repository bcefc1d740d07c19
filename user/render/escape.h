/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes names that come from a target fit to be shown. */
#ifndef FALLOW_ESCAPE_H
#define FALLOW_ESCAPE_H

#include <stddef.h>

/*
 * For a terminal: control characters (C0, DEL, C1), bidirectional overrides and
 * bytes that are not UTF-8 become \xNN. At most @size - 1 bytes are written,
 * cut between characters, and the text is terminated. Returns @out.
 */
char *escape_terminal(char *out, size_t size, const char *s);

/* For JSON: only bytes that are not UTF-8 become \xNN; the encoder does the rest. */
char *escape_utf8(char *out, size_t size, const char *s);

/*
 * How many cells of a terminal the beginning of @s takes, by the locale, and at most @max;
 * @len gets its bytes: all, or up to a character that does not fit.
 */
int escape_cells(const char *s, int max, size_t *len);

#endif
