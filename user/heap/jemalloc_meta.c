// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks that jemalloc has its own records in (base.c): aligned to a huge page,
 * and each begins with its size, the next one, and a record of its unused end.
 */
#include "heap/jemalloc.h"

#include <errno.h>
#include <stdlib.h>

/* base_structs.h, base.h: struct base_block_s. */
#define HEAD	    64u
#define HEAD_SIZE   0u
#define HEAD_NEXT   8u
#define HEAD_RECORD 16u

#define BATCH	   256u
#define PLACES_MAX (1u << 20) /* places that are looked at: 2 TiB of mappings */

struct block_scan {
	struct jemalloc *j;
	uint64_t place[BATCH];
	size_t n;
	size_t looked;
};

/* What is unused reaches to the block's end, and belongs to no arena. */
static bool head_holds(const struct jemalloc *j, uint64_t start, const uint8_t *head,
		       struct block *b)
{
	uint64_t size = get64(head, HEAD_SIZE), next = get64(head, HEAD_NEXT);
	uint64_t used = get64(head, HEAD_RECORD + RECORD_ADDR);
	uint64_t unused = get64(head, HEAD_RECORD + RECORD_EXTENT);
	uint64_t arena = get64(head, HEAD_RECORD) & (JE_ARENAS - 1);

	*b = (struct block){ start, start + size, used, JE_ARENAS };
	return size && size % JE_HUGEPAGE == 0 && next % JE_HUGEPAGE == 0 &&
	       arena == JE_ARENAS - 1 && used > start && unused < size &&
	       used + unused == start + size && (!next || je_mapped(j, next)) &&
	       je_mapped_all(j, start, start + size);
}

static int look_at_places(struct block_scan *s)
{
	struct jemalloc *j = s->j;
	uint8_t head[BATCH][HEAD], ok[BATCH];
	int err = reader_gather(&j->src->target->reader, s->place, s->n, HEAD, head, ok);

	for (size_t i = 0; !err && i < s->n; i++) {
		uint64_t end = j->nblocks ? j->blocks[j->nblocks - 1].end : 0;
		struct block b;

		if (!ok[i] || s->place[i] < end ||
		    !head_holds(j, s->place[i], head[i], &b))
			continue;
		if (!grow(&j->blocks, &j->blocks_cap, j->nblocks, sizeof(b)))
			return -ENOMEM;
		j->blocks[j->nblocks++] = b;
	}
	s->n = 0;
	return err;
}

static int look_through(struct block_scan *s, const struct vma *v)
{
	uint64_t at = (v->start + JE_HUGEPAGE - 1) / JE_HUGEPAGE * JE_HUGEPAGE;
	int err = 0;

	for (; !err && at < v->end && s->looked < PLACES_MAX; at += JE_HUGEPAGE) {
		s->place[s->n++] = at;
		s->looked++;
		if (s->n == BATCH)
			err = look_at_places(s);
	}
	return err;
}

int je_find_blocks(struct jemalloc *j)
{
	const struct vma_list *l = j->src->vmas;
	struct block_scan s = { .j = j };
	int err = 0;

	for (size_t i = 0; !err && i < l->n; i++)
		if (vma_is_anon(&l->v[i]) && l->v[i].st.rss)
			err = look_through(&s, &l->v[i]);
	return err ? err : look_at_places(&s);
}

struct block *je_block_of(const struct jemalloc *j, uint64_t addr)
{
	for (size_t lo = 0, hi = j->nblocks; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->blocks[mid].end <= addr)
			lo = mid + 1;
		else if (j->blocks[mid].start > addr)
			hi = mid;
		else
			return &j->blocks[mid];
	}
	return NULL;
}
