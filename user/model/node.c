// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "heap/recall.h"
#include "target/processes.h"
#include "target/small.h"

/* Less anonymous memory is not worth a look. */
#define WORTH_BYTES (1u << 20)
/* That stay open, so that what was found in them stays known; each has three files. */
#define OPEN_MAX     128
#define GROWTH_NS    30000000000ull
#define AGAIN_NS     60000000000ull /* after a failure, or whatever it was */
#define LOOK_NS	     50000000ull /* that a look may take at least */
#define SLOW_NS	     4000000000ull /* and at most */
#define SLOW_REST    10 /* times what a look took in vain pass before the next one */
#define MEMINFO_TEXT 8192

static uint64_t meminfo(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : UNKNOWN;
}

static void read_memory(struct node *n)
{
	char text[MEMINFO_TEXT] = "\n";
	FILE *f = fopen("/proc/meminfo", "re");
	size_t len = f ? fread(text + 1, 1, sizeof(text) - 2, f) : 0;

	text[len + 1] = '\0';
	if (f)
		fclose(f);
	n->total = meminfo(text, "\nMemTotal:");
	n->available = meminfo(text, "\nMemAvailable:");
}

static void read_comm(struct node_process *p)
{
	char path[32];
	char comm[sizeof(p->comm)];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)p->pid);
	/* Of one that has ended meanwhile, the name from before stays. */
	if (small_read(AT_FDCWD, path, comm, sizeof(comm)) < 0)
		return;
	memcpy(p->comm, comm, sizeof(comm));
	p->comm[strcspn(p->comm, "\n")] = '\0';
}

static void shut(struct node *n, struct node_process *p)
{
	if (!p->target)
		return;
	recall_free(p->recall);
	p->recall = NULL;
	target_close(p->target);
	free(p->target);
	p->target = NULL;
	n->nopen--;
}

static void drop(struct node *n, struct node_process *p)
{
	shut(n, p);
	if (p->has_last)
		snapshot_free(&p->last);
	p->has_last = false;
	earlier_free(&p->earlier);
}

static int by_pid(const void *a, const void *b)
{
	const struct node_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void count_rss(struct node_process *p, uint64_t now)
{
	struct node_rss r = { now, p->rss };

	p->counted_ns = now;
	if (!p->before.ns) {
		p->before = r;
	} else if (p->between.ns && now - p->between.ns >= GROWTH_NS) {
		p->before = p->between;
		p->between = r;
	} else if (!p->between.ns && now - p->before.ns >= GROWTH_NS) {
		p->between = r;
	}
}

/* The process of the list, with what was known of it, if it is the same one. */
static void take_over(struct node_process *to, struct node_process *known,
		      const struct process_size *size, const struct activity *a,
		      uint64_t now)
{
	if (known && known->activity.starttime == a->starttime) {
		known->ended = false;
		*to = *known;
		known->target = NULL;
		known->recall = NULL;
		known->has_last = false;
		known->earlier = (struct earlier){ .has_older = false };
	} else {
		*to = (struct node_process){ .pid = size->pid };
	}
	to->activity = *a;
	to->rss = size->rss;
	to->anon = size->anon;
	read_comm(to);
	count_rss(to, now);
}

/* What is no longer in the list has ended. */
static void replace(struct node *n, struct node_process *v, size_t count)
{
	n->ended = 0;
	for (size_t i = 0; i < n->n; i++) {
		n->ended += n->v[i].ended;
		drop(n, &n->v[i]);
	}
	free(n->v);
	n->v = v;
	n->n = count;
}

static int list(struct node *n, struct error *e)
{
	struct process_list all;
	struct node_process *v;
	size_t count = 0;

	if (processes_list(&all, e))
		return -1;
	v = calloc(all.n + 1, sizeof(*v));
	if (!v) {
		processes_free(&all);
		return error_sys(e, ENOMEM, "%zu processes", all.n);
	}
	if (n->n)
		qsort(n->v, n->n, sizeof(*n->v), by_pid);
	for (size_t i = 0; i < n->n; i++)
		n->v[i].ended = true;
	for (size_t i = 0; i < all.n; i++) {
		struct node_process key = { .pid = all.v[i].pid };
		struct activity a;

		if (activity_read(key.pid, &a))
			take_over(&v[count++],
				  n->n ? bsearch(&key, n->v, n->n, sizeof(key), by_pid)
				       : NULL,
				  &all.v[i], &a, clock_ns(CLOCK_MONOTONIC));
	}
	replace(n, v, count);
	processes_free(&all);
	return 0;
}

static void fail(struct node *n, struct node_process *p, const struct error *e)
{
	if (p->target && p->target->reader.late) {
		p->slow_ns = clock_ns(CLOCK_MONOTONIC);
		if (p->state == NODE_WAITS)
			snprintf(p->reason, sizeof(p->reason),
				 "looking at it takes longer than there was time for");
		return;
	}
	shut(n, p);
	if (e->status == EXIT_GONE) {
		p->ended = true;
		return;
	}
	p->looked_ns = clock_ns(CLOCK_MONOTONIC);
	p->state = e->status == EXIT_DENIED ? NODE_DENIED : NODE_FAILED;
	snprintf(p->reason, sizeof(p->reason), "%.*s", (int)sizeof(p->reason) - 1,
		 e->text);
}

static void settle(struct node_process *p, struct snapshot *s)
{
	const struct ledger_line *free = &s->ledger[LEDGER_HEAP_RETURNABLE];
	const struct ledger_line *held = &s->ledger[LEDGER_HEAP_HELD];
	struct verdicts all;

	if (p->has_last && (p->last.process.execs != s->process.execs ||
			    strcmp(p->last.process.exe, s->process.exe) != 0)) {
		/* It called exec: the program before it is another matter. */
		snapshot_free(&p->last);
		p->has_last = false;
		earlier_free(&p->earlier);
	}
	if (p->has_last)
		earlier_put(&p->earlier, &p->last);
	verdicts_judge(&all, s, earlier_get(&p->earlier, s));
	p->state = NODE_LOOKED;
	p->slow_ns = 0;
	p->slow_limit_ns = 0;
	p->reason[0] = '\0';
	p->looked_ns = s->monotonic_ns;
	p->at_look = p->activity;
	p->returnable = free->resident + free->swapped;
	p->fallow = p->returnable + held->resident + held->swapped;
	p->fallow_most = p->fallow;
	for (size_t i = 0; i < s->nheaps; i++)
		p->fallow_most += s->heaps[i]->error.returnable + s->heaps[i]->error.held;
	p->verdict = all.v[0].id;
	p->confidence = all.v[0].confidence;
	p->verdict_bytes = all.v[0].bytes;
	snapshot_shed(s);
	p->last = *s;
	p->has_last = true;
}

static int open_target(struct node *n, struct node_process *p, struct error *e)
{
	if (p->target)
		return 0;
	p->target = malloc(sizeof(*p->target));
	if (!p->target)
		return error_sys(e, ENOMEM, "process %d", (int)p->pid);
	n->nopen++;
	if (!target_open(p->target, p->pid, n->device, e)) {
		if (p->target->starttime == p->activity.starttime) {
			p->recall = recall_new();
			return 0;
		}
		/* Another has its pid by now: the next round lists that one. */
		return error_set(e, EXIT_GONE, "process %d has ended", (int)p->pid);
	}
	free(p->target);
	p->target = NULL;
	n->nopen--;
	return -1;
}

static void look(struct node *n, struct node_process *p, uint64_t limit_ns)
{
	struct look quick = { .quick = true, .totals = true };
	struct snapshot s;
	struct error e;

	if (open_target(n, p, &e)) {
		fail(n, p, &e);
		return;
	}
	quick.recall = p->recall;
	p->target->reader.late = false;
	p->slow_limit_ns = limit_ns;
	p->target->reader.deadline_ns = clock_ns(CLOCK_MONOTONIC) + limit_ns;
	if (snapshot_take(&s, p->target, n->pages, &quick, &e)) {
		fail(n, p, &e);
	} else if (p->target->reader.late) {
		/* What was not read in time was not found. */
		recall_doubt(p->recall);
		fail(n, p, &e);
		snapshot_free(&s);
	} else {
		settle(p, &s);
	}
	if (n->nopen > OPEN_MAX)
		shut(n, p);
}

/* It has enough for a look that is worth it, and that was not in vain of late. */
static bool is_due(const struct node_process *p, uint64_t begun)
{
	bool in_vain =
		(p->slow_ns && p->slow_ns + SLOW_REST * p->slow_limit_ns > begun) ||
		(p->state == NODE_FAILED && p->looked_ns + AGAIN_NS > begun);

	return p->anon >= WORTH_BYTES && !p->ended && !in_vain;
}

static bool is_new(const struct node_process *p, uint64_t begun)
{
	return (p->state == NODE_WAITS || p->state == NODE_FAILED) && is_due(p, begun);
}

/* What has not run since has what it had, but for a moment that is not accounted for. */
static bool is_stale(const struct node_process *p, uint64_t begun)
{
	return p->state == NODE_LOOKED && p->looked_ns < begun && is_due(p, begun) &&
	       (!activity_same(&p->at_look, &p->activity) ||
		p->looked_ns + AGAIN_NS < begun);
}

/* The largest of new ones. */
static struct node_process *choose_new(struct node *n, uint64_t begun)
{
	struct node_process *best = NULL;

	for (size_t i = 0; i < n->n; i++) {
		struct node_process *p = &n->v[i];

		if (is_new(p, begun) && (!best || p->anon > best->anon))
			best = p;
	}
	return best;
}

/* The one that was not looked at for longest. */
static struct node_process *choose_stale(struct node *n, uint64_t begun)
{
	struct node_process *best = NULL;

	for (size_t i = 0; i < n->n; i++) {
		struct node_process *p = &n->v[i];

		if (is_stale(p, begun) && (!best || p->looked_ns < best->looked_ns))
			best = p;
	}
	return best;
}

/* In turn: where new ones keep coming, those that are known have their looks, too. */
static struct node_process *choose(struct node *n, uint64_t begun, bool new_first)
{
	struct node_process *p =
		new_first ? choose_new(n, begun) : choose_stale(n, begun);

	if (p)
		return p;
	return new_first ? choose_stale(n, begun) : choose_new(n, begun);
}

/* Without those that ended since they were listed. */
static void conclude(struct node *n)
{
	size_t kept = 0;

	memset(n->of_state, 0, sizeof(n->of_state));
	for (size_t i = 0; i < n->n; i++) {
		if (n->v[i].ended) {
			n->ended++;
			drop(n, &n->v[i]);
			continue;
		}
		n->of_state[n->v[i].state]++;
		n->v[kept++] = n->v[i];
	}
	n->n = kept;
}

/* What is left of a budget that began at two clocks; 0: nothing. */
static uint64_t left_of(const struct node_budget *b, uint64_t begun, uint64_t cpu)
{
	uint64_t passed = clock_ns(CLOCK_MONOTONIC) - begun;

	if (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu >= b->cpu_ns || passed >= b->ns)
		return 0;
	return b->ns - passed;
}

/* One that was too slow gets more, though seldom: it is not to take the others' time. */
static uint64_t limit_of(const struct node_process *p, uint64_t left)
{
	uint64_t limit = left / 2 > LOOK_NS ? left / 2 : LOOK_NS;

	if (2 * p->slow_limit_ns > limit)
		limit = 2 * p->slow_limit_ns;
	return limit < SLOW_NS ? limit : SLOW_NS;
}

static int in_rank(const void *a, const void *b)
{
	return node_rank(a, b);
}

int node_round(struct node *n, const struct node_budget *b, const volatile int *stop,
	       struct error *e)
{
	uint64_t begun = clock_ns(CLOCK_MONOTONIC), listed, cpu, left;
	struct node_process *p;

	clock_gettime(CLOCK_REALTIME, &n->time);
	read_memory(n);
	if (list(n, e))
		return -1;
	listed = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	while (!*stop && (left = left_of(b, listed, cpu)) &&
	       (p = choose(n, begun, !n->known_next))) {
		look(n, p, limit_of(p, left));
		n->known_next = !n->known_next;
	}
	conclude(n);
	if (n->n)
		qsort(n->v, n->n, sizeof(*n->v), in_rank);
	n->duration_ns = clock_ns(CLOCK_MONOTONIC) - begun;
	return 0;
}

void node_free(struct node *n)
{
	for (size_t i = 0; i < n->n; i++)
		drop(n, &n->v[i]);
	free(n->v);
	*n = (struct node){ .n = 0 };
}

uint64_t node_fallow(const struct node_process *p)
{
	return p->state == NODE_LOOKED ? p->fallow : p->anon;
}

bool node_growth(const struct node_process *p, int64_t *change, uint64_t *ns)
{
	*change = (int64_t)(p->rss - p->before.rss);
	*ns = p->counted_ns - p->before.ns;
	return *ns != 0;
}

static int order(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

int node_rank(const struct node_process *a, const struct node_process *b)
{
	bool x = a->state == NODE_DENIED || a->state == NODE_FAILED;
	bool y = b->state == NODE_DENIED || b->state == NODE_FAILED;

	if (x != y)
		return x ? 1 : -1;
	if (node_fallow(a) != node_fallow(b))
		return order(node_fallow(b), node_fallow(a));
	return a->rss != b->rss ? order(b->rss, a->rss) : a->pid - b->pid;
}

const char *node_state_name(enum node_state s)
{
	static const char *const names[NODE_STATES] = { "not-looked-at", "looked-at",
							"not-permitted", "failed" };

	return names[s];
}
