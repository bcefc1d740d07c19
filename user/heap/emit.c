// SPDX-License-Identifier: GPL-2.0-or-later
#include "heap/emit.h"

#include <stdarg.h>
#include <stdio.h>

int emit_end(struct emitter *em)
{
	struct extent x = em->pending;

	em->pending.start = em->pending.end = 0;
	if (x.start < x.end)
		em->answer = em->sink->extent(em->sink, &x);
	return em->answer;
}

int emit(struct emitter *em, uint32_t arena, enum extent_kind kind, uint64_t start,
	 uint64_t end)
{
	struct extent *p = &em->pending;
	struct heap_arena *a = &em->heap->arenas[arena];
	int err;

	if (start >= end)
		return 0;
	a->mapped += end - start;
	a->bytes[kind] += end - start;
	if (p->start < p->end && p->end == start && p->kind == kind &&
	    p->arena == arena && p->size == em->size) {
		p->end = end;
		return 0;
	}
	err = emit_end(em);
	*p = (struct extent){ start, end, kind, arena, em->size };
	return err;
}

uint64_t emit_class(uint64_t bytes)
{
	uint64_t step = 16;

	if (bytes > 128 && bytes <= 1ull << 62)
		step = 1ull << (61 - __builtin_clzll(bytes - 1));
	return bytes / step * step + (bytes % step ? step : 0);
}

uint64_t mixed_doubt(const struct mixed *m)
{
	uint64_t free = m->end - m->at - m->live;

	return free - free % m->page;
}

bool mixed_next(struct mixed *m, struct mixed_part *p)
{
	uint64_t share;

	if (m->at >= m->end)
		return false;
	p->start = m->at;
	p->end = m->at - m->at % m->page + m->page;
	if (p->end > m->end)
		p->end = m->end;
	share = (uint64_t)((unsigned __int128)m->live * (p->end - p->start) /
			   (m->end - m->at));
	p->mid = p->start + share;
	m->live -= share;
	m->at = p->end;
	return true;
}

int emit_unit(struct emitter *em, uint32_t arena, uint64_t start, uint64_t end)
{
	struct unit u = { start, end, arena };
	int err = emit_end(em);

	if (!err && em->sink->unit)
		em->answer = em->sink->unit(em->sink, &u);
	return em->answer;
}

void heap_incomplete(struct heap *h, const char *fmt, ...)
{
	va_list ap;

	if (h->status != HEAP_EXACT)
		return;
	h->status = HEAP_PARTIAL;
	va_start(ap, fmt);
	vsnprintf(h->reason, sizeof(h->reason), fmt, ap);
	va_end(ap);
}

void heap_absent(struct heap *h)
{
	heap_incomplete(h, "parts of the heap's records are swapped out or not resident");
}
