/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to fallow record: what its two ways, one process and all, have in common. */
#ifndef FALLOW_CMD_RECORD_H
#define FALLOW_CMD_RECORD_H

#include "cmd/cmd.h"

struct run {
	const struct options *o;
	struct recorder *to;
	uint64_t ends_ns; /* CLOCK_MONOTONIC; UINT64_MAX: never */
	uint64_t *kept_ns; /* with --rate: when its last looks were kept, a ring */
	size_t nkept, next;
	uint64_t looks, left_out, processes; /* left_out: by --rate */
	uint64_t gone, denied, failed; /* looks that could not be had, of --all */
};

/* Whether a signal asked for the end, or the time is over. */
bool run_over(const struct run *r);

/*
 * After what began at @begun_ns: sleeps until @interval_ns after that, for at least as long
 * as it took, or until the end.
 */
void run_rest(const struct run *r, uint64_t begun_ns, uint64_t interval_ns);

/* source_go_on(), which is said. */
bool run_go_on(struct pages *p, const struct options *o, struct error *e);

/* Keeps a look, and frees it; @why: the condition that held, or "". */
int run_keep(struct run *r, struct snapshot *s, const char *why, struct error *e);

/* Whether --rate lets one more look be kept. It is counted if not. */
bool run_allowed(struct run *r);

/* The second way, with the source @p. */
int record_all(struct run *r, struct pages *p, struct error *e);

#endif
