/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the texts of commands have in common. */
#ifndef FALLOW_TEXT_H
#define FALLOW_TEXT_H

#include "render/paint.h"
#include "render/render.h"

struct paint paint_of(const struct view *v);

/* An allocator in one line, or in a few. */
void text_heap_line(FILE *out, const struct heap *h);

/* What RSS does not count, and the control group; nothing if it was not looked for. */
void text_beside(FILE *out, const struct view *v);

/* Each with its evidence and advice. */
void text_verdicts(FILE *out, const struct view *v);

/* The process in one line; what was torn, and warnings. */
void text_header(FILE *out, const struct view *v);
void text_footer(FILE *out, const struct view *v);

#endif
