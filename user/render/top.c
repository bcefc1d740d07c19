// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/top.h"

#include <string.h>

#include "render/escape.h"
#include "render/paint.h"

#define NAME_CELLS 16
#define NS_PER_MIN 60e9
#define MATTERS	   (1u << 20) /* less need not be shown */

const char *top_fallow(char *buf, const struct node_process *p, bool brief)
{
	char size[SIZE_TEXT];

	size_format(size, node_fallow(p));
	snprintf(buf, TOP_TEXT, "%s%s",
		 p->state == NODE_LOOKED ? ""
		 : brief		 ? "<= "
					 : "at most ",
		 size);
	return buf;
}

const char *top_returnable(char *buf, const struct node_process *p)
{
	return size_format(buf, p->state == NODE_LOOKED ? p->returnable : UNKNOWN);
}

const char *top_growth(char *buf, const struct node_process *p)
{
	char size[SIZE_TEXT];
	int64_t change;
	uint64_t ns;

	if (!node_growth(p, &change, &ns))
		return strcpy(buf, "-");
	size_format_change(size, (int64_t)((double)change / (double)ns * NS_PER_MIN));
	snprintf(buf, TOP_TEXT, "%s/min", size);
	return buf;
}

const char *top_verdict(char *buf, const struct node_process *p, bool brief)
{
	static const char *const others[NODE_STATES] = {
		[NODE_WAITS] = "not looked at",
		[NODE_DENIED] = "not permitted",
		[NODE_FAILED] = "failed",
	};

	if (p->state == NODE_WAITS && p->slow_ns)
		snprintf(buf, TOP_TEXT, "takes too long");
	else if (p->state != NODE_LOOKED)
		snprintf(buf, TOP_TEXT, "%s", others[p->state]);
	else if (brief)
		snprintf(buf, TOP_TEXT, "%s", verdict_name(p->verdict));
	else
		snprintf(buf, TOP_TEXT, "%s (%s)", verdict_name(p->verdict),
			 confidence_name(p->confidence));
	return buf;
}

uint64_t top_unseen(const struct node *n, size_t *count)
{
	uint64_t sum = 0;

	*count = 0;
	for (size_t i = 0; i < n->n; i++) {
		if (n->v[i].state == NODE_LOOKED)
			continue;
		sum += n->v[i].anon;
		++*count;
	}
	return sum;
}

static uint64_t seen(const struct node *n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n->n; i++)
		if (n->v[i].state == NODE_LOOKED)
			sum += n->v[i].fallow;
	return sum;
}

const char *top_summary(char *buf, size_t size, const struct node *n)
{
	char fallow[SIZE_TEXT], rest[SIZE_TEXT];
	size_t count;

	size_format(rest, top_unseen(n, &count));
	snprintf(buf, size,
		 "fallow: %s in %zu that were looked at; at most %s in %zu others",
		 size_format(fallow, seen(n)), n->of_state[NODE_LOOKED], rest, count);
	return buf;
}

static void head(FILE *out, const struct node *n, const struct paint *p)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], line[256];

	fprintf(out, "%s%zu processes%s  memory %s, available %s  (%s, %.2f s)\n",
		p->bold, n->n, p->off, size_format(a, n->total),
		size_format(b, n->available), n->pages->ops->name,
		(double)n->duration_ns / 1e9);
	fprintf(out, "%s\n", top_summary(line, sizeof(line), n));
	fprintf(out, "\n%s%8s  %-*s%13s%22s%13s%17s  %s%s\n", p->dim, "pid", NAME_CELLS,
		"name", "RSS", "fallow", "returnable", "growth", "verdict", p->off);
}

static void row(FILE *out, const struct node_process *x, const struct paint *p)
{
	char name[4 * NODE_COMM], rss[SIZE_TEXT], fallow[TOP_TEXT], back[TOP_TEXT],
		growth[TOP_TEXT], verdict[TOP_TEXT];
	bool known = x->state == NODE_LOOKED;
	size_t len;
	int cells = escape_cells(escape_terminal(name, sizeof(name), x->comm), NAME_CELLS,
				 &len);

	fprintf(out, "%8d  %.*s%*s%13s%s%22s%s%13s%17s  %s\n", (int)x->pid, (int)len,
		name, NAME_CELLS - cells, "", size_format(rss, x->rss),
		known ? p->warn : p->dim, top_fallow(fallow, x, false), p->off,
		top_returnable(back, x), top_growth(growth, x),
		top_verdict(verdict, x, false));
}

static void left_out(FILE *out, const struct node *n, size_t count, uint64_t most,
		     const struct paint *p)
{
	char size[SIZE_TEXT];

	fputs(p->dim, out);
	if (count)
		fprintf(out, "  %zu more, with at most %s fallow together\n", count,
			size_format(size, most));
	if (n->of_state[NODE_DENIED])
		fprintf(out, "  %zu may not be looked at: as root all may (try sudo)\n",
			n->of_state[NODE_DENIED]);
	if (n->ended)
		fprintf(out, "  %zu ended meanwhile\n", n->ended);
	fputs(p->off, out);
}

void text_top(FILE *out, const struct node *n, bool colour)
{
	struct paint p = paint(colour);
	size_t count = 0;
	uint64_t most = 0;

	head(out, n, &p);
	for (size_t i = 0; i < n->n; i++) {
		const struct node_process *x = &n->v[i];

		if (x->state != NODE_DENIED && node_fallow(x) >= MATTERS) {
			row(out, x, &p);
			continue;
		}
		count++;
		most += node_fallow(x);
	}
	left_out(out, n, count, most, &p);
}
