/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to fallow watch: what its screen and its lines of JSON share. */
#ifndef FALLOW_WATCH_H
#define FALLOW_WATCH_H

#include <signal.h>
#include <stdint.h>

#include "cmd/cmd.h"

/* Signals that end the program set it, so that the terminal can be put in order first. */
extern volatile sig_atomic_t watch_stop;

/*
 * Until when the target is left alone after a look that began at @begun, by
 * CLOCK_MONOTONIC. A look disturbs it a little, so that it rests for at least as long as
 * the look took.
 */
uint64_t watch_next(uint64_t begun, uint64_t took, uint64_t interval_ns);

uint64_t watch_now(void);

void watch_catch_signals(void);

/* Where looks come from. */
struct looks {
	/* The next one, now. */
	int (*next)(struct looks *l, struct snapshot *s, struct error *e);
	struct session *ss;
	const struct options *o;
	char note[256]; /* what the user should know of it; "" for nothing */
};

/*
 * The live screen, until the user ends it: 0. Or -1, with @e set, if a look failed; if
 * that was not the first one, the user has seen that.
 */
int watch_screen(struct looks *l, struct error *e);

#endif
