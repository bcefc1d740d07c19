// SPDX-License-Identifier: GPL-2.0-or-later
/* Escaping; see escape.h. Never passes on a byte that a terminal would obey. */
#include "render/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Length of the UTF-8 sequence at @s and its code point; 0 if it is none. */
static size_t decode(const unsigned char *s, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *s < 0x80	 ? 1
		     : *s < 0xc2 ? 0
		     : *s < 0xe0 ? 2
		     : *s < 0xf0 ? 3
		     : *s < 0xf5 ? 4
				 : 0;

	if (len < 2) {
		*cp = *s;
		return len;
	}
	*cp = *s & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	if (*cp < least[len] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return len;
}

/* What a terminal would act on, or what reorders the text around it. */
static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x61c || cp == 0x200e ||
	       cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069);
}

static char *escape(char *out, size_t size, const char *text, bool controls)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0;

	while (*s) {
		uint32_t cp;
		size_t len = decode(s, &cp);
		bool plain = len && !(controls && is_control(cp));
		size_t need = plain ? len : len ? 4 * len : 4;

		if (at + need >= size)
			break;
		if (plain)
			memcpy(out + at, s, len);
		else
			for (size_t i = 0; i < need / 4; i++)
				sprintf(out + at + 4 * i, "\\x%02x", s[i]);
		at += need;
		s += len ? len : 1;
	}
	out[at] = '\0';
	return out;
}

char *escape_terminal(char *out, size_t size, const char *s)
{
	return escape(out, size, s, true);
}

char *escape_utf8(char *out, size_t size, const char *s)
{
	return escape(out, size, s, false);
}

int escape_cells(const char *s, int max, size_t *len)
{
	mbstate_t state = { 0 };
	int cells = 0;

	for (*len = 0; s[*len];) {
		wchar_t wide;
		size_t n = mbrtowc(&wide, s + *len, MB_CUR_MAX, &state);
		bool good = n <= MB_CUR_MAX;
		int width = good ? wcwidth(wide) : -1;

		/* What is no character, or not to be shown, has a cell for that. */
		if (width < 0)
			width = 1;
		if (!good) {
			n = 1;
			memset(&state, 0, sizeof(state));
		}
		if (width > max - cells)
			break;
		cells += width;
		*len += n;
	}
	return cells;
}
