// SPDX-License-Identifier: GPL-2.0-or-later
/* A trace as text and as JSON; the schema is in Documentation/fallow-trace.schema.json. */
#include "render/trace.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "model/size.h"
#include "render/escape.h"

/* What fits a few screens; JSON has all. */
#define SHOWN_STACKS 20
#define SHOWN_FRAMES 24

#define NAME_TEXT 4200

static const char *end_text(enum trace_end end)
{
	return end == TRACE_TARGET   ? ", until it ended"
	       : end == TRACE_SIGNAL ? ", interrupted"
				     : "";
}

static void put_header(FILE *out, const struct target *t, const struct trace *tr,
		       const char *bold, const char *off)
{
	char name[256], mapped[SIZE_TEXT], unmapped[SIZE_TEXT];
	const struct account *a = &tr->account;

	fprintf(out,
		"%s%s%s  pid %d  %.1f s%s  %" PRIu64
		" call%s  mapped %s, unmapped %s\n\n",
		bold, escape_terminal(name, sizeof(name), t->comm), off, (int)t->pid,
		(double)tr->duration_ns / 1e9, end_text(tr->end), a->calls,
		a->calls == 1 ? "" : "s", size_format(mapped, a->mapped),
		size_format(unmapped, a->unmapped));
	fprintf(out, "  %13s%13s%13s%10s\n", "still mapped", "mapped", "unmapped",
		"calls");
}

static void put_sums(FILE *out, const struct stack *s, const char *bold, const char *off)
{
	char still[SIZE_TEXT], mapped[SIZE_TEXT], unmapped[SIZE_TEXT];

	fprintf(out, "  %s%13s%s%13s%13s%10" PRIu64, bold,
		size_format(still, (uint64_t)s->still), off,
		size_format(mapped, s->mapped), size_format(unmapped, s->unmapped),
		s->calls);
}

static void put_frame(FILE *out, const struct frame *f)
{
	char function[NAME_TEXT], module[NAME_TEXT];

	escape_terminal(module, sizeof(module), f->module ? f->module : "");
	if (f->function)
		fprintf(out, "      %s+0x%" PRIx64 "  %s\n",
			escape_terminal(function, sizeof(function), f->function),
			f->function_offset, module);
	else if (f->has_offset)
		fprintf(out, "      %s+0x%" PRIx64 "\n", module, f->offset);
	else
		fprintf(out, "      0x%" PRIx64 "  %s\n", f->pc,
			f->module ? module : "[no file]");
}

static void put_stack(FILE *out, const struct trace *tr, const struct stack *s,
		      const char *bold, const char *off)
{
	put_sums(out, s, bold, off);
	fputc('\n', out);
	for (uint32_t i = 0; i < s->n && i < SHOWN_FRAMES; i++)
		put_frame(out, &tr->stacks.frame[s->frame[i]]);
	if (s->n > SHOWN_FRAMES)
		fprintf(out, "      ... and %u frames more\n", s->n - SHOWN_FRAMES);
	else if (!s->whole)
		fprintf(out, "      ... and frames that cannot be told\n");
	fputc('\n', out);
}

/* What the list above leaves out. */
static void put_rest(FILE *out, const struct trace *tr)
{
	struct stack rest = { .n = 0 };

	for (uint32_t i = SHOWN_STACKS; i < tr->norder; i++) {
		const struct stack *s = tr->stacks.stack[tr->order[i]];

		rest.calls += s->calls;
		rest.mapped += s->mapped;
		rest.unmapped += s->unmapped;
		rest.still += s->still;
	}
	if (tr->norder <= SHOWN_STACKS)
		return;
	put_sums(out, &rest, "", "");
	fprintf(out, "  %u stacks more (--json has all)\n", tr->norder - SHOWN_STACKS);
}

static void put_footer(FILE *out, const struct trace *tr)
{
	const struct stack *other = tr->stacks.stack[STACK_OTHER];
	char size[SIZE_TEXT], text[4 * 512];

	if (other->calls) {
		put_sums(out, other, "", "");
		fprintf(out, "  not attributed: too many stacks\n");
	}
	if (tr->account.unseen)
		fprintf(out, "  %13s  mapped since the begin by no call that was seen\n",
			size_format(size, tr->account.unseen));
	if (tr->account.corrected)
		fprintf(out, "  %13s  taken off: not mapped any more at the end\n",
			size_format(size, tr->account.corrected));
	if (tr->cut)
		fprintf(out, "  calls with a stack that is not whole: %" PRIu64 "\n",
			tr->cut);
	for (size_t i = 0; i < tr->nwarnings; i++)
		fprintf(out, "  %s%s\n", trace_is_partial(tr) ? "partial: " : "",
			escape_terminal(text, sizeof(text), tr->warnings[i]));
}

void text_trace(FILE *out, const struct target *t, const struct trace *tr, bool colour)
{
	const char *bold = colour ? "\033[1m" : "", *off = colour ? "\033[0m" : "";

	put_header(out, t, tr, bold, off);
	for (uint32_t i = 0; i < tr->norder && i < SHOWN_STACKS; i++)
		put_stack(out, tr, tr->stacks.stack[tr->order[i]], bold, off);
	if (!tr->account.calls)
		fprintf(out, "  no call was seen\n");
	put_rest(out, tr);
	put_footer(out, tr);
}

static json_t *text(const char *raw)
{
	char clean[NAME_TEXT];

	return raw ? json_string(escape_utf8(clean, sizeof(clean), raw)) : json_null();
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *address(uint64_t n)
{
	return json_sprintf("0x%" PRIx64, n);
}

static json_t *frame_json(const struct frame *f)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "address", address(f->pc),
			 "function", text(f->function), "function_offset",
			 f->function ? count(f->function_offset) : json_null(), "module",
			 text(f->module), "offset",
			 f->has_offset ? address(f->offset) : json_null());
}

static json_t *sums_json(const struct stack *s)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "calls", count(s->calls), "mapped_bytes",
			 count(s->mapped), "unmapped_bytes", count(s->unmapped),
			 "still_mapped_bytes", count((uint64_t)s->still));
}

static json_t *stack_json(const struct trace *tr, const struct stack *s)
{
	json_t *o = sums_json(s), *frames = json_array();

	for (uint32_t i = 0; i < s->n; i++)
		json_array_append_new(frames, frame_json(&tr->stacks.frame[s->frame[i]]));
	json_object_set_new(o, "whole", json_boolean(s->whole));
	json_object_set_new(o, "frames", frames);
	return o;
}

static json_t *warnings_json(const struct trace *tr)
{
	json_t *list = json_array();

	for (size_t i = 0; i < tr->nwarnings; i++)
		json_array_append_new(list, text(tr->warnings[i]));
	return list;
}

static json_t *time_json(const struct timespec *ts)
{
	char date[32];
	struct tm tm;

	gmtime_r(&ts->tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	return json_sprintf("%s.%03ldZ", date, ts->tv_nsec / 1000000);
}

static json_t *process_json(const struct target *t)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "pid", (int)t->pid, "comm",
			 text(t->comm), "cmdline", text(t->cmdline), "exe", text(t->exe),
			 "starttime", count(t->starttime));
}

/* All but the stacks. */
static json_t *trace_json(const struct target *t, const struct trace *tr)
{
	static const char *const ends[] = { "time", "signal", "target" };
	const struct account *a = &tr->account;
	struct utsname u = { 0 };

	uname(&u);
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:o, s:o, s:o, s:o}",
		"schema", "fallow.trace/1", "time", time_json(&tr->time), "host",
		text(u.nodename), "kernel", text(u.release), "process", process_json(t),
		"duration_ns", count(tr->duration_ns), "end", ends[tr->end], "partial",
		trace_is_partial(tr), "calls", count(a->calls), "lost_calls",
		count(tr->lost), "missed_calls", count(tr->missed), "cut_calls",
		count(tr->cut), "mapped_bytes", count(a->mapped), "unmapped_bytes",
		count(a->unmapped), "unseen_bytes", count(a->unseen), "corrected_bytes",
		count(a->corrected), "unplaced_bytes", count(a->unplaced),
		"not_attributed", sums_json(tr->stacks.stack[STACK_OTHER]), "warnings",
		warnings_json(tr));
}

/* One at a time, for there may be many. A line each. */
static int put_stacks(FILE *out, const struct trace *tr)
{
	int err = 0;

	fputs(",\n  \"stacks\": [", out);
	for (uint32_t i = 0; i < tr->norder && !err; i++) {
		json_t *o = stack_json(tr, tr->stacks.stack[tr->order[i]]);

		fputs(i ? ",\n    " : "\n    ", out);
		err = !o || json_dumpf(o, out, JSON_COMPACT);
		json_decref(o);
	}
	fputs("\n  ]\n}\n", out);
	return err;
}

int json_trace(FILE *out, const struct target *t, const struct trace *tr)
{
	json_t *o = trace_json(t, tr);
	char *head = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	int err = !head;

	/* The object goes on where its last member ends. */
	if (head) {
		head[strlen(head) - strlen("\n}")] = '\0';
		fputs(head, out);
		err = put_stacks(out, tr);
	}
	free(head);
	json_decref(o);
	return err || fflush(out) || ferror(out) ? -1 : 0;
}
