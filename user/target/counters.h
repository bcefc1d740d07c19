/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of the kernel that can be asked for often, of a process and its control group. */
#ifndef FALLOW_COUNTERS_H
#define FALLOW_COUNTERS_H

#include "model/when.h"
#include "target/target.h"

/*
 * Fills @s with those of @facts (bit per enum when_fact); RSS and swap by counters that
 * lag. -1 if the process has ended.
 */
int counters_read(struct counters *s, const struct target *t, uint32_t facts,
		  struct error *e);

/*
 * 0, or why those of @facts that are of pressure, or of the control group of @t, cannot be
 * had. @t may be NULL.
 */
int counters_check(const struct target *t, uint32_t facts, struct error *e);

#endif
