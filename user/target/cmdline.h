/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target's command line, from its memory by the guarded reader. To read
 * /proc/PID/cmdline marks the pages as referenced, and fetches them from swap.
 */
#ifndef FALLOW_CMDLINE_H
#define FALLOW_CMDLINE_H

#include "target/target.h"

/*
 * The arguments joined by spaces, raw, or the title that the process has set
 * instead; "" if they are not resident, or may not be read. NULL: no memory.
 * The caller frees.
 */
char *cmdline_read(struct target *t);

#endif
