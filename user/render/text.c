// SPDX-License-Identifier: GPL-2.0-or-later
/* The text of report, and what other texts share. Fits 80 columns where names allow. */
#include "render/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "model/size.h"
#include "render/escape.h"

#define NAME_TEXT 1024

struct paint paint_of(const struct view *v)
{
	return paint(v->colour);
}

/* That this is not now, and maybe not here. */
static void text_recorded(FILE *out, const struct snapshot *s)
{
	char when[32], host[4 * sizeof(s->host)];
	struct tm tm;

	localtime_r(&s->time.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %Z", &tm);
	fprintf(out, "  recorded %s on %s\n", when,
		escape_terminal(host, sizeof(host), s->host));
}

void text_header(FILE *out, const struct view *v)
{
	const struct snapshot *s = v->now;
	struct paint p = paint_of(v);
	char name[NAME_TEXT], rss[SIZE_TEXT], swap[SIZE_TEXT];

	fprintf(out,
		"%s%s%s  pid %d  RSS %s%s%s  swapped %s  %u thread%s  (%s, %.2f s)\n",
		p.bold, escape_terminal(name, sizeof(name), s->process.comm), p.off,
		(int)s->process.pid, p.bold, size_format(rss, s->rss), p.off,
		size_format(swap, s->swap), s->process.threads,
		s->process.threads == 1 ? "" : "s", s->source,
		(double)s->duration_ns / 1e9);
	if (s->recorded)
		text_recorded(out, s);
}

static void print_change(FILE *out, const struct view *v, uint64_t now, uint64_t before)
{
	double minutes = (double)(v->now->monotonic_ns - v->before->monotonic_ns) / 60e9;
	int64_t change = (int64_t)(now - before);
	char text[SIZE_TEXT], rate[SIZE_TEXT];

	size_format_change(text, change);
	if (minutes > 0)
		size_format_change(rate, (int64_t)((double)change / minutes));
	else
		strcpy(rate, "-");
	fprintf(out, "%13s%13s/min", text, rate);
}

/* What a line has beside its pages, where some line has so much that it matters. */
static const struct extra {
	const char *title;
	size_t count; /* in struct ledger_line */
} extras[] = {
	{ "idle", offsetof(struct ledger_line, idle) },
	{ "pinned", offsetof(struct ledger_line, pinned) },
	{ "huge", offsetof(struct ledger_line, huge) },
	{ "zero", offsetof(struct ledger_line, zero) },
};

#define EXTRAS (sizeof(extras) / sizeof(extras[0]))

/* Of the resident set, and in bytes. */
#define EXTRA_SHARE 50
#define EXTRA_FLOOR (1u << 20)

static uint64_t extra_of(const struct extra *x, const struct ledger_line *l)
{
	return *(const uint64_t *)((const char *)l + x->count);
}

/* The ledger's last line. */
static struct ledger_line totals(const struct snapshot *s)
{
	struct ledger_line sum = { .resident = s->rss, .swapped = s->swap };

	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const struct ledger_line *l = &s->ledger[c];

		sum.idle = count_add(sum.idle, l->idle);
		sum.pinned = count_add(sum.pinned, l->pinned);
		sum.huge = count_add(sum.huge, l->huge);
		sum.zero = count_add(sum.zero, l->zero);
	}
	return sum;
}

/* That nothing is idle is an answer to who asked; the others are shown if there is some. */
static bool is_shown(const struct extra *x, const struct snapshot *s)
{
	uint64_t sum = 0;

	if (x->count == offsetof(struct ledger_line, idle))
		return s->idle_ns;
	for (int c = 0; c < LEDGER_CLASSES; c++)
		if (extra_of(x, &s->ledger[c]) != UNKNOWN)
			sum += extra_of(x, &s->ledger[c]);
	return sum >= EXTRA_FLOOR && sum >= s->rss / EXTRA_SHARE;
}

static void print_line(FILE *out, const struct view *v, const char *name,
		       const struct ledger_line *now, uint64_t before)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];

	fprintf(out, "  %-15s%13s%11s", name, size_format(a, now->resident),
		size_format(b, now->swapped));
	for (size_t i = 0; i < EXTRAS; i++)
		if (is_shown(&extras[i], v->now))
			fprintf(out, "%13s", size_format(a, extra_of(&extras[i], now)));
	fprintf(out, "%7.1f%%",
		v->now->rss ? 100.0 * (double)now->resident / (double)v->now->rss : 0.0);
	if (v->before)
		print_change(out, v, now->resident, before);
}

static bool line_empty(const struct view *v, int c)
{
	return !v->now->ledger[c].resident && !v->now->ledger[c].swapped &&
	       !(v->before && v->before->ledger[c].resident);
}

static void ledger(FILE *out, const struct view *v)
{
	const struct snapshot *s = v->now, *b = v->before;
	struct ledger_line sum = totals(s);
	struct paint p = paint_of(v);

	fprintf(out, "\n  %s%-15s%13s%11s", p.dim, "class", "resident", "swapped");
	for (size_t i = 0; i < EXTRAS; i++)
		if (is_shown(&extras[i], s))
			fprintf(out, "%13s", extras[i].title);
	fprintf(out, "%8s", "share");
	if (b)
		fprintf(out, "%13s%17s", "change", "rate");
	fprintf(out, "%s\n", p.off);
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		if (line_empty(v, c))
			continue;
		if (c == LEDGER_HEAP_RETURNABLE || c == LEDGER_HEAP_HELD)
			fputs(p.warn, out);
		print_line(out, v, ledger_name(c), &s->ledger[c],
			   b ? b->ledger[c].resident : 0);
		if (!b)
			fprintf(out, "%s  %s%s", p.dim, ledger_meaning(c), p.off);
		fprintf(out, "%s\n", p.off);
	}
	print_line(out, v, "RSS", &sum, b ? b->rss : 0);
	fputc('\n', out);
}

static size_t shared_arenas(const struct heap *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->narenas; i++)
		n += h->arenas[i].kind == ARENA_MAIN || h->arenas[i].kind == ARENA_THREAD;
	return n;
}

void text_heap_line(FILE *out, const struct heap *h)
{
	struct heap_totals t = heap_totals(h);
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT], reason[NAME_TEXT];
	size_t arenas = shared_arenas(h);
	char count[40] = "", version[4 * sizeof(h->version)];

	if (arenas)
		snprintf(count, sizeof(count), "%zu arena%s, ", arenas,
			 arenas == 1 ? "" : "s");
	fprintf(out, "\n  %s%s%s, %s", h->ops->name, h->version[0] ? " " : "",
		escape_terminal(version, sizeof(version), h->version),
		heap_status_name(h->status));
	if (h->status == HEAP_UNSUPPORTED && h->narenas)
		fprintf(out, ": at least %s resident", size_format(a, t.resident));
	else if (h->status != HEAP_UNSUPPORTED)
		fprintf(out, ": %slive %s, free %s, stranded %s", count,
			size_format(a, t.live), size_format(b, t.free),
			size_format(c, t.stranded));
	if (h->reason[0])
		fprintf(out, "\n    %s",
			escape_terminal(reason, sizeof(reason), h->reason));
	if (h->quick)
		fprintf(out,
			"\n    of what is live at most %s is free, and at most %s more "
			"is "
			"returnable, %s held",
			size_format(a, h->error.live),
			size_format(b, h->error.returnable),
			size_format(c, h->error.held));
	fputc('\n', out);
}

static void print_advice(FILE *out, const struct advice *a)
{
	char size[SIZE_TEXT];

	fprintf(out, "    -> %s", a->text);
	if (a->bytes != UNKNOWN && a->bytes)
		fprintf(out, "\n       gives back %s%s", a->at_most ? "at most " : "",
			size_format(size, a->bytes));
	fputc('\n', out);
}

void text_verdicts(FILE *out, const struct view *v)
{
	struct paint p = paint_of(v);
	char size[SIZE_TEXT], text[4 * VERDICT_TEXT];

	for (size_t i = 0; i < v->verdicts->n; i++) {
		const struct verdict *d = &v->verdicts->v[i];

		fprintf(out, "\n  %s%s%s%s (%s)", p.bold,
			d->id == VERDICT_HEALTHY ? p.good : p.warn, verdict_name(d->id),
			p.off, confidence_name(d->confidence));
		if (d->bytes)
			fprintf(out, ": %s", size_format(size, d->bytes));
		if (d->same_as != VERDICT_IDS)
			fprintf(out, ", likely the memory of %s",
				verdict_name(d->same_as));
		fputc('\n', out);
		for (size_t k = 0; k < d->nevidence; k++)
			fprintf(out, "    %s\n",
				escape_terminal(text, sizeof(text), d->evidence[k]));
		for (size_t k = 0; k < d->nadvice; k++)
			print_advice(out, &d->advice[k]);
	}
}

void text_footer(FILE *out, const struct view *v)
{
	const struct snapshot *s = v->now;
	char size[SIZE_TEXT];

	if (s->torn || s->nwarnings)
		fputc('\n', out);
	if (s->torn)
		fprintf(out, "  %s changed while it was looked at (torn)\n",
			size_format(size, s->torn));
	for (size_t i = 0; i < s->nwarnings; i++)
		fprintf(out, "  note: %s\n", s->warnings[i]);
}

void text_report(FILE *out, const struct view *v)
{
	text_header(out, v);
	ledger(out, v);
	text_beside(out, v);
	for (size_t i = 0; i < v->now->nheaps; i++)
		text_heap_line(out, v->now->heaps[i]);
	text_verdicts(out, v);
	text_footer(out, v);
}
