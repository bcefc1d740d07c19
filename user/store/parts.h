/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a snapshot in JSON, as they go into a record. */
#ifndef FALLOW_PARTS_H
#define FALLOW_PARTS_H

#include "store/fields.h"
#include "store/record.h"

/* All members but the regions. */
void parts_take(struct fields *f, const json_t *members, struct record *r);

/* A region, which is the @n-th; room is made for it. */
void part_region(struct fields *f, const json_t *o, struct record *r, size_t n);

/* Whether what was taken adds up as record.h says. */
void parts_check(struct fields *f, const struct record *r);

#endif
