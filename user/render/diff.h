/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows what changed between two looks. */
#ifndef FALLOW_RENDER_DIFF_H
#define FALLOW_RENDER_DIFF_H

#include <stdbool.h>
#include <stdio.h>

#include "model/diff.h"

void text_diff(FILE *out, const struct diff *d, bool colour);

/* Schema fallow.diff/1. 0, or -1 when out of memory or @out fails, as json_snapshot(). */
int json_diff(FILE *out, const struct diff *d);

#endif
