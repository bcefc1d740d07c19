/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows what can be told here. @kernel: its release. */
#ifndef FALLOW_INFO_H
#define FALLOW_INFO_H

#include <stdio.h>

#include "pages/probe.h"

void text_info(FILE *out, const struct probe *p, const char *kernel);

/* Returns 0, or -1 when out of memory or @out fails. */
int json_info(FILE *out, const struct probe *p, const char *kernel);

#endif
