// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The text of diff: three tables, by class, by allocator and by region. Each ends with the
 * change of the RSS, which what is above it adds up to.
 */
#include "render/diff.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "model/size.h"
#include "render/escape.h"
#include "render/paint.h"

#define NAME_TEXT 1024

struct page {
	FILE *out;
	const struct diff *d;
	struct paint p;
};

static const char *change_text(char *buf, int64_t change)
{
	if (change == CHANGE_UNKNOWN)
		return size_format(buf, UNKNOWN);
	return size_format_change(buf, change);
}

static const char *clean(char buf[NAME_TEXT], const char *raw)
{
	return escape_terminal(buf, NAME_TEXT, raw);
}

/* The first and the last of a sorted list are shown; what is between is "others". */
struct cut {
	size_t grown, shrunk; /* how many are shown */
	size_t others;
};

#define GROWN  16
#define SHRUNK 8

/* @grown and @shrunk: how many there are. */
static struct cut cut(size_t n, size_t grown, size_t shrunk)
{
	struct cut c = { grown < GROWN ? grown : GROWN, shrunk < SHRUNK ? shrunk : SHRUNK,
			 0 };

	c.others = n - c.grown - c.shrunk;
	return c;
}

static void date_text(char buf[32], const struct timespec *ts)
{
	struct tm tm;

	gmtime_r(&ts->tv_sec, &tm);
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

/* One word where both looks have the same, both else. */
static void put_both(const struct page *p, const char *a, const char *b)
{
	char text[NAME_TEXT];

	fprintf(p->out, "%s", clean(text, a));
	if (strcmp(a, b) != 0)
		fprintf(p->out, ", then %s", clean(text, b));
}

static void put_times(const struct page *p)
{
	const struct diff *d = p->d;
	char a[32], b[32];

	date_text(a, &d->before->time);
	date_text(b, &d->now->time);
	fprintf(p->out, "  from %s to %s UTC", a, b);
	if (d->ordered)
		fprintf(p->out, ", %.1f s", (double)d->interval_ns / 1e9);
	fprintf(p->out, ", on ");
	put_both(p, d->before->host, d->now->host);
	fprintf(p->out, " (");
	put_both(p, d->before->source, d->now->source);
	fprintf(p->out, ")\n");
}

static void put_origins(const struct page *p)
{
	const struct diff *d = p->d;
	char text[NAME_TEXT];

	if (!d->same_host)
		fprintf(p->out, "  %sanother host%s\n", p->p.warn, p->p.off);
	if (!d->same_process && d->before->pid == d->now->pid && d->same_host)
		fprintf(p->out,
			"  %sanother process%s of the same pid, which was started at "
			"another time\n",
			p->p.warn, p->p.off);
	else if (!d->same_process)
		fprintf(p->out, "  %sanother process%s: before it was %s, pid %d\n",
			p->p.warn, p->p.off, clean(text, d->before->comm),
			(int)d->before->pid);
	else if (strcmp(d->before->comm, d->now->comm) != 0)
		fprintf(p->out, "  before it was called %s\n",
			clean(text, d->before->comm));
	if (!d->ordered)
		fprintf(p->out,
			"  %sthe first look was not taken before the second%s: there are "
			"no rates\n",
			p->p.warn, p->p.off);
	if (strcmp(d->before->source, d->now->source) != 0)
		fprintf(p->out, "  what one source cannot tell, the other may\n");
}

static void put_header(const struct page *p)
{
	const struct record *a = p->d->before, *b = p->d->now;
	int64_t change = change_of(a->rss, b->rss);
	char name[NAME_TEXT], x[SIZE_TEXT], y[SIZE_TEXT], z[SIZE_TEXT];

	fprintf(p->out, "%s%s%s  pid %d  RSS %s -> %s%s%s  %s", p->p.bold,
		clean(name, b->comm), p->p.off, (int)b->pid, size_format(x, a->rss),
		p->p.bold, size_format(y, b->rss), p->p.off, change_text(z, change));
	if (p->d->rates)
		fprintf(p->out, "  %s/min", change_text(z, diff_rate(p->d, change)));
	if (a->swap || b->swap)
		fprintf(p->out, "  swapped %s -> %s", size_format(x, a->swap),
			size_format(y, b->swap));
	fputc('\n', p->out);
	put_times(p);
	put_origins(p);
}

static void put_line(const struct page *p, const char *name, const uint64_t resident[2],
		     const uint64_t swapped[2])
{
	int64_t change = change_of(resident[0], resident[1]);
	char text[SIZE_TEXT];

	fprintf(p->out, "  %-15s%13s", name, size_format(text, resident[0]));
	fprintf(p->out, "%13s", size_format(text, resident[1]));
	fprintf(p->out, "%13s", change_text(text, change));
	if (p->d->rates)
		fprintf(p->out, "%13s/min", change_text(text, diff_rate(p->d, change)));
	if (p->d->before->swap || p->d->now->swap)
		fprintf(p->out, "%13s",
			change_text(text, change_of(swapped[0], swapped[1])));
	fputc('\n', p->out);
}

static void put_ledger(const struct page *p)
{
	const struct record *a = p->d->before, *b = p->d->now;
	const uint64_t rss[] = { a->rss, b->rss }, swap[] = { a->swap, b->swap };

	fprintf(p->out, "\n  %s%-15s%13s%13s%13s", p->p.dim, "class", "before", "now",
		"change");
	if (p->d->rates)
		fprintf(p->out, "%17s", "rate");
	if (a->swap || b->swap)
		fprintf(p->out, "%13s", "swapped");
	fprintf(p->out, "%s\n", p->p.off);
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const uint64_t resident[] = { a->resident[c], b->resident[c] };
		const uint64_t swapped[] = { a->swapped[c], b->swapped[c] };

		if (resident[0] || resident[1] || swapped[0] || swapped[1])
			put_line(p, ledger_name(c), resident, swapped);
	}
	put_line(p, "RSS", rss, swap);
}

static void put_counts(const struct page *p, const char *name,
		       const int64_t change[RECORD_COUNTS])
{
	char text[SIZE_TEXT];

	fprintf(p->out, "  %-26s", name);
	for (int c = 0; c < RECORD_COUNTS; c++)
		fprintf(p->out, "%13s", change_text(text, change[c]));
	fputc('\n', p->out);
}

static void put_resident(const struct page *p, const char *name, int64_t change)
{
	char text[SIZE_TEXT];

	fprintf(p->out, "  %-26s%13s\n", name, change_text(text, change));
}

static void put_arena(const struct page *p, const struct diff_arena *a)
{
	const struct record_arena *known = a->now ? a->now : a->before;
	const char *news = !a->before ? "new " : !a->now ? "gone " : "";
	int64_t change[RECORD_COUNTS];
	char name[NAME_TEXT], kind[NAME_TEXT];

	for (int c = 0; c < RECORD_COUNTS; c++)
		change[c] = diff_arena_change(a, c);
	if (known->address)
		snprintf(name, sizeof(name), "  %s%s %" PRIx64, news,
			 clean(kind, known->kind), known->address);
	else
		snprintf(name, sizeof(name), "  %s%s", news, clean(kind, known->kind));
	put_counts(p, name, change);
}

static void put_other_arenas(const struct page *p, const struct diff_heap *h,
			     const struct cut *c)
{
	int64_t change[RECORD_COUNTS] = { 0 };
	char name[64];

	if (!c->others)
		return;
	for (size_t i = 0; i < c->others; i++)
		for (int k = 0; k < RECORD_COUNTS; k++)
			change[k] += diff_arena_change(&h->arenas[c->grown + i], k);
	snprintf(name, sizeof(name), "  %zu other%s", c->others,
		 c->others == 1 ? "" : "s");
	put_counts(p, name, change);
}

static void put_arenas(const struct page *p, const struct diff_heap *h)
{
	size_t n = h->narenas, grown = 0, shrunk = 0;
	struct cut c;

	while (grown < n && h->arenas[grown].change > 0)
		grown++;
	while (shrunk < n - grown && h->arenas[n - 1 - shrunk].change < 0)
		shrunk++;
	c = cut(n, grown, shrunk);
	for (size_t i = 0; i < c.grown; i++)
		put_arena(p, &h->arenas[i]);
	for (size_t i = 0; i < c.shrunk; i++)
		put_arena(p, &h->arenas[n - 1 - i]);
	put_other_arenas(p, h, &c);
}

static void setting_text(char buf[SIZE_TEXT], const struct record_setting *s)
{
	if (!s)
		snprintf(buf, SIZE_TEXT, "unset");
	else if (s->is_bytes && s->value >= 0)
		size_format(buf, (uint64_t)s->value);
	else
		snprintf(buf, SIZE_TEXT, "%" PRId64, s->value);
}

static void put_settings(const struct page *p, const struct diff_heap *h)
{
	char name[NAME_TEXT], was[SIZE_TEXT], is[SIZE_TEXT];

	for (size_t i = 0; i < h->nsettings; i++) {
		const struct diff_setting *s = &h->settings[i];

		setting_text(was, s->before);
		setting_text(is, s->now);
		fprintf(p->out, "    setting %s was %s, is %s\n",
			clean(name, (s->now ? s->now : s->before)->name), was, is);
	}
}

/* What keeps the numbers of one look from being exact. */
static void put_doubt(const struct page *p, const struct record_heap *h, const char *when)
{
	char text[NAME_TEXT];

	if (h && h->status != HEAP_EXACT)
		fprintf(p->out, "    %s: %s%s%s\n", when, heap_status_name(h->status),
			h->reason[0] ? ", " : "", clean(text, h->reason));
	if (h && h->quick)
		fprintf(p->out,
			"    %s: a quick look, which does not tell all that is "
			"free\n",
			when);
}

static void put_heap(const struct page *p, const struct diff_heap *h)
{
	const struct record_heap *known = h->now ? h->now : h->before;
	const char *news = !h->before ? "new " : !h->now ? "gone " : "";
	char text[NAME_TEXT], version[NAME_TEXT], name[2 * NAME_TEXT + 8];
	int64_t change[RECORD_COUNTS];

	for (int c = 0; c < RECORD_COUNTS; c++)
		change[c] = diff_heap_change(h, c);
	snprintf(name, sizeof(name), "%s%s %s", news, clean(text, known->name),
		 clean(version, known->version));
	put_counts(p, name, change);
	put_arenas(p, h);
	put_settings(p, h);
	put_doubt(p, h->before, "before");
	put_doubt(p, h->now, "now");
}

static void put_heaps(const struct page *p)
{
	const struct diff *d = p->d;

	if (!d->nheaps)
		return;
	fprintf(p->out, "\n  %s%-26s%13s%13s%13s%13s%13s%13s%s\n", p->p.dim,
		"change by allocator", "resident", "live", "free", "stranded",
		"returnable", "fallow", p->p.off);
	for (size_t i = 0; i < d->nheaps; i++)
		put_heap(p, &d->heaps[i]);
	put_resident(p, "no allocator", change_of(d->outside_before, d->outside_now));
	put_resident(p, "RSS", change_of(d->before->rss, d->now->rss));
}

static void put_region(const struct page *p, const struct match *m)
{
	const struct match_side *s = m->now.n ? &m->now : &m->before;
	char range[40], a[SIZE_TEXT], b[SIZE_TEXT], name[NAME_TEXT], owner[NAME_TEXT];

	snprintf(range, sizeof(range), "%012" PRIx64 "-%012" PRIx64, s->first->start,
		 s->end);
	fprintf(p->out, "  %-25s %s%13s%13s  %-6s  %s%s%s", range, s->first->perms,
		change_text(a, m->change), size_format(b, m->now.resident),
		match_name(m->kind), clean(owner, s->first->owner),
		s->first->owner[0] && s->first->name[0] ? " " : "",
		clean(name, s->first->name));
	if (m->kind == MATCH_MOVED)
		fprintf(p->out, " (was at %" PRIx64 ")", m->before.first->start);
	if (m->kind == MATCH_SPLIT || m->kind == MATCH_MERGED)
		fprintf(p->out, " (%zu, were %zu)", m->now.n, m->before.n);
	fputc('\n', p->out);
}

/* "others" of regions, with how many of them are new, gone or moved. */
static void put_other_regions(const struct page *p, const struct cut *c)
{
	static const enum match_kind told[] = { MATCH_NEW, MATCH_GONE, MATCH_MOVED };
	size_t kinds[MATCH_KINDS] = { 0 };
	uint64_t resident = 0;
	int64_t change = 0;
	char a[SIZE_TEXT], b[SIZE_TEXT], name[64];

	if (!c->others)
		return;
	for (size_t i = 0; i < c->others; i++) {
		const struct match *m = &p->d->regions[c->grown + i];

		change += m->change;
		resident += m->now.resident;
		kinds[m->kind]++;
	}
	snprintf(name, sizeof(name), "%zu other%s", c->others, c->others == 1 ? "" : "s");
	fprintf(p->out, "  %-30s%13s%13s", name, change_text(a, change),
		size_format(b, resident));
	for (size_t i = 0, n = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (kinds[told[i]])
			fprintf(p->out, "%s%zu %s", n++ ? ", " : "  ", kinds[told[i]],
				match_name(told[i]));
	fputc('\n', p->out);
}

static void put_regions(const struct page *p)
{
	const struct diff *d = p->d;
	size_t n = d->nregions, grown = 0, shrunk = 0;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct cut c;

	while (grown < n && d->regions[grown].change > 0)
		grown++;
	while (shrunk < n - grown && d->regions[n - 1 - shrunk].change < 0)
		shrunk++;
	c = cut(n, grown, shrunk);
	fprintf(p->out, "\n  %s%-30s%13s%13s  %s%s\n", p->p.dim, "region", "change",
		"resident", "what    owner, name", p->p.off);
	for (size_t i = 0; i < c.grown; i++)
		put_region(p, &d->regions[i]);
	for (size_t i = 0; i < c.shrunk; i++)
		put_region(p, &d->regions[n - 1 - i]);
	put_other_regions(p, &c);
	fprintf(p->out, "  %-30s%13s%13s\n", "RSS",
		change_text(a, change_of(d->before->rss, d->now->rss)),
		size_format(b, d->now->rss));
}

static void put_torn(const struct page *p, const struct record *r, const char *when)
{
	char size[SIZE_TEXT];

	if (r->torn)
		fprintf(p->out, "  %s: %s changed while it was looked at (torn)\n", when,
			size_format(size, r->torn));
}

static bool has_note(const struct record *r, const char *note)
{
	for (size_t i = 0; i < r->nwarnings; i++)
		if (!strcmp(r->warnings[i], note))
			return true;
	return false;
}

/* The notes of @r that are @other's as well, or those that are not. */
static void put_notes(const struct page *p, const struct record *r,
		      const struct record *other, const char *when, bool both)
{
	char text[NAME_TEXT];

	for (size_t i = 0; i < r->nwarnings; i++)
		if (has_note(other, r->warnings[i]) == both)
			fprintf(p->out, "  %snote: %s\n", when,
				clean(text, r->warnings[i]));
}

static void put_footer(const struct page *p)
{
	const struct record *a = p->d->before, *b = p->d->now;

	if (a->torn || b->torn || a->nwarnings || b->nwarnings)
		fputc('\n', p->out);
	put_torn(p, a, "before");
	put_torn(p, b, "now");
	put_notes(p, b, a, "", true);
	put_notes(p, a, b, "before: ", false);
	put_notes(p, b, a, "now: ", false);
}

void text_diff(FILE *out, const struct diff *d, bool colour)
{
	struct page p = { out, d, paint(colour) };

	put_header(&p);
	put_ledger(&p);
	put_heaps(&p);
	put_regions(&p);
	put_footer(&p);
}
