// SPDX-License-Identifier: GPL-2.0-or-later
/* The footnote of a report: what RSS does not count, and the control group. */
#include "render/text.h"

#include <stdarg.h>
#include <string.h>

#include "model/size.h"
#include "render/escape.h"

#define WIDTH 80
#define ITEM  160

/* Items with commas between them, over as many lines as they need. */
struct items {
	FILE *out;
	const char *title;
	size_t column, n;
};

static void item(struct items *i, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void item(struct items *i, const char *fmt, ...)
{
	char text[ITEM];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!i->n)
		i->column = (size_t)fprintf(i->out, "\n  %s", i->title) - 1;
	if (i->n && i->column + strlen(text) + 3 > WIDTH)
		i->column = (size_t)fprintf(i->out, ",\n    %s", text) - 2;
	else
		i->column += (size_t)fprintf(i->out, "%s%s", i->n ? ", " : "", text);
	i->n++;
}

/* A part that is there, with its size. */
static void sized(struct items *i, const char *what, uint64_t bytes)
{
	char size[SIZE_TEXT];

	if (bytes)
		item(i, "%s %s", what,
		     bytes == UNKNOWN ? "unknown" : size_format(size, bytes));
}

static void counted(struct items *i, const char *what, size_t n, uint64_t bytes)
{
	char size[SIZE_TEXT];

	if (n)
		item(i, "%zu %s%s %s", n, what, n == 1 ? "" : "s",
		     size_format(size, bytes));
}

static void descriptors(struct items *i, const struct held *h)
{
	const struct socket_sums *s = &h->sockets;
	char size[SIZE_TEXT];

	if (!h->known) {
		item(i, "sockets and files unknown (a quick look, or not permitted)");
		return;
	}
	counted(i, s->queued_only ? "socket (queues alone)" : "socket", s->told,
		s->bytes);
	if (s->n > s->told)
		item(i, "%zu other sockets of unknown size", s->n - s->told);
	counted(i, "tmpfs file", h->nfiles, h->files);
	if (h->npipes)
		item(i, "%zu pipe%s of unknown size", h->npipes,
		     h->npipes == 1 ? "" : "s");
	if (h->nrings)
		item(i, "%zu io_uring%s, of whose buffers %s are mapped no more",
		     h->nrings, h->nrings == 1 ? "" : "s",
		     size_format(size, h->buffers_unmapped));
	counted(i, "BPF map", h->nmaps, h->maps);
	counted(i, "dma-buf", h->ndmabufs, h->dmabufs);
	if (h->cut)
		item(i, "and what more descriptors have than were looked at");
}

static void group(FILE *out, const struct cgroup_memory *c)
{
	char path[ITEM], limit[ITEM], size[SIZE_TEXT];
	struct items i = { .out = out, .title = "control group " };

	if (!c->version) {
		item(&i, "unknown: %s", c->why);
		return;
	}
	item(&i, "%s: %s",
	     escape_terminal(path, sizeof(path) / 2, c->path[0] ? c->path : "/"),
	     size_format(size, c->current));
	if (c->limit < CGROUP_NO_LIMIT)
		item(&i, "at most %s%s%s", size_format(size, c->limit),
		     strcmp(c->limit_of, c->path) != 0 ? ", by " : "",
		     strcmp(c->limit_of, c->path) != 0
			     ? escape_terminal(limit, sizeof(limit) / 2,
					       c->limit_of[0] ? c->limit_of : "/")
			     : "");
	else
		item(&i, c->limit == CGROUP_NO_LIMIT ? "no limit" : "limit unknown");
	if (c->high < CGROUP_NO_LIMIT)
		item(&i, "slowed from %s on", size_format(size, c->high));
	sized(&i, "swap", c->swap);
	if (c->oom_kills && c->oom_kills != UNKNOWN)
		item(&i, "%llu ended for want of memory",
		     (unsigned long long)c->oom_kills);
}

void text_beside(FILE *out, const struct view *v)
{
	const struct beside *b = &v->now->beside;
	struct paint p = paint_of(v);
	struct items i = { .out = out, .title = "not in RSS: " };

	if (!b->known)
		return;
	fputs(p.dim, out);
	sized(&i, "page tables", b->page_tables);
	sized(&i, "hugetlb", b->hugetlb);
	descriptors(&i, &b->held);
	group(out, &b->cgroup);
	fprintf(out, "%s\n", p.off);
}
