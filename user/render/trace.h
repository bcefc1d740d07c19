/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows a trace. */
#ifndef FALLOW_RENDER_TRACE_H
#define FALLOW_RENDER_TRACE_H

#include <stdbool.h>
#include <stdio.h>

#include "target/target.h"
#include "trace/trace.h"

void text_trace(FILE *out, const struct target *t, const struct trace *tr, bool colour);

/* One JSON object (schema fallow.trace/1). Returns 0, or -1 as json_snapshot(). */
int json_trace(FILE *out, const struct target *t, const struct trace *tr);

#endif
