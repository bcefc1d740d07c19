// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/member.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"
#include "target/vma.h"

json_t *value_text(const char *raw)
{
	size_t size = 4 * strlen(raw) + 1;
	char *clean = malloc(size);
	json_t *j = clean ? json_string(escape_utf8(clean, size, raw)) : NULL;

	free(clean);
	return j;
}

json_t *value_number(uint64_t n)
{
	return n > INT64_MAX ? json_sprintf("%" PRIu64, n) : json_integer((json_int_t)n);
}

json_t *value_count(uint64_t n)
{
	return n == UNKNOWN ? json_null() : value_number(n);
}

json_t *value_address(uint64_t a)
{
	return json_sprintf("0x%" PRIx64, a);
}

const char *time_text(char buf[TIME_TEXT], const struct timespec *ts)
{
	struct tm tm;
	size_t n;

	gmtime_r(&ts->tv_sec, &tm);
	n = strftime(buf, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_TEXT - n, ".%03ldZ", ts->tv_nsec / 1000000);
	return buf;
}

json_t *value_time(const struct timespec *ts)
{
	char text[TIME_TEXT];

	return json_string(time_text(text, ts));
}

void value_set(json_t *o, const char *key, json_t *value, bool *ok)
{
	if (json_object_set_new(o, key, value))
		*ok = false;
}

void value_append(json_t *list, json_t *value, bool *ok)
{
	if (json_array_append_new(list, value))
		*ok = false;
}

/* Writes what the encoder made; a line break is never within a string. */
static int write_indented(const char *text, size_t len, void *arg)
{
	struct members *m = arg;
	const char *newline;

	while ((newline = memchr(text, '\n', len))) {
		size_t line = (size_t)(newline - text) + 1;

		fwrite(text, 1, line, m->out);
		fputs("  ", m->out);
		text += line;
		len -= line;
	}
	fwrite(text, 1, len, m->out);
	return ferror(m->out) ? -1 : 0;
}

static void begin(struct members *m, const char *key)
{
	const char *mark = m->n++ ? "," : "{";

	fprintf(m->out, m->one_line ? "%s\"%s\":" : "%s\n  \"%s\": ", mark, key);
}

static void encode(struct members *m, json_t *value, size_t flags)
{
	if (!value ||
	    json_dump_callback(value, write_indented, m, flags | JSON_ENCODE_ANY))
		m->failed = true;
	json_decref(value);
}

void member_write(struct members *m, const char *key, json_t *value)
{
	begin(m, key);
	encode(m, value, m->one_line ? JSON_COMPACT : JSON_INDENT(2));
}

void member_list_begin(struct members *m, const char *key)
{
	begin(m, key);
	fputc('[', m->out);
}

void member_list_add(struct members *m, size_t i, json_t *value)
{
	fprintf(m->out, "%s%s", i ? "," : "", m->one_line ? "" : "\n    ");
	encode(m, value, JSON_COMPACT);
}

void member_list_end(struct members *m)
{
	fputs(m->one_line ? "]" : "\n  ]", m->out);
}

int members_end(struct members *m)
{
	fputs(m->one_line ? "}\n" : "\n}\n", m->out);
	return fflush(m->out) || ferror(m->out) || m->failed ? -1 : 0;
}
