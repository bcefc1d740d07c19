/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be said of a mapping, by name: the one table behind the columns of
 * fallow regions, their help, order and totals, and the counts of its JSON.
 */
#ifndef FALLOW_COLUMNS_H
#define FALLOW_COLUMNS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "model/snapshot.h"

#define COLUMN_COUNT   (1u << 0) /* bytes: adds up to a total, sorts biggest first */
#define COLUMN_DEFAULT (1u << 1) /* shown if nobody chose */
#define COLUMN_ALWAYS  (1u << 2) /* shown whatever was chosen */
#define COLUMN_SPLIT   (1u << 3) /* a part of the reclaimable split */

/* Room for the text of a cell, the longest name included. */
#define COLUMN_TEXT 1024

struct column {
	const char *name;
	unsigned int flags;
	size_t stat; /* a count: its offset in struct vma_stats, if number is NULL */
	/* What the column is sorted by and, if it is a count, shows. */
	uint64_t (*number)(const struct vma *v, const struct region *r);
	/* What a column that is no count shows. Returns @buf of COLUMN_TEXT bytes. */
	const char *(*text)(const struct vma *v, const struct region *r, char *buf);
	const char *about; /* half a line */
};

extern const struct column columns[];
extern const size_t ncolumns;

/* Columns in the order in which they are shown. */
struct column_list {
	const struct column *c[64];
	size_t n;
};

/* NULL if no column is named by the @len bytes at @name. */
const struct column *column_by_name(const char *name, size_t len);

/* "all", "default", or names with commas between them. */
int columns_parse(const char *arg, struct column_list *list, struct error *e);

/* Shows @c, too, before the name. */
void columns_add(struct column_list *list, const struct column *c);

/* Prints what there is. */
void columns_help(FILE *out);

/* The value of a count, maybe UNKNOWN. */
uint64_t column_count(const struct column *c, const struct vma *v,
		      const struct region *r);

/* As shown: a size, "-" if unknown, or a text. Returns @buf of COLUMN_TEXT bytes. */
const char *column_text(const struct column *c, const struct vma *v,
			const struct region *r, char *buf);

/* Less than 0 if the mapping @a comes before @b when sorted by @c. */
int column_order(const struct column *c, const struct snapshot *s, size_t a, size_t b);

#endif
