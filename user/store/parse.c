// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A snapshot in JSON, read back. All of it may be forged. The object is taken member by
 * member, and its regions, which may be very many, one by one, so that the memory that
 * this takes follows from what is kept, not from how much was written.
 */
#include "store/parse.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of text: of all members that are kept until the schema is known; of a region. */
#define MEMBERS_MAX ((size_t)16 << 20)
#define REGION_MAX  ((size_t)256 << 10)

#define LOAD_FLAGS (JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES)

/* What is not among these, such as verdicts, follows from what is. */
static const char *const wanted[] = {
	"schema",	   "time",	   "uptime_ns",	 "boot_id",	"host",
	"kernel",	   "source",	   "reader",	 "duration_ns", "idle_ns",
	"process",	   "ledger",	   "allocators", "keepers",	"io_uring",
	"huge_zero_bytes", "pinned_bytes", "torn_bytes", "warnings",	"beside_rss",
	"cgroup_memory"
};

struct parser {
	struct fields *f;
	const char *text;
	size_t len, at;
	json_t *members; /* those of wanted that were met */
	size_t kept; /* the bytes that they are in text */
	size_t regions; /* where these begin; 0: not met */
	const struct parse_sink *sink;
	void *arg; /* its */
	bool taken; /* it has the regions */
};

static void skip_blanks(struct parser *p)
{
	while (p->at < p->len && memchr(" \t\r\n", p->text[p->at], 4))
		p->at++;
}

/* What the next mark is, of those of which one must be there; 0 on failure. */
static char mark(struct parser *p, const char *marks)
{
	skip_blanks(p);
	if (p->at < p->len && p->text[p->at] && strchr(marks, p->text[p->at]))
		return p->text[p->at++];
	fields_fail(p->f, "no JSON object: one of %s is missing at byte %zu", marks,
		    p->at);
	return 0;
}

static bool next_is(struct parser *p, char c)
{
	skip_blanks(p);
	return p->at < p->len && p->text[p->at] == c;
}

/* The next value, of at most @max bytes; NULL on failure. */
static json_t *value(struct parser *p, size_t max)
{
	size_t left = p->len - p->at;
	json_error_t why;
	json_t *j =
		json_loadb(p->text + p->at, left < max ? left : max, LOAD_FLAGS, &why);

	if (j)
		p->at += (size_t)why.position;
	else if (left > max && json_error_code(&why) == json_error_premature_end_of_input)
		fields_fail(p->f, "a value of more than %zu KiB at byte %zu", max >> 10,
			    p->at);
	else
		fields_fail(p->f, "no JSON at byte %zu: %s", p->at + (size_t)why.position,
			    why.text);
	return j;
}

static void element(struct parser *p, bool take, size_t n)
{
	json_t *j = value(p, REGION_MAX);

	p->f->index = n + 1;
	if (j && take)
		p->sink->region(p->f, j, p->arg, n);
	json_decref(j);
}

/* Goes over the list that comes next, and gives its regions away if they are to be taken. */
static void regions(struct parser *p, bool take)
{
	size_t n = 0;

	p->f->part = "regions";
	if (!mark(p, "["))
		return;
	if (next_is(p, ']')) {
		p->at++;
	} else {
		do
			element(p, take, n++);
		while (!p->f->failed && mark(p, ",]") == ',');
	}
	p->f->part = "";
	p->f->index = 0;
}

static bool is_wanted(const char *key)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strcmp(key, wanted[i]))
			return true;
	return false;
}

static void check_schema(struct parser *p)
{
	const char *s = json_string_value(json_object_get(p->members, "schema"));

	if (!s)
		fields_fail(p->f, "no snapshot: it does not say \"schema\": \"%s\"",
			    SNAPSHOT_SCHEMA);
	else if (strcmp(s, SNAPSHOT_SCHEMA) != 0)
		fields_fail(p->f, "its schema is \"%.64s\": this fallow reads %s", s,
			    SNAPSHOT_SCHEMA);
}

/* They are taken at once if the schema is known, and else at the end. */
static void meet_regions(struct parser *p)
{
	if (p->regions)
		fields_fail(p->f, "\"regions\" twice");
	p->regions = p->at;
	p->taken = json_object_get(p->members, "schema");
	if (p->taken)
		check_schema(p);
	if (!p->f->failed)
		regions(p, p->taken);
}

static void keep(struct parser *p, const char *name, json_t *j, size_t len)
{
	if (json_object_get(p->members, name))
		fields_fail(p->f, "\"%s\" twice", name);
	if (!is_wanted(name))
		return;
	p->kept += len;
	if (json_object_set(p->members, name, j))
		fields_fail(p->f, "out of memory");
}

/* Takes the reference to @key. */
static void member(struct parser *p, json_t *key)
{
	const char *name = json_string_value(key);
	size_t begun = p->at;
	json_t *j;

	if (!name) {
		fields_fail(p->f, "a key that is no string at byte %zu", p->at);
	} else if (!strcmp(name, "regions")) {
		meet_regions(p);
	} else if ((j = value(p, MEMBERS_MAX - p->kept))) {
		keep(p, name, j, p->at - begun);
		json_decref(j);
	}
	json_decref(key);
}

static void members(struct parser *p)
{
	if (!mark(p, "{"))
		return;
	do {
		json_t *key;

		skip_blanks(p);
		key = value(p, MEMBERS_MAX - p->kept);
		if (!key || !mark(p, ":")) {
			json_decref(key);
			return;
		}
		skip_blanks(p);
		member(p, key);
	} while (!p->f->failed && mark(p, ",}") == ',');
	skip_blanks(p);
	if (p->at < p->len)
		fields_fail(p->f,
			    "more than one JSON object: something is behind it, "
			    "at byte %zu",
			    p->at);
}

static void take_regions(struct parser *p)
{
	if (!p->regions) {
		fields_fail(p->f, "\"regions\" is missing");
	} else if (!p->taken) {
		p->at = p->regions;
		regions(p, true);
	}
}

void parse_snapshot(struct fields *f, const char *text, size_t len,
		    const struct parse_sink *sink, void *arg)
{
	struct parser p = { .f = f,
			    .text = text,
			    .len = len,
			    .members = json_object(),
			    .sink = sink,
			    .arg = arg };

	if (!p.members)
		fields_fail(f, "out of memory");
	else
		members(&p);
	if (!f->failed)
		check_schema(&p);
	if (!f->failed)
		sink->members(f, p.members, arg);
	if (!f->failed)
		take_regions(&p);
	json_decref(p.members);
}
