// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mimalloc: finds which version's layout holds, and tells of its segments or arenas in
 * address order. Foretold is mi_collect(true) as far as it does not matter which thread
 * calls: what is free in a running thread's own heap only that thread gives back.
 */
#include "heap/mimalloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/decoder.h"

#define WHOSE "mimalloc's"

#define LOOKS_MIN    (1u << 20)
#define LOOKS_A_PAGE 32u

bool mi_mapped(const struct mimalloc *m, uint64_t start, uint64_t end)
{
	const struct vma_list *l = m->src->vmas;
	const struct vma *v = vma_find(l, start);

	if (end <= start)
		return false;
	while (v && vma_is_anon(v) && v->end < end) {
		const struct vma *next = v + 1 < l->v + l->n ? v + 1 : NULL;

		v = next && next->start == v->end ? next : NULL;
	}
	return v && vma_is_anon(v);
}

int mi_read(struct mimalloc *m, uint64_t addr, void *buf, size_t len)
{
	const struct vma_list *l = m->src->vmas;

	if (addr + len < addr || !vma_find(l, addr) || !vma_find(l, addr + len - 1))
		return -EFAULT;
	return reader_read(&m->src->target->reader, addr, buf, len);
}

int mi_read_sparse(struct mimalloc *m, uint64_t addr, void *buf, size_t len)
{
	struct reader *r = &m->src->target->reader;
	uint64_t at = addr - addr % r->page_size, end = addr + len;
	uint8_t present[READER_WINDOW_PAGES];

	if (!mi_mapped(m, addr, end))
		return -EFAULT;
	for (uint64_t n; at < end; at += n) {
		uint64_t from = at < addr ? addr : at, to;
		ssize_t got;

		n = (end - at + r->page_size - 1) / r->page_size * r->page_size;
		n = n < READER_WINDOW ? n : READER_WINDOW;
		to = at + n < end ? at + n : end;
		got = reader_window(r, at, n, m->data, present);
		if (got < 0)
			return (int)got;
		if (memchr(present, PAGE_SWAPPED, n / r->page_size))
			return -ENODATA;
		memcpy((uint8_t *)buf + (from - addr), m->data + (from - at), to - from);
	}
	return 0;
}

int mi_tell(struct mimalloc *m, enum extent_kind kind, uint64_t start, uint64_t end)
{
	if (start < m->at)
		start = m->at;
	if (start >= end)
		return 0;
	m->at = end;
	return emit(&m->out, 0, kind, start, end);
}

int mi_tell_unread(struct mimalloc *m, int err, uint64_t start, uint64_t end)
{
	if (err == -ESRCH || err == -ENOMEM)
		return err;
	if (err == -ENODATA) {
		heap_absent(m->heap);
	} else if (err == -EFBIG) {
		heap_incomplete(m->heap, "there are more records than memory could have");
	} else {
		m->heap->torn += end - start;
		heap_incomplete(m->heap, "the heap changed while it was read");
	}
	return mi_tell(m, EXTENT_UNREAD, start, end);
}

int mi_spend(struct mimalloc *m, uint32_t n)
{
	if (m->budget < n)
		return -EFBIG;
	m->budget -= n;
	return 0;
}

/*
 * Of a true heap each record and each block that was cut is on a page that is resident
 * or swapped, and is looked at a few times.
 */
static void fill_budget(struct mimalloc *m)
{
	const struct vma_list *l = m->src->vmas;

	m->budget = LOOKS_MIN;
	for (size_t i = 0; i < l->n; i++)
		if (vma_is_anon(&l->v[i]))
			m->budget += l->v[i].st.rss / PEEK_LINE * LOOKS_A_PAGE;
}

int mi_add_piece(struct mimalloc *m, const struct mi_piece *p)
{
	if (!grow(&m->pieces, &m->pieces_cap, m->npieces, sizeof(*p)))
		return -ENOMEM;
	m->pieces[m->npieces++] = *p;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct mi_piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

void mi_sort_pieces(struct mimalloc *m)
{
	size_t n = 0;

	if (m->npieces)
		qsort(m->pieces, m->npieces, sizeof(*m->pieces), by_start);
	for (size_t i = 0; i < m->npieces; i++)
		if (!n || m->pieces[i].start >= m->pieces[n - 1].end)
			m->pieces[n++] = m->pieces[i];
	m->npieces = n;
}

static int walk_piece(struct mimalloc *m, const struct mi_piece *p)
{
	switch (p->kind) {
	case MI_PIECE_SEGMENT:
		return mi_walk_segment(m, p);
	case MI_PIECE_ARENA:
		return mi_walk_arena(m, p);
	case MI_PIECE_PAGE:
		return mi_walk_lone_page(m, p);
	case MI_PIECE_META:
		break;
	}
	return mi_tell(m, EXTENT_META, p->start, p->end);
}

static int walk_all(struct mimalloc *m)
{
	int err = m->layout->arena ? mi_find_arenas(m) : mi_find_segments(m);

	for (size_t i = 0; !err && i < m->npieces; i++)
		err = walk_piece(m, &m->pieces[i]);
	return err ? err : emit_end(&m->out);
}

/* Those that say when what is free goes back by itself, and in what pieces. */
static const struct {
	enum mi_option option;
	const char *name;
} settings[] = {
	{ MI_OPTION_DECOMMIT_DELAY, "decommit_delay_ms" },
	{ MI_OPTION_SEGMENT_DECOMMIT_DELAY, "segment_decommit_delay_ms" },
	{ MI_OPTION_PURGE_DELAY, "purge_delay_ms" },
	{ MI_OPTION_PURGE_MULT, "arena_purge_mult" },
	{ MI_OPTION_ALLOW_THP, "allow_thp" },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static int fill_settings(struct heap *h, const struct mimalloc *m)
{
	h->settings = calloc(SETTINGS, sizeof(*h->settings));
	if (!h->settings)
		return -ENOMEM;
	for (size_t i = 0; i < SETTINGS; i++) {
		int64_t value = m->option[settings[i].option];

		if (m->option_known[settings[i].option])
			h->settings[h->nsettings++] =
				(struct heap_setting){ settings[i].name, value, false };
	}
	return 0;
}

/* The file's name says which version it is, to people. NULL: it is built in. */
static const char *library_of(const struct heap_source *src)
{
	for (size_t i = 0; i < src->vmas->n; i++) {
		const char *name = strstr(src->vmas->v[i].name, "libmimalloc");

		if (name && !strchr(name, '/'))
			return name;
	}
	return NULL;
}

/* No layout holds. 1: said so; 0: what is built in has nothing; -errno. */
static int tell_unsupported(struct heap *h, const struct mimalloc *m)
{
	const char *library = library_of(m->src);
	int used = library ? 1 : mi_main_heap_is_used(m);

	if (used <= 0)
		return used;
	h->status = HEAP_UNSUPPORTED;
	snprintf(h->reason, sizeof(h->reason),
		 "mimalloc (%.64s) is loaded, but no heap of a layout that is known was "
		 "found",
		 library ? library : "built in");
	return 1;
}

/* 1: found; 0: not there; -errno. */
static int detect(struct mimalloc *m)
{
	struct heap *h = m->heap;
	int found;

	fill_budget(m);
	found = mi_find_options(m);
	if (found)
		return found;
	found = mi_find_arenas_root(m);
	if (!found)
		found = mi_find_segments_root(m);
	if (found < 0 || (!found && !m->loaded))
		return found;
	if (!found)
		return tell_unsupported(h, m);
	snprintf(h->version, sizeof(h->version), "%s", m->layout->version);
	h->arenas = calloc(1, sizeof(*h->arenas));
	if (!h->arenas)
		return -ENOMEM;
	h->arenas[0].kind = ARENA_PLAIN;
	h->narenas = 1;
	found = fill_settings(h, m);
	return found ? found : 1;
}

static void mimalloc_free(struct heap *h)
{
	struct mimalloc *m = h->priv;

	peek_free(&m->peek);
	free(m->pieces);
	free(m->delayed);
	free(m->heaps);
	free(m->free);
	free(m->data);
	free(m->places);
	free(m->words);
	free(m->there);
	decoder_free(h);
}

static struct heap *heap_new(const struct heap_source *src)
{
	struct heap *h = decoder_heap(&heap_mimalloc, sizeof(struct mimalloc));
	struct mimalloc *m = h ? h->priv : NULL;

	if (!h)
		return NULL;
	m->heap = h;
	m->src = src;
	m->free = malloc(MI_BLOCKS_MAX / 8);
	m->data = malloc(READER_WINDOW);
	m->places = malloc(MI_HEADS_MAX * sizeof(*m->places));
	m->words = malloc(MI_HEADS_MAX * sizeof(*m->words));
	m->there = malloc(MI_HEADS_MAX);
	if (!m->free || !m->data || !m->places || !m->words || !m->there ||
	    peek_init(&m->peek, &src->target->reader)) {
		mimalloc_free(h);
		return NULL;
	}
	return h;
}

static int mimalloc_detect(const struct heap_source *src, struct heap **out,
			   struct error *e)
{
	struct heap *h = heap_new(src);
	int found = h ? detect(h->priv) : -ENOMEM;

	return decoder_found(h, found, src, WHOSE, out, e);
}

static int mimalloc_walk(struct heap *h, const struct heap_source *src,
			 struct extent_sink *sink, struct error *e)
{
	struct mimalloc *m = h->priv;
	int err;

	m->src = src;
	fill_budget(m);
	m->quick = src->quick;
	m->out = (struct emitter){ .heap = h, .sink = sink };
	err = walk_all(m);
	h->quick = h->error.live || h->error.held;
	if (h->quick)
		heap_incomplete(h,
				"a quick look: which blocks of a page are free was not "
				"looked at; what other threads freed may count as in "
				"use");
	if (m->out.answer)
		return m->out.answer;
	return err ? decoder_failed(src, WHOSE, err, e) : 0;
}

const struct heap_ops heap_mimalloc = {
	.name = "mimalloc",
	.versions = "2.0.3 to 2.4, 3.0 to 3.4, 3.6",
	.counts = true,
	.purge = "mi_collect(true)",
	.detect = mimalloc_detect,
	.walk = mimalloc_walk,
	.free = mimalloc_free,
};
