/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is taken out of a JSON object that nobody vouches for: each look at a field checks
 * its type and bounds. The first thing that is wrong is kept, and what comes after it is
 * worth nothing.
 */
#ifndef FALLOW_FIELDS_H
#define FALLOW_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "error.h"

struct fields {
	const char *file; /* its name, for the error */
	const char *part; /* "regions", and the index in that: "" and 0 for none */
	size_t index;
	struct error *e;
	bool failed;
};

/* Remembers what is wrong, if it is the first thing. */
void fields_fail(struct fields *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* An integer from 0 up to @max. */
uint64_t field_number(struct fields *f, const json_t *o, const char *key, uint64_t max);

/* A count of bytes, up to RECORD_MAX; the second also takes null, as UNKNOWN. */
uint64_t field_known(struct fields *f, const json_t *o, const char *key);
uint64_t field_count(struct fields *f, const json_t *o, const char *key);

/* The same, and UNKNOWN if it is not there at all: what not every fallow has written. */
uint64_t field_maybe(struct fields *f, const json_t *o, const char *key);

/* "2026-11-28T18:30:00.123Z", in the years from 1970 to 2199. */
struct timespec field_time(struct fields *f, const json_t *o, const char *key);

/* Any integer, as 64 bits: in a string, too, or negative, as files of old have it. */
uint64_t field_bits(struct fields *f, const json_t *o, const char *key);

/* "0x7f00"; with @or_none, null is 0. */
uint64_t field_address(struct fields *f, const json_t *o, const char *key, bool or_none);

/* A string, to be freed by the caller; with @or_none, null or nothing at all is "". */
char *field_text(struct fields *f, const json_t *o, const char *key, bool or_none);

/* A string as escape_terminal() has it, to be freed: it is shown as it is. */
char *field_clean(struct fields *f, const json_t *o, const char *key, bool or_none);

/* An array of at most @max elements; NULL on failure. */
const json_t *field_list(struct fields *f, const json_t *o, const char *key, size_t max);

/* NULL on failure. */
const json_t *field_object(struct fields *f, const json_t *o, const char *key);

/* calloc() that takes 0. */
void *fields_array(struct fields *f, size_t n, size_t size);

#endif
