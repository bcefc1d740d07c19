/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in a recording. Its schema is in Documentation/fallow-recording.schema.json. */
#ifndef FALLOW_RENDER_RECORDING_H
#define FALLOW_RENDER_RECORDING_H

#include <stdio.h>

#include "error.h"
#include "store/recording.h"

/* Both choose each process of @r in turn. -1 with @e set. */
int text_recording(FILE *out, struct recording *r, const char *path, struct error *e);
int json_recording(FILE *out, struct recording *r, struct error *e);

#endif
