// SPDX-License-Identifier: GPL-2.0-or-later
/* Looking up addresses in a stream of runs; see stream.h. */
#include "pages/stream.h"

bool page_stream_covers(const struct page_stream *ps, uint64_t addr)
{
	return addr < ps->end && (addr < ps->run.end || addr - ps->run.end < STREAM_FAR);
}

int page_stream_begin(struct page_stream *ps, uint64_t addr, uint64_t end,
		      struct error *e)
{
	ps->end = 0;
	if (ps->pages->ops->begin(ps->pages, ps->target, ps->vmas, addr, end, e))
		return -1;
	ps->end = end;
	ps->run = (struct page_run){ .start = addr, .end = addr };
	return 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int page_stream_at(struct page_stream *ps, uint64_t addr, uint64_t end,
		   struct page_run *piece, struct error *e)
{
	while (ps->run.end <= addr) {
		int more = ps->pages->ops->next(ps->pages, &ps->run, e);

		if (more < 0)
			return -1;
		if (!more)
			ps->run = (struct page_run){ .start = ps->end, .end = ps->end };
	}
	*piece = ps->run;
	piece->start = addr;
	piece->end = min(end, ps->run.end);
	if (addr < ps->run.start) {
		piece->state = 0;
		piece->age = 0;
		piece->end = min(end, ps->run.start);
	}
	return 0;
}

int page_stream_end(struct page_stream *ps, struct error *e)
{
	ps->end = 0;
	return ps->pages->ops->end ? ps->pages->ops->end(ps->pages, e) : 0;
}
