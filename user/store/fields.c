// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"
#include "store/record.h"

void fields_fail(struct fields *f, const char *fmt, ...)
{
	char what[256], index[32] = "";
	va_list ap;

	if (f->failed)
		return;
	f->failed = true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (f->index)
		snprintf(index, sizeof(index), "[%zu]", f->index - 1);
	error_set(f->e, EXIT_FAILED, "%s: %s%s%s%s", f->file, f->part, index,
		  f->part[0] ? ": " : "", what);
}

static const json_t *get(struct fields *f, const json_t *o, const char *key)
{
	const json_t *j = json_object_get(o, key);

	if (!j)
		fields_fail(f,
			    json_is_object(o) ? "\"%s\" is missing"
					      : "no object, so that \"%s\" is missing",
			    key);
	return j;
}

uint64_t field_number(struct fields *f, const json_t *o, const char *key, uint64_t max)
{
	const json_t *j = get(f, o, key);
	json_int_t n = json_integer_value(j);

	if (!j)
		return 0;
	if (!json_is_integer(j) || n < 0 || (uint64_t)n > max) {
		fields_fail(f, "\"%s\" is no integer from 0 to %" PRIu64, key, max);
		return 0;
	}
	return (uint64_t)n;
}

uint64_t field_known(struct fields *f, const json_t *o, const char *key)
{
	return field_number(f, o, key, RECORD_MAX);
}

uint64_t field_count(struct fields *f, const json_t *o, const char *key)
{
	return json_is_null(json_object_get(o, key)) ? UNKNOWN : field_known(f, o, key);
}

uint64_t field_maybe(struct fields *f, const json_t *o, const char *key)
{
	return json_object_get(o, key) ? field_count(f, o, key) : UNKNOWN;
}

struct timespec field_time(struct fields *f, const json_t *o, const char *key)
{
	char *s = field_text(f, o, key, false), zone = 0;
	struct timespec time = { 0 };
	struct tm tm = { 0 };
	unsigned int ms = 0;
	const char *rest = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int used = 0;

	if (rest && sscanf(rest, ".%3u%c%n", &ms, &zone, &used) == 2 && zone == 'Z' &&
	    !rest[used])
		time = (struct timespec){ timegm(&tm), (long)ms * 1000000 };
	else
		fields_fail(f, "\"%s\" is no time such as 2026-11-28T18:30:00.123Z", key);
	if (time.tv_sec < 0 || time.tv_sec >= RECORD_TIME_END)
		fields_fail(f, "\"%s\" is not in the years from 1970 to 2199", key);
	free(s);
	return time;
}

/* Decimal digits alone, of no more than 64 bits. */
static bool parse_digits(const char *s, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && !errno;
}

uint64_t field_bits(struct fields *f, const json_t *o, const char *key)
{
	const json_t *j = get(f, o, key);
	uint64_t n = (uint64_t)json_integer_value(j);

	if (j && !json_is_integer(j) &&
	    !(json_is_string(j) && parse_digits(json_string_value(j), &n)))
		fields_fail(f, "\"%s\" is no integer", key);
	return n;
}

static bool is_none(const json_t *o, const char *key)
{
	const json_t *j = json_object_get(o, key);

	return json_is_object(o) && (!j || json_is_null(j));
}

static bool parse_address(const char *s, uint64_t *n)
{
	size_t len;

	if (!s || strncmp(s, "0x", 2) != 0)
		return false;
	s += 2;
	len = strspn(s, "0123456789abcdef");
	if (!len || len > 16 || s[len])
		return false;
	*n = strtoull(s, NULL, 16);
	return true;
}

uint64_t field_address(struct fields *f, const json_t *o, const char *key, bool or_none)
{
	const json_t *j = or_none && is_none(o, key) ? NULL : get(f, o, key);
	uint64_t n = 0;

	if (j && !parse_address(json_string_value(j), &n))
		fields_fail(f, "\"%s\" is no address such as \"0x7f00\"", key);
	return n;
}

char *field_text(struct fields *f, const json_t *o, const char *key, bool or_none)
{
	const json_t *j = or_none && is_none(o, key) ? NULL : get(f, o, key);
	const char *s = json_string_value(j);
	char *copy;

	if (j && !s)
		fields_fail(f, "\"%s\" is no string", key);
	copy = strdup(s ? s : "");
	if (!copy)
		fields_fail(f, "out of memory");
	return copy;
}

char *field_clean(struct fields *f, const json_t *o, const char *key, bool or_none)
{
	char *raw = field_text(f, o, key, or_none);
	size_t size = raw ? 4 * strlen(raw) + 1 : 0;
	char *clean = raw ? malloc(size) : NULL;

	if (clean)
		escape_terminal(clean, size, raw);
	else
		fields_fail(f, "out of memory");
	free(raw);
	return clean;
}

const json_t *field_list(struct fields *f, const json_t *o, const char *key, size_t max)
{
	const json_t *j = get(f, o, key);

	if (j && !json_is_array(j))
		fields_fail(f, "\"%s\" is no list", key);
	else if (json_array_size(j) > max)
		fields_fail(f, "\"%s\" has %zu elements, of at most %zu", key,
			    json_array_size(j), max);
	return f->failed ? NULL : j;
}

const json_t *field_object(struct fields *f, const json_t *o, const char *key)
{
	const json_t *j = get(f, o, key);

	if (j && !json_is_object(j))
		fields_fail(f, "\"%s\" is no object", key);
	return f->failed ? NULL : j;
}

void *fields_array(struct fields *f, size_t n, size_t size)
{
	void *a = calloc(n ? n : 1, size);

	if (!a)
		fields_fail(f, "out of memory");
	return a;
}
