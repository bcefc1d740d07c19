// SPDX-License-Identifier: GPL-2.0-or-later
/* The text of heap: arenas, size classes, what pins memory, settings. */
#include <inttypes.h>

#include "model/size.h"
#include "render/text.h"

static void arena_row(FILE *out, const char *name, const struct heap_arena *a)
{
	uint64_t value[] = { a->mapped,	  a->resident,	 a->bytes[EXTENT_LIVE],
			     a->stranded, a->returnable, a->held };
	char size[SIZE_TEXT];

	fprintf(out, "  %-22s", name);
	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
		fprintf(out, " %12s", size_format(size, value[i]));
	fputc('\n', out);
}

/* A table of more than that fits no screen. */
#define ARENAS_SHOWN 16

static uint64_t kept(const struct heap_arena *a)
{
	return a->stranded + a->returnable + a->held;
}

/* Of those that keep most, most first; how many that is. */
static size_t choose_arenas(const struct heap *h, const struct heap_arena **most)
{
	size_t n = 0;

	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];
		size_t at;

		if (n == ARENAS_SHOWN && kept(a) <= kept(most[n - 1]))
			continue;
		at = n < ARENAS_SHOWN ? n++ : n - 1;
		for (; at && kept(most[at - 1]) < kept(a); at--)
			most[at] = most[at - 1];
		most[at] = a;
	}
	return n;
}

static void take_away(struct heap_arena *rest, const struct heap_arena *a)
{
	rest->mapped -= a->mapped;
	rest->resident -= a->resident;
	rest->bytes[EXTENT_LIVE] -= a->bytes[EXTENT_LIVE];
	rest->stranded -= a->stranded;
	rest->returnable -= a->returnable;
	rest->held -= a->held;
}

static void arena_table(FILE *out, const struct view *v, const struct heap *h)
{
	struct heap_totals t = heap_totals(h);
	struct heap_arena sum = { .mapped = t.mapped,
				  .resident = t.resident,
				  .bytes[EXTENT_LIVE] = t.live,
				  .stranded = t.stranded,
				  .returnable = t.returnable,
				  .held = t.held };
	const struct heap_arena *most[ARENAS_SHOWN] = { NULL };
	size_t n = choose_arenas(h, most);
	struct heap_arena rest = sum;
	struct paint p = paint_of(v);
	char name[64];

	fprintf(out, "\n  %s%-22s %12s %12s %12s %12s %12s %12s%s\n", p.dim, "arena",
		"mapped", "resident", "live", "stranded", "returnable", "held", p.off);
	for (size_t i = 0; i < n; i++) {
		const struct heap_arena *a = most[i];

		snprintf(name, sizeof(name), "%-7s %" PRIx64, arena_name(a->kind),
			 a->address);
		arena_row(out, a->address ? name : arena_name(a->kind), a);
		take_away(&rest, a);
	}
	if (n < h->narenas) {
		snprintf(name, sizeof(name), "%zu that keep less", h->narenas - n);
		arena_row(out, name, &rest);
	}
	arena_row(out, "total", &sum);
}

#define BAR 30

/* A power of two: from above half of it up to it. */
static struct heap_class octave(const struct heap *h, size_t *i)
{
	struct heap_class sum = { .size = 16 };

	while (sum.size < h->classes[*i].size && sum.size << 1)
		sum.size <<= 1;
	for (; *i < h->nclasses && h->classes[*i].size <= sum.size; ++*i) {
		sum.live += h->classes[*i].live;
		sum.free += h->classes[*i].free;
		sum.stranded += h->classes[*i].stranded;
	}
	return sum;
}

static void bar(FILE *out, char c, uint64_t bytes, uint64_t full)
{
	int n = (int)((double)bytes / (double)full * BAR + 0.5);

	for (int i = 0; i < n; i++)
		fputc(c, out);
}

static void class_row(FILE *out, const struct heap_class *c, uint64_t full)
{
	uint64_t value[] = { c->live, c->free, c->stranded };
	char size[SIZE_TEXT];

	fprintf(out, "  <= %-9s", size_format(size, c->size));
	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
		fprintf(out, " %11s", size_format(size, value[i]));
	fprintf(out, "  ");
	bar(out, '#', c->live, full);
	bar(out, '=', c->stranded, full);
	bar(out, '.', c->free - c->stranded, full);
	fputc('\n', out);
}

static void histogram(FILE *out, const struct view *v, const struct heap *h)
{
	struct paint p = paint_of(v);
	uint64_t full = 1;

	if (!h->nclasses)
		return;
	for (size_t i = 0; i < h->nclasses;) {
		struct heap_class c = octave(h, &i);

		if (c.live + c.free > full)
			full = c.live + c.free;
	}
	fprintf(out, "\n  %s%-12s %11s %11s %11s  # live, = stranded, . free%s\n", p.dim,
		"blocks", "live", "free", "stranded", p.off);
	for (size_t i = 0; i < h->nclasses;) {
		struct heap_class c = octave(h, &i);

		class_row(out, &c, full);
	}
}

/* The first bytes of a block, as hex and as text, dots for what is none. */
static void data(FILE *out, const struct remnant *r)
{
	fprintf(out, "   ");
	for (size_t i = 0; i < r->ndata; i++)
		fprintf(out, " %02x", r->data[i]);
	fprintf(out, "  ");
	for (size_t i = 0; i < r->ndata; i++)
		fputc(r->data[i] >= ' ' && r->data[i] < 0x7f ? r->data[i] : '.', out);
	fputc('\n', out);
}

static void remnants(FILE *out, const struct view *v, const struct heap *h)
{
	struct paint p = paint_of(v);
	char live[SIZE_TEXT], free[SIZE_TEXT];

	if (!h->nremnants)
		return;
	fprintf(out,
		"\n  %s in use keep%s %s%s%s that is free from being given back, in "
		"%" PRIu64 " place%s\n",
		size_format(live, h->pinning_live), h->pinning == 1 ? "s" : "", p.warn,
		size_format(free, h->pinning_free), p.off, h->pinning,
		h->pinning == 1 ? "" : "s");
	fprintf(out, "  %s%-22s %12s %12s  %s%s\n", p.dim, "first block", "in use",
		"keeps", "between", p.off);
	for (size_t i = 0; i < h->nremnants; i++) {
		const struct remnant *r = &h->remnants[i];

		fprintf(out, "  %-22" PRIx64 " %12s %12s  %" PRIx64 "-%" PRIx64 "\n",
			r->block, size_format(live, r->live), size_format(free, r->free),
			r->unit.start, r->unit.end);
		if (r->ndata)
			data(out, r);
	}
}

static void settings(FILE *out, const struct heap *h)
{
	char size[SIZE_TEXT];

	if (!h->nsettings)
		return;
	fprintf(out, "\n  settings in force:");
	for (size_t i = 0; i < h->nsettings; i++) {
		const struct heap_setting *s = &h->settings[i];

		if (s->is_bytes && s->value >= 0)
			fprintf(out, "%s %s=%s", i ? "," : "", s->name,
				size_format(size, (uint64_t)s->value));
		else
			fprintf(out, "%s %s=%" PRId64, i ? "," : "", s->name, s->value);
	}
	fputc('\n', out);
}

void text_heap(FILE *out, const struct view *v)
{
	text_header(out, v);
	if (!v->now->nheaps)
		fprintf(out, "\n  no known allocator was found\n");
	for (size_t i = 0; i < v->now->nheaps; i++) {
		const struct heap *h = v->now->heaps[i];

		text_heap_line(out, h);
		if (h->status == HEAP_UNSUPPORTED)
			continue;
		arena_table(out, v, h);
		histogram(out, v, h);
		remnants(out, v, h);
		settings(out, h);
		fprintf(out, "  purge: %s\n",
			h->ops->purge ? h->ops->purge : "no call gives it back");
	}
	text_footer(out, v);
}
