/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the live screens of fallow watch and fallow top, and lines of JSON, share. */
#ifndef FALLOW_WATCH_H
#define FALLOW_WATCH_H

#include <signal.h>
#include <stdint.h>

#include "cmd/cmd.h"
#include "model/node.h"
#include "render/input.h"
#include "render/terminal.h"

/* Signals that end the program set it, so that the terminal can be put in order first. */
extern volatile sig_atomic_t watch_stop;

/*
 * Looks disturb their target a little, so that between two of them it rests for at least as
 * long as one took, and for nine times the CPU time that one took.
 */
struct pace {
	bool careful; /* where no CPU is idle, looks take a hundredth of them at most */
	uint64_t begun, cpu; /* of the last look; by CLOCK_MONOTONIC, of CPU time */
	uint64_t least; /* from the begin of that one to that of the next */
};

void pace_begin(struct pace *p);
void pace_end(struct pace *p);

/* When to look again, by CLOCK_MONOTONIC. */
uint64_t pace_next(const struct pace *p, uint64_t interval_ns);

#define WATCH_NOW (-2) /* no key, nor ERR: it is time to look again */

/* The next key, or ERR if none came in a while. */
int watch_key(struct terminal *t, const struct input *in, const struct pace *p);

void watch_catch_signals(void);

/* Where looks come from. */
struct looks {
	/* The next one, now; NULL of a recording. */
	int (*next)(struct looks *l, struct snapshot *s, struct error *e);
	struct session *ss;
	const struct options *o;
	char note[256]; /* what the user should know of it; "" for nothing */
	struct recording *recording; /* instead */
	size_t i; /* look of it that is shown first */
};

/*
 * The live screen, until the user ends it: 0. Or -1, with @e set, if a look failed; if
 * that was not the first one, the user has seen that.
 */
int watch_screen(struct looks *l, struct error *e);

/* Likewise, of all processes; @n is empty at first. */
int top_screen(struct node *n, const struct options *o, struct error *e);

#endif
