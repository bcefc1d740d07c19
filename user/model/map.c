// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/map.h"

#include <stdbool.h>
#include <stdlib.h>

static bool shown(const struct vma *v)
{
	return v->st.rss && v->st.rss != UNKNOWN;
}

/* Bytes of address space that are shown. */
static uint64_t lay_out(struct map *m, const struct vma_list *vmas)
{
	uint64_t at = 0;

	for (size_t i = 0; i < vmas->n; i++) {
		const struct vma *v = &vmas->v[i];

		m->part_of[i] = SIZE_MAX;
		if (!shown(v))
			continue;
		m->part_of[i] = m->nparts;
		m->parts[m->nparts++] = (struct map_part){ v->start, at };
		at += v->end - v->start;
	}
	return at;
}

struct map *map_new(const struct vma_list *vmas, uint64_t page)
{
	struct map *m = calloc(1, sizeof(*m));
	uint64_t total;

	if (!m)
		return NULL;
	m->parts = calloc(vmas->n + 1, sizeof(*m->parts));
	m->part_of = calloc(vmas->n + 1, sizeof(*m->part_of));
	if (!m->parts || !m->part_of) {
		map_free(m);
		return NULL;
	}
	total = lay_out(m, vmas);
	m->cell = (total / MAP_CELLS / page + 1) * page;
	m->ncells = (size_t)((total + m->cell - 1) / m->cell);
	m->cells = calloc(m->ncells + 1, sizeof(*m->cells));
	if (!m->cells) {
		map_free(m);
		return NULL;
	}
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->parts);
	free(m->part_of);
	free(m->cells);
	free(m);
}

static void add_to(struct map_cell *to, enum ledger_class c, uint8_t age, uint64_t bytes)
{
	to->resident[c] += bytes;
	if (!age)
		to->idle_unknown += bytes;
	else if (age > 1)
		to->idle += bytes;
}

void map_add(struct map *m, size_t vma, enum ledger_class c, const struct page_run *run)
{
	const struct map_part *p;
	uint64_t at, left = run->end - run->start;

	/* What was not resident when the mappings were counted may be by now. */
	if (m->part_of[vma] == SIZE_MAX)
		return;
	p = &m->parts[m->part_of[vma]];
	at = p->at + (run->start - p->start);
	while (left && at / m->cell < m->ncells) {
		uint64_t bytes = m->cell - at % m->cell;

		if (bytes > left)
			bytes = left;
		add_to(&m->cells[at / m->cell], c, run->age, bytes);
		at += bytes;
		left -= bytes;
	}
}

struct map_cell map_sum(const struct map *m, size_t first, size_t n)
{
	struct map_cell sum = { .idle = 0 };

	for (size_t i = first; i < first + n && i < m->ncells; i++) {
		for (int c = 0; c < LEDGER_CLASSES; c++)
			sum.resident[c] += m->cells[i].resident[c];
		sum.idle += m->cells[i].idle;
		sum.idle_unknown += m->cells[i].idle_unknown;
	}
	return sum;
}

uint64_t map_address(const struct map *m, size_t cell)
{
	uint64_t at = (uint64_t)cell * m->cell;
	size_t lo = 0, hi = m->nparts;

	/* The last part that begins at or below it. */
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->parts[mid].at <= at)
			lo = mid;
		else
			hi = mid;
	}
	return m->nparts ? m->parts[lo].start + (at - m->parts[lo].at) : 0;
}
