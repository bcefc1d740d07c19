/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stops a target for the time of a look, because the user asked for exactness.
 * A guardian process wakes it again even if the tool is killed.
 */
#ifndef FALLOW_FREEZE_H
#define FALLOW_FREEZE_H

#include "error.h"
#include "target/target.h"

struct freeze {
	pid_t guardian;
	int pipe; /* closing it lets the target go on; -1: nothing to undo */
};

/*
 * Sends SIGSTOP and waits until the target has stopped. A target that was
 * stopped before is left so by freeze_end().
 */
int freeze_begin(struct freeze *f, const struct target *t, struct error *e);
void freeze_end(struct freeze *f);

#endif
