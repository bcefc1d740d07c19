/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows a snapshot. Renderers read nothing but their arguments.
 */
#ifndef FALLOW_RENDER_H
#define FALLOW_RENDER_H

#include <stdbool.h>
#include <stdio.h>

#include "model/snapshot.h"
#include "model/verdict.h"
#include "render/columns.h"

/* What to show: one look, or the change from an earlier one to it. */
struct view {
	const struct snapshot *now;
	const struct snapshot *before; /* NULL: one look */
	const struct verdicts *verdicts;
	bool colour;
};

void text_report(FILE *out, const struct view *v);
void text_heap(FILE *out, const struct view *v);

/* A line a mapping, ordered by @sort. Takes 8 bytes a mapping. */
void text_regions(FILE *out, const struct view *v, const struct column_list *shown,
		  const struct column *sort);

/*
 * The whole snapshot as one JSON object (schema fallow.snapshot/1), indented,
 * or on one line. It is written piece by piece, so that its size takes no
 * memory. Returns 0, or -1 when out of memory or @out fails: what was written
 * by then is no JSON.
 */
int json_snapshot(FILE *out, const struct view *v, bool one_line);

#endif
