// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/recording.h"

#include <string.h>

#include "render/escape.h"
#include "render/member.h"

static const char *local(char buf[32], const struct timespec *ts)
{
	struct tm tm;

	localtime_r(&ts->tv_sec, &tm);
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

int text_recording(FILE *out, struct recording *r, const char *path, struct error *e)
{
	size_t n = recording_processes(r);
	char name[4096], first[32], last[32];

	fprintf(out, "%s: looks at %zu process%s\n\n",
		escape_terminal(name, sizeof(name), path), n, n == 1 ? "" : "es");
	fprintf(out, "  %8s  %9s  %-19s  %-19s  %s\n", "pid", "looks", "first", "last",
		"name");
	for (size_t i = 0; i < n; i++) {
		const struct recorded_process *p = recording_process(r, i);
		struct timespec from, to;

		if (recording_choose_nth(r, i, e))
			return -1;
		from = recording_time(r, 0);
		to = recording_time(r, recording_count(r) - 1);
		fprintf(out, "  %8d  %9zu  %-19s  %-19s  %s\n", (int)p->pid,
			recording_count(r), local(first, &from), local(last, &to),
			escape_terminal(name, sizeof(name), p->comm));
	}
	return 0;
}

static json_t *process(struct recording *r, const struct recorded_process *p, bool *ok)
{
	struct timespec first = recording_time(r, 0);
	struct timespec last = recording_time(r, recording_count(r) - 1);
	json_t *o = json_object();

	value_set(o, "pid", json_integer(p->pid), ok);
	value_set(o, "comm", value_text(p->comm), ok);
	value_set(o, "starttime", value_count(p->starttime), ok);
	value_set(o, "boot_id", p->boot_id[0] ? value_text(p->boot_id) : json_null(), ok);
	value_set(o, "looks", value_count(recording_count(r)), ok);
	value_set(o, "first", value_time(&first), ok);
	value_set(o, "last", value_time(&last), ok);
	return o;
}

int json_recording(FILE *out, struct recording *r, struct error *e)
{
	struct members m = { .out = out };
	bool ok = true;

	member_write(&m, "schema", json_string("fallow.recording/1"));
	member_list_begin(&m, "processes");
	for (size_t i = 0; i < recording_processes(r); i++) {
		if (recording_choose_nth(r, i, e))
			return -1;
		member_list_add(&m, i, process(r, recording_process(r, i), &ok));
	}
	member_list_end(&m);
	return members_end(&m) || !ok ? error_set(e, EXIT_FAILED, "writing JSON failed")
				      : 0;
}
