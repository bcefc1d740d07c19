// SPDX-License-Identifier: GPL-2.0-or-later
/* A trace as text. */
#include "render/trace.h"

#include <inttypes.h>

#include "model/size.h"
#include "render/escape.h"
#include "render/paint.h"

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
		       const struct paint *p)
{
	char name[256], mapped[SIZE_TEXT], unmapped[SIZE_TEXT];
	const struct account *a = &tr->account;

	fprintf(out,
		"%s%s%s  pid %d  %.1f s%s  %" PRIu64
		" call%s  mapped %s, unmapped %s\n\n",
		p->bold, escape_terminal(name, sizeof(name), t->comm), p->off,
		(int)t->pid, (double)tr->duration_ns / 1e9, end_text(tr->end), a->calls,
		a->calls == 1 ? "" : "s", size_format(mapped, a->mapped),
		size_format(unmapped, a->unmapped));
	fprintf(out, "  %13s%13s%13s%10s\n", "still mapped", "mapped", "unmapped",
		"calls");
}

static void put_sums(FILE *out, const struct stack *s, const struct paint *p)
{
	char still[SIZE_TEXT], mapped[SIZE_TEXT], unmapped[SIZE_TEXT];

	fprintf(out, "  %s%13s%s%13s%13s%10" PRIu64, p->bold,
		size_format(still, (uint64_t)s->still), p->off,
		size_format(mapped, s->mapped), size_format(unmapped, s->unmapped),
		s->calls);
}

static void put_frame(FILE *out, const struct frame *f)
{
	char function[NAME_TEXT], module[NAME_TEXT];

	escape_terminal(module, sizeof(module), f->module ? f->module : "");
	if (frame_name(f))
		fprintf(out, "      %s+0x%" PRIx64 "  %s\n",
			escape_terminal(function, sizeof(function), frame_name(f)),
			f->function_offset, module);
	else if (f->has_offset)
		fprintf(out, "      %s+0x%" PRIx64 "\n", module, f->offset);
	else
		fprintf(out, "      0x%" PRIx64 "  %s\n", f->pc,
			f->module ? module : "[no file]");
}

static void put_stack(FILE *out, const struct trace *tr, const struct stack *s,
		      const struct paint *p)
{
	put_sums(out, s, p);
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
	struct paint none = paint(false);
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
	put_sums(out, &rest, &none);
	fprintf(out, "  %u stacks more (--json has all)\n", tr->norder - SHOWN_STACKS);
}

static void put_footer(FILE *out, const struct trace *tr)
{
	struct paint none = paint(false);
	const struct stack *other = tr->stacks.stack[STACK_OTHER];
	char size[SIZE_TEXT], text[4 * 512];

	if (other->calls) {
		put_sums(out, other, &none);
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
	struct paint p = paint(colour);

	put_header(out, t, tr, &p);
	for (uint32_t i = 0; i < tr->norder && i < SHOWN_STACKS; i++)
		put_stack(out, tr, tr->stacks.stack[tr->order[i]], &p);
	if (!tr->account.calls)
		fprintf(out, "  no call was seen\n");
	put_rest(out, tr);
	put_footer(out, tr);
}
