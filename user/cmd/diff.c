// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow diff: what changed between two looks at a process. */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <unistd.h>

#include "model/diff.h"
#include "render/diff.h"
#include "store/record.h"
#include "store/stored.h"

static const char usage[] =
	"usage: fallow diff A B [--json]\n"
	"       fallow diff TARGET --after=TIME [options]\n"
	"       fallow diff FILE@LOOK --after=TIME [--json]\n"
	"\n"
	"What changed between two snapshots, or in a process over a time: by class, by\n"
	"allocator and by mapping, growth first. A and B are files that fallow snapshot\n"
	"or fallow report --json has written; TARGET is a pid or a process name.\n"
	"\n"
	"  --after=TIME      look at TARGET twice, TIME apart (30s, 2m); of a look in a\n"
	"                    recording, compare with the one TIME before it\n" HELP_VIEW;

static int show(const struct options *o, const struct record *before,
		const struct record *now, struct error *e)
{
	struct diff d;
	int status = 0;

	if (diff_make(&d, before, now, e))
		return -1;
	if (o->json)
		status = json_diff(stdout, &d) ? EXIT_FAILED : EXIT_DONE;
	else
		text_diff(stdout, &d, want_colour(STDOUT_FILENO));
	diff_free(&d);
	return status;
}

static int look(struct session *ss, const struct options *o, struct record *r,
		struct error *e)
{
	struct snapshot s;
	int err;

	if (session_look(ss, o, &s, e))
		return -1;
	err = record_take(r, &s, e);
	snapshot_free(&s);
	return err;
}

static int read_look(struct recording *r, size_t i, const char *where, struct record *to,
		     struct error *e)
{
	struct blob text;
	int err;

	if (recording_text(r, i, &text, e))
		return -1;
	err = record_parse(to, text.data, text.len, where, e);
	free(text.data);
	return err;
}

/* A look in a recording, and the one so long before it. */
static int look_back(const struct options *o, struct record r[2], size_t *n,
		     struct error *e)
{
	struct recording *from;
	uint64_t now, first;
	size_t i, before;
	int err;

	if (stored_replay(&from, &i, o->target, e))
		return -1;
	now = recording_uptime(from, i);
	first = recording_uptime(from, 0);
	if (recording_before(from, i, o->after_ns, &before))
		err = read_look(from, before, o->target, &r[0], e);
	else
		err = error_set(
			e, EXIT_FAILED,
			"--after: %s: the recording begins %.1f s before this look: "
			"take less, or compare with its first look, as in fallow "
			"diff F@1 F@-1",
			o->target, (double)(now > first ? now - first : 0) / 1e9);
	if (!err) {
		*n = 1;
		err = read_look(from, i, o->target, &r[1], e);
	}
	if (!err)
		*n = 2;
	recording_close(from);
	return err;
}

static int look_twice(const struct options *o, struct record r[2], size_t *n,
		      struct error *e)
{
	struct session ss;
	int err;

	if (session_open(&ss, o, e))
		return -1;
	if (ss.stored)
		return look_back(o, r, n, e);
	err = look(&ss, o, &r[0], e);
	if (!err) {
		*n = 1;
		/* If it ends meanwhile, the look says so. */
		wait_for(&ss.target, o->after_ns);
		err = look(&ss, o, &r[1], e);
	}
	if (!err)
		*n = 2;
	session_close(&ss);
	return err;
}

static int read_both(const struct options *o, struct record r[2], size_t *n,
		     struct error *e)
{
	for (; *n < 2; ++*n)
		if (record_open(&r[*n], o->files[*n], e))
			return -1;
	return 0;
}

int cmd_diff(int argc, char **argv)
{
	struct record r[2];
	struct options o;
	struct error e;
	size_t n = 0;
	int status = options_parse(&o, argc, argv,
				   OPT_TARGET | OPT_SOURCE | OPT_JSON | OPT_AFTER |
					   OPT_FREEZE | OPT_FILES,
				   usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	status = o.files[0] ? read_both(&o, r, &n, &e) : look_twice(&o, r, &n, &e);
	if (!status)
		status = show(&o, &r[0], &r[1], &e);
	while (n)
		record_free(&r[--n]);
	return status < 0 ? report_error(&e) : status;
}
