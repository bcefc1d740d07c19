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
 *   Idle: CLASS …         of what works on, or grows: what was in these classes of the ledger
 *                         is not touched again; CLASS=MIB: so much of it is not; or none
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

/* A file without a name, where files are on a disk: /tmp may be in memory. */
static inline int file_on_disk(void)
{
	char name[] = "/var/tmp/fallow-scenario-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0 || unlink(name)) {
		perror(name);
		exit(1);
	}
	return fd;
}

/*
 * Waits so long for to be told something; true if that was the cure. That it is done is
 * answered by the next call.
 */
static inline bool told(int milliseconds)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	static bool answer_is_due;
	char line[16];

	if (answer_is_due && write(STDOUT_FILENO, "done\n", 5) != 5)
		exit(1);
	answer_is_due = false;
	if (poll(&p, 1, milliseconds) <= 0)
		return false;
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(0);
	answer_is_due = true;
	return true;
}

static inline void wait_for_end(void)
{
	while (!told(-1))
		;
}

#endif
