/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small looks at a target's memory, for those who follow pointers: what lies near a
 * place that was just looked at costs no system call.
 */
#ifndef FALLOW_PEEK_H
#define FALLOW_PEEK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "target/reader.h"

/*
 * The last places that were looked at, so that lists cost few system calls: lines of
 * what every page size is a multiple of.
 */
#define PEEK_LINES 64
#define PEEK_LINE  4096u

struct peek {
	struct reader *reader;
	uint64_t line[PEEK_LINES]; /* 0: slot is empty */
	uint8_t *data; /* PEEK_LINES lines */
	unsigned int steps; /* reads so far; bounded */
};

int peek_init(struct peek *p, struct reader *r);
void peek_free(struct peek *p);
/*
 * Copies resident memory; 0, or -errno as reader_read(). After so many calls that only
 * forged lists need them, all fail with -EFAULT.
 */
int peek_read(struct peek *p, uint64_t addr, void *buf, size_t len);

/* The next looks are new ones. */
void peek_forget(struct peek *p);

/* The PEEK_LINE that has @addr, if it is remembered; else NULL. Until the next read. */
static inline const uint8_t *peek_near(const struct peek *p, uint64_t addr)
{
	uint64_t line = addr - addr % PEEK_LINE;
	size_t slot = line / PEEK_LINE % PEEK_LINES;

	return line && p->line[slot] == line ? p->data + slot * PEEK_LINE : NULL;
}

/* Numbers at any offset of what was read. */
static inline uint64_t get64(const uint8_t *buf, size_t at)
{
	uint64_t n;

	memcpy(&n, buf + at, sizeof(n));
	return n;
}

static inline uint32_t get32(const uint8_t *buf, size_t at)
{
	uint32_t n;

	memcpy(&n, buf + at, sizeof(n));
	return n;
}

#endif
