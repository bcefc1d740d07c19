/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger as CSV (RFC 4180, lines ended as everywhere here). */
#ifndef FALLOW_CSV_H
#define FALLOW_CSV_H

#include <stdio.h>

#include "render/render.h"

void csv_header(FILE *out);

/* A line a class; a count that is unknown is empty. */
void csv_ledger(FILE *out, const struct view *v);

#endif
