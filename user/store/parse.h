/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A snapshot in JSON, that may be forged: whatever it is taken into, it is read here. */
#ifndef FALLOW_PARSE_H
#define FALLOW_PARSE_H

#include "store/fields.h"

#define SNAPSHOT_SCHEMA "fallow.snapshot/1"

/* Takes what was read; what is wrong with it is told by fields_fail(). */
struct parse_sink {
	/* Those of all members but the regions that anybody wants; once. */
	void (*members)(struct fields *f, const json_t *members, void *arg);
	/* The @n-th region, from 0 on; before the members, or after them. */
	void (*region)(struct fields *f, const json_t *o, void *arg, size_t n);
};

/* Gives the @len bytes at @text to @sink, with its @arg. @f has what failed. */
void parse_snapshot(struct fields *f, const char *text, size_t len,
		    const struct parse_sink *sink, void *arg);

#endif
