// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map of the address space in mimalloc 3: which page each slice belongs to. It is
 * what leads to pages that are in no arena, and to arenas that data does not lead to.
 */
#include "heap/mimalloc.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/data.h"

/* mi_page_map of 3.x: two levels; addresses of 47 bits. */
#define MAP_ENTRIES (1u << 18)
#define SUB_ENTRIES (1u << 13)
#define SUB_BYTES   (SUB_ENTRIES * 8u)
#define MAP_PIECE   4096u /* entries of the map, or of a part, that are read at once */
#define SUBS_MAX    65536u /* parts that are looked at: 32 TiB */
#define TRIES_MAX   65536u /* words that could lead to the map */
#define LOOKS_MAX   (1u << 18) /* elements that are looked at, but for those of arenas */

struct map_scan {
	struct data_scan scan;
	struct mimalloc *m;
	const struct mi_page *page; /* to which the map must lead */
	unsigned int tries;
};

static int try_map(struct mimalloc *m, uint64_t word, const struct mi_page *p)
{
	uint64_t slice = p->blocks / MI_SLICE, sub, record;
	uint64_t map = word + m->layout->arena->map_head;

	if (!mi_mapped(m, word, map + MAP_ENTRIES * 8) ||
	    mi_read(m, map + slice / SUB_ENTRIES * 8, &sub, sizeof(sub)) ||
	    !mi_mapped(m, sub, sub + SUB_BYTES) ||
	    mi_read(m, sub + slice % SUB_ENTRIES * 8, &record, sizeof(record)) ||
	    record != p->record)
		return 0;
	m->map = map;
	return 1;
}

static int scan_for_map(struct data_scan *s, uint64_t addr, const uint8_t *buf,
			size_t len)
{
	struct map_scan *k = (struct map_scan *)s;

	(void)addr;
	for (size_t i = 0; i + 8 <= len && k->tries < TRIES_MAX; i += 8) {
		uint64_t word = get64(buf, i);

		if (!word || word % k->m->src->target->reader.page_size ||
		    !mi_mapped(k->m, word, word + 1))
			continue;
		k->tries++;
		if (try_map(k->m, word, k->page))
			return 1;
	}
	return 0;
}

int mi_find_map(struct mimalloc *m, const struct mi_page *p)
{
	struct map_scan s = { .scan.window = scan_for_map, .m = m, .page = p };
	int found = data_scan(m->src, &s.scan);

	return found < 0 ? found : 0;
}

/* A page that is a mapping by itself, to which the map leads. */
static int parse_lone(struct mimalloc *m, struct mi_page *p)
{
	const struct mi_page_layout *l = m->layout->page;
	uint8_t raw[MI_RECORD_MAX];
	const uint8_t *memid = raw + l->memid;
	int err = mi_read(m, p->record, raw, l->bytes);

	if (err)
		return err;
	p->start = get64(memid, MEMID_BASE);
	p->end = p->start + get64(memid, MEMID_SIZE);
	if (get32(memid, MEMID_KIND) != m->layout->arena->kind_mapped ||
	    p->record < p->start || p->record >= p->end ||
	    p->start % m->src->target->reader.page_size ||
	    p->end % m->src->target->reader.page_size ||
	    !mi_mapped(m, p->start, p->end) || !mi_parse_page(m, raw, p))
		return -EPROTO;
	return 0;
}

/*
 * What an element of the map for @slice leads to. Arenas are found by their pages, too;
 * of pages that are no more 3.0 leaves elements behind.
 */
static int take_element(struct mimalloc *m, uint64_t slice, uint64_t record)
{
	struct mi_page p = { .record = record };
	struct mi_piece piece;
	uint64_t arena;
	int err = mi_mapped(m, record, record + m->layout->page->bytes)
			  ? parse_lone(m, &p)
			  : -EPROTO;

	if (!err && p.start <= slice && slice < p.end) {
		piece = (struct mi_piece){ p.start, p.end, MI_PIECE_PAGE, record };
		return mi_add_piece(m, &piece);
	}
	if (err == -ENODATA)
		heap_absent(m->heap);
	if (err != -EPROTO ||
	    mi_read(m, record + m->layout->page->memid, &arena, sizeof(arena)) ||
	    arena % MI_SLICE)
		return err == -ESRCH ? err : 0;
	return mi_try_arena(m, arena);
}

/* A walk through the map. The pieces that are arenas come first. */
struct map_walk {
	struct mimalloc *m;
	size_t narenas, last; /* last: the one that had the last slice */
	size_t nsubs;
	uint32_t looks; /* that are left */
	uint64_t subs[MAP_PIECE];
	uint64_t elements[SUB_ENTRIES];
};

static bool holds(const struct mi_piece *p, uint64_t addr)
{
	return p->start <= addr && addr < p->end;
}

/* Whether @addr lies in an arena that was known before the walk. */
static bool in_arena(struct map_walk *w, uint64_t addr)
{
	const struct mi_piece *p = w->m->pieces;

	if (w->narenas && holds(&p[w->last], addr))
		return true;
	w->looks -= w->looks != 0;
	for (size_t i = 0; i < w->narenas; i++)
		if (holds(&p[i], addr)) {
			w->last = i;
			return true;
		}
	return false;
}

static int walk_sub(struct map_walk *w, uint64_t sub, uint64_t first)
{
	struct mi_piece piece = { sub, sub + SUB_BYTES, MI_PIECE_META, sub };
	int err = mi_read_sparse(w->m, sub, w->elements, SUB_BYTES);
	uint64_t seen = 0;

	if (err == -ENODATA)
		heap_absent(w->m->heap);
	if (err)
		return err == -ESRCH ? err : 0;
	err = mi_add_piece(w->m, &piece);
	for (size_t i = 0; !err && i < SUB_ENTRIES && w->looks; i++) {
		uint64_t slice = (first + i) * MI_SLICE, record = w->elements[i];

		if (!record || record == seen || in_arena(w, slice))
			continue;
		seen = record;
		err = take_element(w->m, slice, record);
	}
	return err;
}

static int walk_subs(struct map_walk *w, size_t first)
{
	struct mimalloc *m = w->m;
	int err = mi_read_sparse(m, m->map + first * 8, w->subs, sizeof(w->subs));

	if (err == -ENODATA)
		heap_absent(m->heap);
	if (err)
		return err == -ESRCH ? err : 0;
	for (size_t k = 0; !err && k < MAP_PIECE; k++) {
		if (!w->subs[k] || !mi_mapped(m, w->subs[k], w->subs[k] + SUB_BYTES))
			continue;
		if (++w->nsubs > SUBS_MAX || !w->looks) {
			heap_incomplete(m->heap, "the map of pages is too large");
			break;
		}
		err = walk_sub(w, w->subs[k], (first + k) * SUB_ENTRIES);
	}
	return err;
}

int mi_walk_map(struct mimalloc *m)
{
	struct mi_piece p = { m->map - m->layout->arena->map_head,
			      m->map + MAP_ENTRIES * 8, MI_PIECE_META, m->map };
	struct map_walk *w = calloc(1, sizeof(*w));
	int err = w ? 0 : -ENOMEM;

	if (w) {
		w->m = m;
		w->narenas = m->npieces;
		w->looks = LOOKS_MAX;
	}
	for (size_t i = 0; !err && i < MAP_ENTRIES; i += MAP_PIECE)
		err = walk_subs(w, i);
	free(w);
	return err ? err : mi_add_piece(m, &p);
}

int mi_walk_lone_page(struct mimalloc *m, const struct mi_piece *piece)
{
	struct mi_page p = { .record = piece->record };
	int err = parse_lone(m, &p);

	if (!err && (p.start != piece->start || p.end != piece->end))
		err = -EPROTO;
	if (err)
		return mi_tell_unread(m, err, piece->start, piece->end);
	if (!mi_gives_up(m, &p))
		return mi_walk_page(m, &p);
	m->heap->own_free += p.capacity * p.size;
	return mi_tell(m, EXTENT_RETURNABLE, p.start, p.end);
}
