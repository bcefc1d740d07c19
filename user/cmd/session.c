// SPDX-License-Identifier: GPL-2.0-or-later
/* From options to a target, a source and a look. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "render/escape.h"
#include "target/freeze.h"

int session_open(struct session *ss, const struct options *o, struct error *e)
{
	pid_t pid;

	if (o->cgroup ? target_find_cgroup(o->cgroup, &pid, e)
		      : target_find(o->target, &pid, e))
		return -1;
	if (pages_open(&ss->pages, o->source, e))
		return -1;
	if (target_open(&ss->target, pid, e)) {
		pages_close(&ss->pages);
		return -1;
	}
	return 0;
}

void session_close(struct session *ss)
{
	target_close(&ss->target);
	pages_close(&ss->pages);
}

int session_look(struct session *ss, const struct options *o, struct snapshot *s,
		 struct error *e)
{
	struct freeze freeze;
	int err;

	if (!o->freeze)
		return snapshot_take(s, &ss->target, &ss->pages, e);
	if (freeze_begin(&freeze, &ss->target, e))
		return -1;
	err = snapshot_take(s, &ss->target, &ss->pages, e);
	freeze_end(&freeze);
	return err;
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
