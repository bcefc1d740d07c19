// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes a trace. Calls come by CPU, each CPU's in the order in which they ended; they
 * are held for a moment, so that all take effect in that order.
 */
#include "trace/trace.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "trace/hook.h"
#include "trace/ring.h"

/* No CPU takes that long from the end of a call to having it in its ring. */
#define HOLD_NS	    100000000ull
#define FLUSH_NS    50000000ull
#define ROUND_MS    50
#define LATE_MS	    10
#define PENDING_MAX 65536

struct pending {
	struct call call;
	uint32_t stack;
};

struct tracer {
	struct trace *tr;
	const struct target *target;
	struct rings rings;
	struct hooks hooks;
	struct pollfd *wait; /* the target's end, then the rings */
	struct pending *pending;
	size_t npending;
	uint64_t begun;
	struct vma_list then; /* what was mapped at the begin */
	bool stale; /* there may be code that the unwinder does not know */
	uint64_t looked; /* when it was looked at last for a call from unknown code */
};

static void warn(struct trace *tr, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct trace *tr, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (tr->nwarnings == TRACE_WARNINGS)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		tr->warnings[tr->nwarnings++] = text;
	va_end(ap);
}

/* Returns 0 or -errno; -ESRCH for the empty list of a process that has ended. */
static int read_maps(const struct target *t, struct vma_list *list)
{
	char *text = target_slurp(t, "maps", NULL), *line, *rest = text;
	struct vma v;

	*list = (struct vma_list){ 0 };
	if (!text)
		return -errno;
	while ((line = strsep(&rest, "\n")))
		if (vma_parse(line, &v) &&
		    (!list->n || list->v[list->n - 1].end <= v.start) &&
		    !vma_list_add(list, &v))
			break;
	free(text);
	if (line) {
		vma_list_free(list);
		return -ENOMEM;
	}
	return list->n ? 0 : -ESRCH;
}

static int by_end(const void *a, const void *b)
{
	const struct pending *x = a, *y = b;

	return x->call.left < y->call.left ? -1 : x->call.left > y->call.left;
}

/* Lets the calls take effect that ended until @until. */
static void flush(struct tracer *t, uint64_t until)
{
	size_t n = 0;

	if (t->npending)
		qsort(t->pending, t->npending, sizeof(*t->pending), by_end);
	while (n < t->npending && t->pending[n].call.left <= until) {
		account_call(&t->tr->account, &t->pending[n].call, t->pending[n].stack);
		n++;
	}
	t->npending -= n;
	memmove(t->pending, t->pending + n, t->npending * sizeof(*t->pending));
}

/* The older half, sooner than is good; too many come at once. */
static void flush_half(struct tracer *t)
{
	qsort(t->pending, t->npending, sizeof(*t->pending), by_end);
	flush(t, t->pending[t->npending / 2].call.left);
}

/* The size of what was attached a moment ago; no argument of shmat(2) tells it. */
static uint64_t attached_size(const struct tracer *t, uint64_t addr)
{
	struct vma_list maps;
	const struct vma *v;
	uint64_t size = 0;

	if (read_maps(t->target, &maps))
		return 0;
	v = vma_find(&maps, addr);
	if (v && v->start == addr)
		size = v->end - v->start;
	vma_list_free(&maps);
	return size;
}

static void on_exec(struct tracer *t)
{
	struct vma_list maps;

	t->tr->execs++;
	unwinder_forget(&t->tr->unwinder);
	if (!read_maps(t->target, &maps)) {
		vma_list_free(&t->then);
		t->then = maps;
	}
}

static void look_at_code(struct tracer *t)
{
	t->stale = false;
	unwinder_refresh(&t->tr->unwinder);
	stacks_stale(&t->tr->stacks);
}

/*
 * Whether a call comes from code that was not there when code was looked at. Another
 * program's, mostly: that it was executed may be told by the ring of another CPU, later.
 */
static bool from_new_code(struct tracer *t, const struct sample *s)
{
	if (!s->has_regs || unwinder_knows(&t->tr->unwinder, s->pc) ||
	    s->call.left < t->looked + FLUSH_NS)
		return false;
	t->looked = s->call.left;
	return true;
}

static void take(void *arg, const struct sample *s)
{
	struct tracer *t = arg;
	struct pending *p;

	if (s->call.left < t->begun)
		return;
	if (s->call.kind == CALL_EXEC)
		on_exec(t);
	if (t->stale || s->call.kind == CALL_EXEC || from_new_code(t, s))
		look_at_code(t);
	if (t->npending == PENDING_MAX)
		flush_half(t);
	p = &t->pending[t->npending++];
	*p = (struct pending){ s->call, stacks_find(&t->tr->stacks, s) };
	if (p->stack == STACK_OTHER || !t->tr->stacks.stack[p->stack]->whole)
		t->tr->cut++;
	if (s->call.kind == CALL_MMAP && s->call.arg[2] & PROT_EXEC)
		t->stale = true;
	if (s->call.kind == CALL_SHMAT)
		p->call.arg[1] = attached_size(t, s->call.result);
}

/* Field 47 of proc(5)'s stat: where the heap begins, and ends if there is none yet. */
static uint64_t begin_of_heap(const struct target *t)
{
	char *text = target_slurp(t, "stat", NULL);
	char *at = text ? strrchr(text, ')') : NULL;
	uint64_t start = 0;

	for (int field = 2; at && field < 47; field++) {
		at = strchr(at, ' ');
		at += at ? strspn(at, " ") : 0;
	}
	if (at)
		start = strtoull(at, NULL, 10);
	free(text);
	return start;
}

static uint64_t end_of_heap(const struct tracer *t)
{
	uint64_t page = t->tr->account.page_size, end = begin_of_heap(t->target);

	for (size_t i = 0; i < t->then.n; i++)
		if (!strcmp(t->then.v[i].name, "[heap]"))
			end = t->then.v[i].end;
	return (end + page - 1) & ~(page - 1);
}

/* What MAP_HUGETLB means without a size. */
static uint64_t default_huge_size(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Hugepagesize: %lu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (uint64_t)kib << 10;
}

static int prepare_wait(struct tracer *t, struct error *e)
{
	t->wait = calloc(t->rings.n + 1, sizeof(*t->wait));
	t->pending = malloc(PENDING_MAX * sizeof(*t->pending));
	if (t->wait)
		t->wait[0] = (struct pollfd){ -1, POLLIN, 0 };
	if (!t->wait || !t->pending)
		return error_sys(e, ENOMEM, "a trace");
	t->wait[0].fd = (int)syscall(SYS_pidfd_open, t->target->pid, 0);
	if (t->wait[0].fd < 0)
		return error_sys(e, errno, "process %d: pidfd_open(2)",
				 (int)t->target->pid);
	for (size_t i = 0; i < t->rings.n; i++)
		t->wait[i + 1] = (struct pollfd){ t->rings.ring[i].fd, POLLIN, 0 };
	return 0;
}

/* Tracepoints of system calls pass over those of 32-bit programs. */
static int refuse_32_bit(const struct target *t, struct error *e)
{
	if (!target_is_32_bit(t))
		return 0;
	return error_set(e, EXIT_FAILED,
			 "process %d is a 32-bit program, whose system calls the kernel "
			 "does not tell",
			 (int)t->pid);
}

static int begin(struct tracer *t, struct error *e)
{
	struct trace *tr = t->tr;
	uint64_t huge = default_huge_size();
	int err;

	if (stacks_open(&tr->stacks, &tr->unwinder))
		return error_sys(e, ENOMEM, "a trace");
	account_open(&tr->account, &tr->stacks, t->target->reader.page_size);
	if (huge)
		tr->account.huge_size = huge;
	if (refuse_32_bit(t->target, e) || rings_open(&t->rings, e) ||
	    prepare_wait(t, e) || hooks_open(&t->hooks, t->target, &t->rings, e))
		return -1;
	err = read_maps(t->target, &t->then);
	if (!err)
		err = unwinder_refresh(&tr->unwinder);
	if (err)
		return error_sys(e, -err, "/proc/%d/maps", (int)t->target->pid);
	tr->account.brk = end_of_heap(t);
	clock_gettime(CLOCK_REALTIME, &tr->time);
	t->begun = clock_ns(CLOCK_MONOTONIC);
	return 0;
}

static bool target_ended(const struct tracer *t)
{
	return t->wait[0].revents;
}

/* Until it is time to end; says why. */
static enum trace_end follow(struct tracer *t, const struct trace_how *how)
{
	uint64_t flushed = 0;

	for (;;) {
		uint64_t round = clock_ns(CLOCK_MONOTONIC), passed = round - t->begun;

		rings_read(&t->rings, take, t);
		if (round - flushed >= FLUSH_NS) {
			flush(t, round - HOLD_NS);
			flushed = round;
		}
		if (target_ended(t))
			return TRACE_TARGET;
		if (*how->stop)
			return TRACE_SIGNAL;
		if (passed >= how->for_ns)
			return TRACE_TIME;
		if (how->tick)
			how->tick(passed, how->for_ns, t->tr->account.calls);
		passed = (how->for_ns - passed) / 1000000 + 1;
		poll(t->wait, t->rings.n + 1, passed < ROUND_MS ? (int)passed : ROUND_MS);
	}
}

/* Takes the calls that ended until @done, but are not in a ring yet. */
static void follow_late(struct tracer *t, uint64_t done)
{
	do {
		rings_read(&t->rings, take, t);
		poll(NULL, 0, LATE_MS);
	} while (clock_ns(CLOCK_MONOTONIC) < done + HOLD_NS);
	/* To take the hooks away takes long. */
	rings_stop(&t->rings);
	rings_read(&t->rings, take, t);
}

/*
 * What is mapped at the end is looked at while calls are still followed: what is mapped
 * or unmapped during the look is known by its call.
 */
static void end(struct tracer *t)
{
	struct trace *tr = t->tr;
	uint64_t looked = clock_ns(CLOCK_MONOTONIC), done;
	struct vma_list now;
	int err = read_maps(t->target, &now);

	done = clock_ns(CLOCK_MONOTONIC);
	tr->duration_ns = looked - t->begun;
	tr->lost = hooks_lost(&t->hooks);
	tr->missed = hooks_missed(&t->hooks);
	follow_late(t, done);
	flush(t, looked);
	account_keep(&tr->account, &t->then);
	flush(t, done);
	if (err)
		tr->end = TRACE_TARGET;
	else
		account_settle(&tr->account, &now, looked);
	vma_list_free(&now);
}

static int by_still_mapped(const void *a, const void *b, void *arg)
{
	const struct stacks *st = arg;
	const struct stack *x = st->stack[*(const uint32_t *)a];
	const struct stack *y = st->stack[*(const uint32_t *)b];

	if (x->still != y->still)
		return x->still > y->still ? -1 : 1;
	if (x->mapped != y->mapped)
		return x->mapped > y->mapped ? -1 : 1;
	if (x->unmapped != y->unmapped)
		return x->unmapped > y->unmapped ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int put_in_order(struct trace *tr)
{
	tr->norder = 0;
	tr->order = malloc(tr->stacks.n * sizeof(*tr->order));
	if (!tr->order)
		return -1;
	for (uint32_t i = 1; i < tr->stacks.n; i++)
		if (tr->stacks.stack[i]->calls)
			tr->order[tr->norder++] = i;
	qsort_r(tr->order, tr->norder, sizeof(*tr->order), by_still_mapped, &tr->stacks);
	return 0;
}

static void give_warnings(struct trace *tr)
{
	const struct account *a = &tr->account;
	size_t unopened = unwinder_unopened(&tr->unwinder);

	if (tr->lost)
		warn(tr,
		     "%llu calls were lost, for they came faster than they could be read",
		     (unsigned long long)tr->lost);
	if (tr->missed)
		warn(tr,
		     "up to %llu calls more, of any process, were passed over by the "
		     "kernel",
		     (unsigned long long)tr->missed);
	if (a->unplaced)
		warn(tr, "%llu bytes were mapped in too many pieces to be followed",
		     (unsigned long long)a->unplaced);
	if (a->unsized)
		warn(tr,
		     "%llu calls of shmat(2) attached what was gone before its size "
		     "could be seen",
		     (unsigned long long)a->unsized);
	if (tr->execs)
		warn(tr,
		     "the process began to run another program: nothing is left of what "
		     "the one before had mapped");
	if (unopened)
		warn(tr,
		     "%zu files with code could not be opened: their functions are not "
		     "known, nor who calls them",
		     unopened);
}

static void tracer_close(struct tracer *t)
{
	hooks_close(&t->hooks);
	if (t->wait && t->wait[0].fd >= 0)
		close(t->wait[0].fd);
	rings_close(&t->rings);
	vma_list_free(&t->then);
	free(t->wait);
	free(t->pending);
}

int trace_take(struct trace *tr, const struct target *target, const struct trace_how *how,
	       struct error *e)
{
	struct tracer t = { .tr = tr,
			    .target = target,
			    .hooks = { .calls = -1, .output = -1, .lost = -1 } };
	int err;

	*tr = (struct trace){ .norder = 0 };
	unwinder_open(&tr->unwinder, target);
	err = begin(&t, e);
	if (!err) {
		if (how->begun)
			how->begun(how->arg);
		tr->end = follow(&t, how);
		end(&t);
		give_warnings(tr);
		if (put_in_order(tr))
			err = error_sys(e, ENOMEM, "a trace");
	}
	tracer_close(&t);
	if (err)
		trace_free(tr);
	return err;
}

void trace_free(struct trace *tr)
{
	account_close(&tr->account);
	stacks_close(&tr->stacks);
	unwinder_close(&tr->unwinder);
	for (size_t i = 0; i < tr->nwarnings; i++)
		free(tr->warnings[i]);
	free(tr->order);
	*tr = (struct trace){ .norder = 0 };
}

bool trace_is_partial(const struct trace *tr)
{
	return tr->lost || tr->missed || tr->account.unplaced || tr->account.unsized ||
	       tr->stacks.stack[STACK_OTHER]->calls;
}
