/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to what reads looks back. */
#ifndef FALLOW_REVIVE_PARTS_H
#define FALLOW_REVIVE_PARTS_H

#include "store/fields.h"
#include "store/revive.h"

/* The string @key, fit for a terminal, kept by @s, where equal ones are one. Never NULL. */
const char *revive_name(struct fields *f, const json_t *o, const char *key,
			struct snapshot *s);

/* What RSS does not count, and the control group. */
void revive_beside(struct fields *f, const json_t *members, struct snapshot *s);

/* The allocators. */
void revive_heaps(struct fields *f, const json_t *members, struct snapshot *s);

#endif
