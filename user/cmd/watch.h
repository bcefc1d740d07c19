/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the live screens of fallow watch and fallow top, and lines of JSON, share. */
#ifndef FALLOW_WATCH_H
#define FALLOW_WATCH_H

#include <signal.h>
#include <stdint.h>

#include "cmd/cmd.h"
#include "model/node.h"

/* Signals that end the program set it, so that the terminal can be put in order first. */
extern volatile sig_atomic_t watch_stop;

/*
 * Until when the target is left alone after a look that began at @begun, by
 * CLOCK_MONOTONIC. A look disturbs it a little, so that it rests for at least as long as
 * the look took.
 */
uint64_t watch_next(uint64_t begun, uint64_t took, uint64_t interval_ns);

uint64_t watch_now(void);

/* How long to wait for a key at most, in ms. */
#define WATCH_WAIT_MS 1000

/* How long to wait for one now, until @next, in ms; 0: not at all. */
int watch_left_ms(uint64_t next);

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

/* Likewise, of all processes; @n is empty at first. */
int top_screen(struct node *n, const struct options *o, struct error *e);

#endif
