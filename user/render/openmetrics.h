/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at several processes as metrics, in a text that is both OpenMetrics 1.0 and what
 * node_exporter's textfile collector reads: gauges alone, in base units, without times. A
 * count that is unknown has no sample.
 */
#ifndef FALLOW_OPENMETRICS_H
#define FALLOW_OPENMETRICS_H

#include <stdint.h>
#include <stdio.h>

#include "render/render.h"

/* What became of the processes that could have been exported. */
struct export_counts {
	uint64_t exported;
	uint64_t left_out; /* beyond the bound on how many */
	uint64_t left_out_bytes; /* resident in those, by counters that lag */
	uint64_t gone, denied, failed;
};

struct openmetrics;

/* NULL when out of memory. */
struct openmetrics *openmetrics_new(void);

/*
 * About 40 samples a process, and 7 an allocator in it. 1, with none, if those of a process of
 * this pid and name are there: twice the same labels, and nobody would read any. -1 when out
 * of memory.
 */
int openmetrics_add(struct openmetrics *m, const struct view *v);

void openmetrics_count(struct openmetrics *m, const struct export_counts *n);

/* 0, or -1 when out of memory, also earlier, or if @out fails. */
int openmetrics_write(FILE *out, struct openmetrics *m);

void openmetrics_free(struct openmetrics *m);

#endif
