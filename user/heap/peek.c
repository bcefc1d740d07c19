// SPDX-License-Identifier: GPL-2.0-or-later
/* Small looks at the target's memory through a few remembered lines. */
#include "heap/peek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PEEK_BUDGET (16u << 20) /* steps in all, lest forged lists go on for ever */
#define AHEAD	    (64u << 10) /* a multiple of all page sizes, and a window of them */

int peek_init(struct peek *p, struct reader *r)
{
	*p = (struct peek){ .reader = r, .data = malloc(PEEK_LINES * PEEK_LINE) };
	return p->data ? 0 : -ENOMEM;
}

void peek_free(struct peek *p)
{
	free(p->data);
	p->data = NULL;
}

void peek_forget(struct peek *p)
{
	memset(p->line, 0, sizeof(p->line));
}

static bool has_line(const struct peek *p, uint64_t line)
{
	return p->line[line / PEEK_LINE % PEEK_LINES] == line;
}

/* Lists often go on in neighbouring pages: then all of the window is read at once. */
static void look_ahead(struct peek *p, uint64_t line)
{
	uint8_t present[AHEAD / PEEK_LINE];
	uint64_t start = line - line % AHEAD;
	size_t first = start / PEEK_LINE % PEEK_LINES; /* slots are in a row, too */

	if (!has_line(p, line + PEEK_LINE) && !has_line(p, line - PEEK_LINE))
		return;
	memset(p->line + first, 0, AHEAD / PEEK_LINE * sizeof(p->line[0]));
	if (reader_window(p->reader, start, AHEAD, p->data + first * PEEK_LINE,
			  present) <= 0)
		return;
	for (uint64_t at = 0; at < AHEAD; at += PEEK_LINE)
		if (page_is_resident(present[at / p->reader->page_size]))
			p->line[first + at / PEEK_LINE] = start + at;
}

static int peek_line(struct peek *p, uint64_t line, const uint8_t **data)
{
	size_t slot = line / PEEK_LINE % PEEK_LINES;
	uint8_t *to = p->data + slot * PEEK_LINE;

	if (p->line[slot] != line)
		look_ahead(p, line);
	if (p->line[slot] != line) {
		int err;

		p->line[slot] = 0;
		err = reader_read(p->reader, line, to, PEEK_LINE);
		if (err)
			return err;
		p->line[slot] = line;
	}
	*data = to;
	return 0;
}

int peek_read(struct peek *p, uint64_t addr, void *buf, size_t len)
{
	if (addr < PEEK_LINE || addr + len < addr)
		return -EFAULT;
	if (++p->steps > PEEK_BUDGET)
		return -EFAULT;
	while (len) {
		size_t at = addr % PEEK_LINE;
		size_t n = len < PEEK_LINE - at ? len : PEEK_LINE - at;
		const uint8_t *data;
		int err = peek_line(p, addr - at, &data);

		if (err)
			return err;
		memcpy(buf, data + at, n);
		buf = (uint8_t *)buf + n;
		addr += n;
		len -= n;
	}
	return 0;
}
