// SPDX-License-Identifier: GPL-2.0-or-later
/* A trace as JSON; the schema is in Documentation/fallow-trace.schema.json. */
#include "render/trace.h"

#include <sys/utsname.h>

#include "render/member.h"

static json_t *text_or_null(const char *raw)
{
	return raw ? value_text(raw) : json_null();
}

static json_t *frame_json(const struct frame *f)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "address",
			 value_address(f->pc), "function", text_or_null(f->function),
			 "demangled", text_or_null(f->readable), "function_offset",
			 f->function ? value_count(f->function_offset) : json_null(),
			 "module", text_or_null(f->module), "offset",
			 f->has_offset ? value_address(f->offset) : json_null());
}

static json_t *sums_json(const struct stack *s)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "calls", value_count(s->calls),
			 "mapped_bytes", value_count(s->mapped), "unmapped_bytes",
			 value_count(s->unmapped), "still_mapped_bytes",
			 value_count((uint64_t)s->still));
}

/* NULL when out of memory. */
static json_t *stack_json(const struct trace *tr, const struct stack *s)
{
	json_t *o = sums_json(s), *frames = json_array();
	bool ok = o && frames;

	for (uint32_t i = 0; i < s->n; i++)
		value_append(frames, frame_json(&tr->stacks.frame[s->frame[i]]), &ok);
	value_set(o, "whole", json_boolean(s->whole), &ok);
	value_set(o, "frames", frames, &ok);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *warnings_json(const struct trace *tr)
{
	json_t *list = json_array();
	bool ok = list;

	for (size_t i = 0; i < tr->nwarnings; i++)
		value_append(list, value_text(tr->warnings[i]), &ok);
	if (ok)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *process_json(const struct target *t)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "pid", (int)t->pid, "comm",
			 value_text(t->comm), "cmdline", value_text(t->cmdline), "exe",
			 value_text(t->exe), "starttime", value_count(t->starttime));
}

static void write_head(struct members *m, const struct target *t, const struct trace *tr)
{
	static const char *const ends[] = { "time", "signal", "target" };
	struct utsname u = { 0 };

	uname(&u);
	member_write(m, "schema", json_string("fallow.trace/1"));
	member_write(m, "time", value_time(&tr->time));
	member_write(m, "host", value_text(u.nodename));
	member_write(m, "kernel", value_text(u.release));
	member_write(m, "process", process_json(t));
	member_write(m, "duration_ns", value_count(tr->duration_ns));
	member_write(m, "end", json_string(ends[tr->end]));
	member_write(m, "partial", json_boolean(trace_is_partial(tr)));
}

static void write_sums(struct members *m, const struct trace *tr)
{
	const struct account *a = &tr->account;

	member_write(m, "calls", value_count(a->calls));
	member_write(m, "lost_calls", value_count(tr->lost));
	member_write(m, "missed_calls", value_count(tr->missed));
	member_write(m, "cut_calls", value_count(tr->cut));
	member_write(m, "mapped_bytes", value_count(a->mapped));
	member_write(m, "unmapped_bytes", value_count(a->unmapped));
	member_write(m, "unseen_bytes", value_count(a->unseen));
	member_write(m, "corrected_bytes", value_count(a->corrected));
	member_write(m, "unplaced_bytes", value_count(a->unplaced));
	member_write(m, "not_attributed", sums_json(tr->stacks.stack[STACK_OTHER]));
	member_write(m, "warnings", warnings_json(tr));
}

int json_trace(FILE *out, const struct target *t, const struct trace *tr)
{
	struct members m = { .out = out };

	write_head(&m, t, tr);
	write_sums(&m, tr);
	member_list_begin(&m, "stacks");
	for (uint32_t i = 0; i < tr->norder; i++)
		member_list_add(&m, i, stack_json(tr, tr->stacks.stack[tr->order[i]]));
	member_list_end(&m);
	return members_end(&m);
}
