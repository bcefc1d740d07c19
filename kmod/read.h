/* SPDX-License-Identifier: GPL-2.0-only */
/* The device that reads a process's memory without a trace. */
#ifndef FALLOW_READ_H
#define FALLOW_READ_H

#include <linux/types.h>

int fallow_read_init(void);
void fallow_read_exit(void);

/* FALLOW_CAP_READ */
u64 fallow_read_caps(void);

#endif
