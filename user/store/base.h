/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON of a look in a recording: whole, or as it differs from that of another look. */
#ifndef FALLOW_BASE_H
#define FALLOW_BASE_H

#include <stdint.h>

#include "store/pack.h"
#include "store/sql.h"

/* The text of the look @id, to be freed by the caller. */
int base_text(const struct sql *q, int64_t id, struct blob *text, struct error *e);

#endif
