/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a snapshot in JSON have in common, whatever they are taken into. */
#ifndef FALLOW_PARTS_H
#define FALLOW_PARTS_H

#include "store/fields.h"
#include "store/record.h"

#define REGIONS_MAX ((size_t)1 << 22)
#define ARENAS_MAX  ((size_t)1 << 20)
#define ADDRESS_MAX (UINT64_MAX >> 1)
#define NUMBER_MAX  ((uint64_t)INT64_MAX)

/* The class of a line of the ledger; LEDGER_CLASSES if there is none of that name. */
enum ledger_class part_class(const char *name);

/* "exact" in the member "status". */
enum heap_status part_status(struct fields *f, const json_t *o);

/* Whether what was taken adds up as record.h says. */
void parts_check(struct fields *f, const struct record *r);

#endif
