/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of this machine by their fallow memory. A round lists them all, which is
 * cheap, and knows then of each how much of it can be fallow at most: what is anonymous.
 * Then it looks at those that can have most, for so long; of the others, what is known
 * from earlier rounds stays, and else that bound is all that is known.
 */
#ifndef FALLOW_NODE_H
#define FALLOW_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "model/earlier.h"
#include "model/verdict.h"
#include "pages/pages.h"
#include "target/activity.h"

enum node_state {
	NODE_WAITS, /* has not been looked at */
	NODE_LOOKED,
	NODE_DENIED, /* may not be looked at */
	NODE_FAILED, /* cannot be; see reason */
	NODE_STATES
};

/* Resident bytes by the kernel's counters, and when. */
struct node_rss {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint64_t rss;
};

#define NODE_COMM 64

struct node_process {
	pid_t pid;
	char comm[NODE_COMM]; /* raw */
	struct activity activity;
	uint64_t rss; /* by counters that lag */
	uint64_t anon; /* likewise, resident or swapped: fallow is at most that */
	uint64_t counted_ns; /* CLOCK_MONOTONIC */
	struct node_rss before, between; /* before: 30 to 60 s old, or the first */
	bool ended; /* it was not in the list of the last round */
	enum node_state state;
	char reason
		[128]; /* of NODE_FAILED; or of NODE_WAITS, if it took too long; or "" */
	uint64_t slow_ns; /* when a look took too long; 0: none did */
	uint64_t slow_limit_ns; /* for how long it went on */
	/* NODE_LOOKED: as of the last look, resident or swapped. */
	uint64_t looked_ns; /* also of NODE_FAILED */
	struct activity at_look;
	uint64_t fallow;
	uint64_t fallow_most; /* with what a quick look may have missed */
	uint64_t returnable; /* part of it */
	enum verdict_id verdict; /* the principal one */
	enum confidence confidence;
	uint64_t verdict_bytes;
	struct target *target; /* NULL: not open */
	struct recall *recall; /* of what is open; may be NULL */
	struct snapshot last;
	bool has_last;
	struct earlier earlier;
};

struct node {
	struct pages *pages;
	bool device; /* see target_open() */
	struct node_process *v; /* by node_rank() */
	size_t n, cap;
	size_t nopen; /* targets */
	size_t of_state[NODE_STATES];
	size_t ended; /* meanwhile: they are in no list */
	uint64_t total, available; /* memory of the machine; UNKNOWN */
	struct timespec time; /* of the round, CLOCK_REALTIME */
	uint64_t duration_ns;
	bool known_next; /* whether one that was looked at before has the next look */
};

/* How much a round may take, after listing: of time, and of the tool's own CPU time. */
struct node_budget {
	uint64_t ns, cpu_ns;
};

/*
 * A round. One look has half of the time that is left, so that it takes hardly any longer.
 * *@stop, which signals may set, ends it sooner. -1 with @e set: @n stays as it is known
 * by then.
 */
int node_round(struct node *n, const struct node_budget *b, const volatile int *stop,
	       struct error *e);

void node_free(struct node *n);

/* How much of it is fallow, or can be at most if it was not looked at. */
uint64_t node_fallow(const struct node_process *p);

/* Change of resident bytes, and in which time; false: there is only one count. */
bool node_growth(const struct node_process *p, int64_t *change, uint64_t *ns);

/* Less than 0 if @a comes before @b: those that may not be looked at come last. */
int node_rank(const struct node_process *a, const struct node_process *b);

/* "looked-at", as in JSON. */
const char *node_state_name(enum node_state s);

#endif
