/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FALLOW_PAINT_H
#define FALLOW_PAINT_H

#include <stdbool.h>

/* Colours by meaning; empty strings without colour. */
struct paint {
	const char *bold, *dim, *good, *warn, *off;
};

static inline struct paint paint(bool colour)
{
	if (!colour)
		return (struct paint){ "", "", "", "", "" };
	return (struct paint){ "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[0m" };
}

#endif
