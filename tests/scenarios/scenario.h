/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs of the corpus share. Each begins with what is true of it, the verdict
 * that is to come first, and the cure, as scenarios.t reads them:
 *
 *   Verdict: ID           of one look, or with "After:" of two
 *   Env: NAME=VALUE …     to be run with; LIB(name) is the path of a library
 *   Also: NAME=VALUE …    all again, with these instead; may be there several times
 *   Cure: call EXPR       EXPR is in the advice; it is called by a debugger
 *   Cure: env NAME=VALUE … is in the advice; the program is run again with it
 *   Cure: tell WORDS      WORDS are in the advice; the program is told to do so
 *   Cure: none
 *   Maps: FUNCTION …      of its source: they map nearly all that is mapped
 *   Cause: WORD           a function, a setting or a name, by which the cause is known
 *                         when somebody names it: scripts/compare
 *
 * A program sets things up, answers "ready", and then waits, or goes on with what grows,
 * until its input ends.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1ul << 20)

static uint64_t scenario_seed = 88172645463325252u;

static inline uint64_t next_random(void)
{
	scenario_seed ^= scenario_seed << 13;
	scenario_seed ^= scenario_seed >> 7;
	scenario_seed ^= scenario_seed << 17;
	return scenario_seed;
}

static inline void *must(void *p)
{
	if (!p || p == (void *)-1) {
		perror("scenario");
		exit(1);
	}
	return p;
}

static inline void ready(void)
{
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		exit(1);
}

/* Waits so long for to be told something; true if that was the cure. */
static inline bool told(int milliseconds)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[16];

	if (poll(&p, 1, milliseconds) <= 0)
		return false;
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(0);
	if (write(STDOUT_FILENO, "done\n", 5) != 5)
		exit(1);
	return true;
}

static inline void wait_for_end(void)
{
	while (!told(-1))
		;
}

#endif
