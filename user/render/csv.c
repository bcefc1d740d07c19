// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/csv.h"

#include <inttypes.h>
#include <string.h>

#include "render/escape.h"
#include "render/member.h"

void csv_header(FILE *out)
{
	fputs("time,host,pid,comm,class,resident_bytes,swapped_bytes,"
	      "pinned_bytes,huge_bytes,zero_bytes,live_bytes,stranded_bytes\n",
	      out);
}

/* Within quotes; what a spreadsheet would take for a formula is made a text. */
static void write_text(FILE *out, const char *raw)
{
	char clean[1024];

	escape_terminal(clean, sizeof(clean), raw);
	fputs(clean[0] && strchr("=+-@", clean[0]) ? "\"'" : "\"", out);
	for (const char *s = clean; *s; s++)
		fputs(*s == '"' ? "\"\"" : (const char[]){ *s, '\0' }, out);
	fputc('"', out);
}

static void write_count(FILE *out, uint64_t n)
{
	if (n == UNKNOWN)
		fputc(',', out);
	else
		fprintf(out, ",%" PRIu64, n);
}

void csv_ledger(FILE *out, const struct view *v)
{
	const struct snapshot *s = v->now;
	char time[TIME_TEXT];

	time_text(time, &s->time);
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const struct ledger_line *l = &s->ledger[c];
		bool used = c == LEDGER_HEAP_USED;

		fprintf(out, "%s,", time);
		write_text(out, s->host);
		fprintf(out, ",%d,", (int)s->process.pid);
		write_text(out, s->process.comm);
		fprintf(out, ",%s", ledger_name(c));
		write_count(out, l->resident);
		write_count(out, l->swapped);
		write_count(out, l->pinned);
		write_count(out, l->huge);
		write_count(out, l->zero);
		write_count(out, used ? s->live_bytes : UNKNOWN);
		write_count(out, used ? s->stranded_bytes : UNKNOWN);
		fputc('\n', out);
	}
}
