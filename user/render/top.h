/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows the processes of a machine, ranked by their fallow memory. */
#ifndef FALLOW_TOP_H
#define FALLOW_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "model/node.h"
#include "model/size.h"

/* A table of those that may matter, and what is left out. */
void text_top(FILE *out, const struct node *n, bool colour);

/* One object, schema fallow.top/1. 0, or -1: what was written then is no JSON. */
int json_top(FILE *out, const struct node *n);

/* Room for the text of a cell. */
#define TOP_TEXT 96

/*
 * What is known of a process, for a cell of a table; each returns @buf of TOP_TEXT. @brief:
 * for narrow tables.
 */
const char *top_fallow(char *buf, const struct node_process *p, bool brief);
const char *top_returnable(char *buf, const struct node_process *p);
const char *top_growth(char *buf, const struct node_process *p); /* "+1.0 MiB/min" */
const char *top_verdict(char *buf, const struct node_process *p, bool brief);

/* How many were looked at, and how many were not and why. */
const char *top_summary(char *buf, size_t size, const struct node *n);

/* How much those have together that were not looked at, at most. */
uint64_t top_unseen(const struct node *n, size_t *count);

#endif
