/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON, as the renderers write it: values, and an object that is written member by
 * member, so that its size takes no memory.
 */
#ifndef FALLOW_MEMBER_H
#define FALLOW_MEMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Each returns a new reference, or NULL when out of memory. */
json_t *value_text(const char *raw); /* what is not UTF-8 is escaped */
json_t *value_number(uint64_t n); /* past 2^63, where integers end here, in a string */
json_t *value_count(uint64_t n); /* the same; null if it is UNKNOWN */
json_t *value_address(uint64_t a); /* "0x7f00" */
json_t *value_time(const struct timespec *ts); /* as time_text() */

#define TIME_TEXT 40

/* RFC 3339, to the millisecond, UTC. Returns @buf. */
const char *time_text(char buf[TIME_TEXT], const struct timespec *ts);

/* Take the reference to @value, also on failure; *ok remembers it. */
void value_set(json_t *o, const char *key, json_t *value, bool *ok);
void value_append(json_t *list, json_t *value, bool *ok);

struct members {
	FILE *out;
	bool one_line; /* else indented */
	size_t n;
	bool failed;
};

/* Writes a member. Takes the reference to @value. */
void member_write(struct members *m, const char *key, json_t *value);

/*
 * Writes a member that is a list, an element a line, so that text tools find them:
 * one after the other, as there may be 65,000.
 */
void member_list_begin(struct members *m, const char *key);
void member_list_add(struct members *m, size_t i, json_t *value);
void member_list_end(struct members *m);

/* Ends the object. 0, or -1 if something failed: what was written then is no JSON. */
int members_end(struct members *m);

#endif
