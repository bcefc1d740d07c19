/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the writer of snapshots in JSON. */
#ifndef FALLOW_BESIDE_JSON_H
#define FALLOW_BESIDE_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "model/beside.h"

/* Each returns a new reference; *ok becomes false when out of memory. */
json_t *value_beside(const struct beside *b, bool *ok);
json_t *value_cgroup(const struct cgroup_memory *c, bool *ok);

#endif
