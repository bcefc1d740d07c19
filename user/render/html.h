/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One file for a browser, which loads nothing besides: a process over time by a row a look,
 * and one look whole. Drawn by user/render/page/ with D3, both of them in the file.
 */
#ifndef FALLOW_HTML_H
#define FALLOW_HTML_H

#include <stdio.h>

#include "model/history.h"
#include "render/render.h"

struct html {
	FILE *out;
	FILE *data; /* writes to out what may stand within a script element */
	size_t looks;
};

/*
 * In this order: begin, a row for each look in order of time, and the end with the look
 * that is shown whole. Each returns 0, or -1 when out of memory or @out fails: what was
 * written by then is no page, and @h needs no more calls.
 */
int html_begin(struct html *h, FILE *out);
int html_row(struct html *h, const struct moment *m);
int html_end(struct html *h, const struct view *v);

/* Instead of the end; also where that was not reached. */
void html_cancel(struct html *h);

#endif
