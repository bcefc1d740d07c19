// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/html.h"

#include <string.h>

#include "render/html_assets.h"
#include "render/member.h"

static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
	"<title>fallow</title>\n"
	"<style>\n";

static const char body[] =
	"</style>\n"
	"<noscript>This page draws by JavaScript; the figures are in its source, as "
	"JSON.</noscript>\n"
	"<main id=\"page\"></main>\n"
	"<script type=\"application/json\" id=\"looks\">[";

static const char between[] =
	"]</script>\n<script type=\"application/json\" id=\"snapshot\">";

/*
 * JSON has "<" within strings alone, where it may be written otherwise: nothing that a
 * target is called ends the element, or begins another.
 */
static ssize_t write_data(void *cookie, const char *text, size_t len)
{
	FILE *out = cookie;

	for (size_t done = 0; done < len;) {
		const char *from = text + done;
		const char *lt = memchr(from, '<', len - done);
		size_t n = lt ? (size_t)(lt - from) : len - done;

		if (fwrite(from, 1, n, out) != n || (lt && fputs("\\u003c", out) < 0))
			return 0; /* for stdio, an error */
		done += n + (lt != NULL);
	}
	return (ssize_t)len;
}

static int write_asset(FILE *out, const struct html_asset *a)
{
	size_t n = (size_t)(a->end - a->start);

	return fwrite(a->start, 1, n, out) == n ? 0 : -1;
}

void html_cancel(struct html *h)
{
	if (h->data)
		fclose(h->data);
	h->data = NULL;
}

static int give_up(struct html *h)
{
	html_cancel(h);
	return -1;
}

int html_begin(struct html *h, FILE *out)
{
	static const cookie_io_functions_t io = { .write = write_data };

	*h = (struct html){ .out = out, .data = fopencookie(out, "w", io) };
	if (!h->data || fputs(head, out) < 0 || write_asset(out, &html_style) ||
	    fputs(body, out) < 0)
		return give_up(h);
	return 0;
}

/* [milliseconds, RSS, swap, live, stranded, [resident by class]], on a line: see page.js. */
int html_row(struct html *h, const struct moment *m)
{
	static const enum quantity first[] = { QUANTITY_RSS, QUANTITY_SWAP, QUANTITY_LIVE,
					       QUANTITY_STRANDED };
	json_t *row = json_array(), *classes = json_array();
	bool ok = row && classes;
	int err;

	value_append(row,
		     json_integer((json_int_t)m->time.tv_sec * 1000 +
				  m->time.tv_nsec / 1000000),
		     &ok);
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		value_append(row, value_count(m->value[first[i]]), &ok);
	for (int c = 0; c < LEDGER_CLASSES; c++)
		value_append(classes, value_count(m->value[c]), &ok);
	value_append(row, classes, &ok);
	err = !ok || fputs(h->looks++ ? ",\n" : "\n", h->data) < 0 ||
	      json_dumpf(row, h->data, JSON_COMPACT);
	json_decref(row);
	return err ? give_up(h) : 0;
}

int html_end(struct html *h, const struct view *v)
{
	int err = fflush(h->data) || fputs(between, h->out) < 0 ||
		  json_snapshot(h->data, v, true);

	if (fclose(h->data))
		err = -1;
	h->data = NULL;
	if (err || fputs("</script>\n<script>\n/*\n", h->out) < 0 ||
	    write_asset(h->out, &html_d3_licence) || fputs("*/\n", h->out) < 0 ||
	    write_asset(h->out, &html_d3) || fputs("</script>\n<script>\n", h->out) < 0 ||
	    write_asset(h->out, &html_script) ||
	    fputs("</script>\n</html>\n", h->out) < 0)
		return -1;
	return 0;
}
