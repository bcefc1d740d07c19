// SPDX-License-Identifier: GPL-2.0-or-later
/* From options to a target, a source and a look. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "heap/recall.h"
#include "model/remnants.h"
#include "model/size.h"
#include "render/escape.h"
#include "store/stored.h"
#include "target/freeze.h"

/*
 * Whether the target is a look in a file. What can only be a file's name is one; where a
 * process is called so, too, that is meant. Of all processes, each is one.
 */
static bool is_stored(const struct options *o, pid_t *pid)
{
	struct error e;

	if (o->cgroup || o->all || !stored_exists(o->target))
		return false;
	return strpbrk(o->target, "/@") ||
	       (target_find(o->target, pid, &e) && e.status == EXIT_GONE);
}

/* What only a process can be asked for. */
static int check_stored(const struct options *o, struct error *e)
{
	bool recording = stored_is_recording(o->target);
	const char *asked = o->after_ns && !recording  ? "--after"
			    : o->trace_ns	       ? "--trace"
			    : o->idle_ns	       ? "--idle"
			    : o->freeze		       ? "--freeze"
			    : o->quick		       ? "--quick"
			    : o->source != SOURCE_AUTO ? "--source"
						       : NULL;

	return asked ? error_set(e, EXIT_USAGE,
				 "%s is for a process: %s is a look in a file", asked,
				 o->target)
		     : 0;
}

int session_open(struct session *ss, const struct options *o, struct error *e)
{
	pid_t pid;

	*ss = (struct session){ 0 };
	if (is_stored(o, &pid)) {
		ss->stored = o->target;
		return check_stored(o, e);
	}
	if (o->cgroup ? target_find_cgroup(o->cgroup, &pid, e)
		      : target_find(o->target, &pid, e))
		return -1;
	if (pages_open(&ss->pages, o->source, e))
		return -1;
	if (target_open(&ss->target, pid, o->source != SOURCE_PROCFS, e)) {
		pages_close(&ss->pages);
		return -1;
	}
	ss->recall = recall_new();
	return 0;
}

void session_close(struct session *ss)
{
	if (ss->stored)
		return;
	recall_free(ss->recall);
	target_close(&ss->target);
	pages_close(&ss->pages);
}

/* A look that takes longer than a second is shown to somebody at a terminal. */
struct shown_progress {
	struct progress progress; /* first: the sweep hands it back */
	time_t begun;
	bool shown;
};

static void show_progress(struct progress *p, uint64_t done, uint64_t total)
{
	struct shown_progress *s = (struct shown_progress *)p;
	char a[SIZE_TEXT], b[SIZE_TEXT];

	if (time(NULL) - s->begun < 2)
		return;
	fprintf(stderr, "\rreading the heap: %s of about %s\033[K", size_format(a, done),
		size_format(b, total));
	s->shown = true;
}

static int look(struct session *ss, const struct options *o, struct snapshot *s,
		struct error *e)
{
	struct shown_progress p = { .progress.tick = show_progress, .begun = time(NULL) };
	bool terminal = !o->quiet && isatty(STDERR_FILENO);
	struct look how = { .idle_ns = o->idle_ns,
			    .by_size = o->by_size,
			    .quick = o->quick,
			    .map = o->map,
			    .progress = terminal ? &p.progress : NULL,
			    .recall = ss->recall };
	int err = snapshot_take(s, &ss->target, &ss->pages, &how, e);

	if (p.shown)
		fprintf(stderr, "\r\033[K");
	for (size_t i = 0; !err && o->show_data && i < s->nheaps; i++)
		remnants_read(s->heaps[i], &ss->target);
	return err;
}

int session_look(struct session *ss, const struct options *o, struct snapshot *s,
		 struct error *e)
{
	struct freeze freeze;
	int err;

	if (ss->stored)
		return stored_look(s, ss->stored, e);
	if (!o->freeze)
		return look(ss, o, s, e);
	if (freeze_begin(&freeze, &ss->target, e))
		return -1;
	err = look(ss, o, s, e);
	freeze_end(&freeze);
	return err;
}

static int ask_module(struct error *e)
{
	struct pages p;

	if (pages_open(&p, SOURCE_KMOD, e))
		return -1;
	pages_close(&p);
	return 0;
}

bool source_go_on(struct pages *p, const struct options *o, struct error *e)
{
	struct error why = *e, other_why;
	struct pages other;

	if (o->source != SOURCE_AUTO || o->idle_ns || p->ops != &pages_kmod ||
	    e->status != EXIT_FAILED)
		return false;
	/* Of all processes, a look at one may fail though the module is there. */
	if (!ask_module(&why) && o->all)
		return false;
	if (pages_open(&other, SOURCE_PROCFS, &other_why))
		return false;
	pages_close(p);
	*p = other;
	error_set(e, EXIT_FAILED, "by /proc from now on: %.200s", why.text);
	return true;
}

bool want_colour(int fd)
{
	const char *no = getenv("NO_COLOR");

	return isatty(fd) && !(no && *no);
}

int report_error(const struct error *e)
{
	char clean[4 * sizeof(e->text)];

	fprintf(stderr, "fallow: %s\n", escape_terminal(clean, sizeof(clean), e->text));
	return e->status;
}
