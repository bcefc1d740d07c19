// SPDX-License-Identifier: GPL-2.0-or-later
/* Traces that commands take: alone, or while others look. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/mappers.h"
#include "trace/trace.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/*
 * What waits is woken all the same: poll(2) is never begun again. What is ignored, by
 * nohup, stays so.
 */
static void handle_signals(void (*handler)(int))
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART }, before;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaction(ends[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(ends[i], &sa, NULL);
	}
}

bool tracing_is_cut(void)
{
	return stop;
}

static void show_progress(uint64_t passed_ns, uint64_t for_ns, uint64_t calls)
{
	fprintf(stderr, "\rtracing: %.0f of %.0f s, %" PRIu64 " calls\033[K",
		(double)passed_ns / 1e9, (double)for_ns / 1e9, calls);
}

int session_trace(const struct target *t, uint64_t for_ns, struct trace *tr,
		  struct error *e)
{
	bool terminal = isatty(STDERR_FILENO);
	struct trace_how how = { .for_ns = for_ns,
				 .stop = &stop,
				 .tick = terminal ? show_progress : NULL };
	int status;

	handle_signals(on_signal);
	status = trace_take(tr, t, &how, e);
	handle_signals(SIG_DFL);
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return status;
}

/* @tr ended just before @s was taken. */
static int join(struct snapshot *s, const struct trace *tr, struct error *e)
{
	if (mappers_join(s, tr, e))
		return -1;
	for (size_t i = 0; i < tr->nwarnings; i++)
		snapshot_warn(s, "trace: %s", tr->warnings[i]);
	return 0;
}

int session_trace_look(struct session *ss, const struct options *o, struct snapshot *s,
		       struct error *e)
{
	struct trace tr;
	int err;

	if (session_trace(&ss->target, o->trace_ns, &tr, e))
		return -1;
	err = session_look(ss, o, s, e);
	if (!err && join(s, &tr, e)) {
		snapshot_free(s);
		err = -1;
	}
	trace_free(&tr);
	return err;
}

/* One that a thread takes, of a target of its own: looks refresh theirs meanwhile. */
struct tracing {
	struct target target;
	struct trace trace;
	struct error error;
	pthread_t thread;
	sem_t begun; /* or failed */
	atomic_bool failed;
};

static void on_begin(void *arg)
{
	struct tracing *tg = arg;

	sem_post(&tg->begun);
}

static void *take(void *arg)
{
	struct tracing *tg = arg;
	struct trace_how how = {
		.for_ns = UINT64_MAX, .stop = &stop, .begun = on_begin, .arg = tg
	};

	if (trace_take(&tg->trace, &tg->target, &how, &tg->error))
		tg->failed = true;
	sem_post(&tg->begun);
	return NULL;
}

/* Signals are for the thread that looks, so that its waits end. */
static int start_thread(struct tracing *tg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&tg->thread, NULL, take, tg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void forget(struct tracing *tg)
{
	handle_signals(SIG_DFL);
	stop = 0;
	sem_destroy(&tg->begun);
	target_close(&tg->target);
	free(tg);
}

static int open_again(struct target *again, const struct target *t, struct error *e)
{
	if (target_open(again, t->pid, false, e))
		return -1;
	if (again->starttime == t->starttime)
		return 0;
	target_close(again);
	return error_sys(e, ESRCH, "process %d", (int)t->pid);
}

struct tracing *tracing_begin(const struct target *t, struct error *e)
{
	struct tracing *tg = calloc(1, sizeof(*tg));
	int err;

	if (!tg) {
		error_sys(e, ENOMEM, "a trace");
		return NULL;
	}
	if (open_again(&tg->target, t, e)) {
		free(tg);
		return NULL;
	}
	sem_init(&tg->begun, 0, 0);
	stop = 0;
	handle_signals(on_signal);
	err = start_thread(tg);
	if (err) {
		error_sys(e, err, "a thread for the trace");
		forget(tg);
		return NULL;
	}
	while (sem_wait(&tg->begun) && errno == EINTR)
		;
	if (!tg->failed)
		return tg;
	pthread_join(tg->thread, NULL);
	*e = tg->error;
	forget(tg);
	return NULL;
}

void tracing_stop(struct tracing *tg)
{
	stop = 1;
	pthread_join(tg->thread, NULL);
	/* There is no wait any more to cut short, but a look, that may take long. */
	handle_signals(SIG_DFL);
}

int tracing_end(struct tracing *tg, struct snapshot *s, struct error *e)
{
	int err = 0;

	if (tg->failed) {
		*e = tg->error;
		err = -1;
	} else {
		if (s)
			err = join(s, &tg->trace, e);
		trace_free(&tg->trace);
	}
	forget(tg);
	return err;
}
