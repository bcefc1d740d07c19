// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The text of regions: a table of the columns that were chosen, each as wide
 * as what is in it.
 */
#include "render/text.h"

#include <stdlib.h>
#include <string.h>

#include "model/size.h"

struct table {
	const struct snapshot *s;
	const struct column_list *shown;
	const struct column *sort;
	size_t *order; /* NULL when out of memory: by address */
	int width[sizeof(((struct column_list *)0)->c) / sizeof(void *)];
	bool unknown; /* some shown count is */
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct table *t = arg;

	return column_order(t->sort, t->s, *(const size_t *)a, *(const size_t *)b);
}

static void sort(struct table *t)
{
	size_t n = t->s->vmas.n;

	t->order = malloc(n * sizeof(*t->order));
	if (!t->order)
		return;
	for (size_t i = 0; i < n; i++)
		t->order[i] = i;
	qsort_r(t->order, n, sizeof(*t->order), compare, t);
}

/* The text of a column in the line of totals. */
static const char *total_text(const struct table *t, const struct column *c, char *buf)
{
	uint64_t sum = 0;

	if (!(c->flags & COLUMN_COUNT))
		return c == t->shown->c[0] ? "total" : "";
	for (size_t i = 0; i < t->s->vmas.n; i++)
		sum = count_add(sum,
				column_count(c, &t->s->vmas.v[i], &t->s->regions[i]));
	return size_format(buf, sum);
}

static void widen(int *width, const char *text)
{
	int len = (int)strlen(text);

	if (*width < len)
		*width = len;
}

static void measure(struct table *t)
{
	char buf[COLUMN_TEXT];

	/* Nothing comes after the last one. */
	for (size_t k = 0; k + 1 < t->shown->n; k++) {
		const struct column *c = t->shown->c[k];
		const char *total;

		widen(&t->width[k], c->name);
		total = total_text(t, c, buf);
		widen(&t->width[k], total);
		t->unknown |= !strcmp(total, "-");
		for (size_t i = 0; i < t->s->vmas.n; i++)
			widen(&t->width[k],
			      column_text(c, &t->s->vmas.v[i], &t->s->regions[i], buf));
	}
}

static void put(FILE *out, const struct table *t, size_t k, const char *text)
{
	const struct column *c = t->shown->c[k];
	bool right = c->number || (c->flags & COLUMN_COUNT);
	const char *gap = k + 1 < t->shown->n ? "  " : "\n";

	fprintf(out, right && k ? "%*s%s" : "%-*s%s", t->width[k], text, gap);
}

static void put_lines(FILE *out, const struct table *t)
{
	char buf[COLUMN_TEXT];

	for (size_t n = 0; n < t->s->vmas.n; n++) {
		size_t i = t->order ? t->order[n] : n;

		for (size_t k = 0; k < t->shown->n; k++)
			put(out, t, k,
			    column_text(t->shown->c[k], &t->s->vmas.v[i],
					&t->s->regions[i], buf));
	}
}

static void left_out(FILE *out, const struct table *t)
{
	size_t more = ncolumns - t->shown->n;

	if (more)
		fprintf(out,
			"  %zu more columns: --columns=all, or some of --columns=help\n",
			more);
	if (t->unknown)
		fprintf(out, "  - is unknown to %s: fallow info says why\n",
			t->s->source);
	if (!t->order)
		fprintf(out, "  out of memory: by address\n");
}

void text_regions(FILE *out, const struct view *v, const struct column_list *shown,
		  const struct column *by)
{
	struct table t = { .s = v->now, .shown = shown, .sort = by };
	struct paint p = paint_of(v);
	char buf[COLUMN_TEXT];

	sort(&t);
	measure(&t);
	text_header(out, v);
	fprintf(out, "\n%s", p.dim);
	for (size_t k = 0; k < shown->n; k++)
		put(out, &t, k, shown->c[k]->name);
	fputs(p.off, out);
	put_lines(out, &t);
	for (size_t k = 0; k < shown->n; k++)
		put(out, &t, k, total_text(&t, shown->c[k], buf));
	fprintf(out, "\n%s", p.dim);
	left_out(out, &t);
	fputs(p.off, out);
	free(t.order);
	text_footer(out, v);
}
