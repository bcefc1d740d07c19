// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which pieces of address space glibc holds: the brk heap, what replaced it
 * where sbrk failed, the heaps of thread arenas, and blocks with a mapping of
 * their own. Sizes that the target tells are cut to what it maps.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/emit.h"

#define HEAP_MAX_DEFAULT (64ull << 20) /* HEAP_MAX_SIZE, malloc/arena.c */
#define LEAD_STEP	 16u
#define GATHER		 512u

/* malloc/arena.c: struct _heap_info up to its size. */
struct heap_info {
	uint64_t arena, prev, size;
};

static int add_segment(struct glibc *g, enum segment_kind kind, uint64_t start,
		       uint64_t end, uint64_t first, uint32_t arena)
{
	if (!grow(&g->segments, &g->segments_cap, g->nsegments, sizeof(*g->segments)))
		return -ENOMEM;
	g->segments[g->nsegments++] = (struct segment){ start, end, first, arena, kind };
	g->held += end - start;
	return 0;
}

static uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* [@start, @end) as far as it is mapped without a hole. */
static uint64_t mapped_end(const struct glibc *g, uint64_t start, uint64_t end)
{
	const struct vma_list *l = g->src->vmas;
	const struct vma *v = vma_find(l, start);

	if (!v)
		return start;
	while (v->end < end && v + 1 < l->v + l->n && v[1].start == v->end &&
	       vma_is_anon(v + 1))
		v++;
	return v->end < end ? v->end : end;
}

/* One that cannot be read goes on to the end of what is mapped, as most do. */
static uint64_t top_end(struct glibc *g, const struct arena *a, const struct vma *v)
{
	struct chunk_head h;

	if (peek_read(&g->peek, a->top, &h, sizeof(h))) {
		heap_absent(g->heap);
		return v->end;
	}
	return a->top + (h.size & ~(uint64_t)SIZE_FLAGS);
}

static int brk_segment(struct glibc *g)
{
	const struct arena *a = &g->arenas[0];
	const struct vma *v = heap_memory_of(g, a->top);
	uint64_t start, end;

	/* Nothing was allocated from it yet: top is a bin. */
	if (!v || (a->top >= a->addr && a->top < a->addr + g->layout->size))
		return 0;
	start = g->par.found && g->par.sbrk_base ? g->par.sbrk_base : v->start;
	if (start > a->top || start >= v->end)
		start = v->start;
	end = mapped_end(g, start, top_end(g, a, v));
	if (a->top >= v->end) {
		heap_incomplete(g->heap, "the heap grew while it was looked at");
		end = mapped_end(g, start, v->end);
	} else if (end <= a->top) {
		heap_incomplete(g->heap,
				"the top of the main heap is outside its mapping");
		end = mapped_end(g, start, v->end);
	}
	if (end - start != a->system_mem)
		heap_incomplete(
			g->heap,
			"the main heap is not in one piece (something else calls sbrk)");
	return add_segment(g, SEGMENT_BRK, start, end, align_up(start, CHUNK_ALIGN), 0);
}

/* Whether a segment has @addr: addresses ascend, so that mostly the last one does. */
static bool is_held(const struct glibc *g, uint64_t addr)
{
	for (size_t i = g->nsegments; i-- > 0;)
		if (addr >= g->segments[i].start && addr < g->segments[i].end)
			return true;
	return false;
}

static int add_morecore(struct glibc *g, uint64_t addr)
{
	const struct vma *v = vma_find(g->src->vmas, addr);

	if (!v || is_held(g, addr))
		return 0;
	return add_segment(g, SEGMENT_MORECORE, v->start, v->end, v->start, 0);
}

/*
 * When sbrk fails, the main arena goes on in mappings (sysmalloc_mmap_fallback).
 * No list leads to them: those with the top or with a free chunk are found.
 */
static int morecore_segments(struct glibc *g)
{
	struct arena *a = &g->arenas[0];
	int err = glibc_collect_bins(g, a);

	if (!err && g->par.sbrk_base && g->par.sbrk_base < a->top) {
		const struct vma *v = vma_find(g->src->vmas, g->par.sbrk_base);

		if (v && !strcmp(v->name, "[heap]"))
			err = add_segment(g, SEGMENT_BRK, g->par.sbrk_base, v->end,
					  align_up(g->par.sbrk_base, CHUNK_ALIGN), 0);
	}
	for (size_t i = 0; !err && i < a->nknown; i++)
		err = add_morecore(g, a->known[i]);
	return err ? err : add_morecore(g, a->top);
}

static int read_heap_info(struct glibc *g, uint64_t heap, uint64_t arena,
			  struct heap_info *h)
{
	int err = peek_read(&g->peek, heap, h, sizeof(*h));

	if (err)
		return err == -ESRCH ? err : 0;
	return h->arena == arena && h->size && h->size % g->page == 0;
}

/*
 * The heap that holds @addr. Heaps are aligned to HEAP_MAX_SIZE, or with huge
 * pages to four of those (malloc/arena.c: heap_max_size()).
 */
static int heap_of(struct glibc *g, uint64_t addr, uint64_t arena, uint64_t *heap,
		   struct heap_info *h)
{
	uint64_t sizes[] = { HEAP_MAX_DEFAULT, 4 * g->par.hp_pagesize, 8ull << 20,
			     4ull << 30 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int ok;

		if (!sizes[i])
			continue;
		*heap = addr - addr % sizes[i];
		ok = read_heap_info(g, *heap, arena, h);
		if (ok)
			return ok;
	}
	return 0;
}

/* heap_info is followed by the arena itself in the first heap, else by chunks. */
static uint64_t first_chunk(const struct glibc *g, uint64_t heap, const struct arena *a,
			    uint64_t info_size)
{
	if (a->addr - heap == info_size)
		return align_up(a->addr + g->layout->size, CHUNK_ALIGN);
	return heap + info_size;
}

static int arena_segments(struct glibc *g, uint32_t index)
{
	const struct arena *a = &g->arenas[index];
	uint64_t info_size = a->addr % g->page; /* sizeof(heap_info) */
	struct heap_info h;
	uint64_t heap, sum = 0;
	int ok = heap_of(g, a->top, a->addr, &heap, &h);

	while (ok > 0) {
		uint64_t end = mapped_end(g, heap, heap + h.size);

		/* More than there is, if heaps lead back to one that was before. */
		if (end <= heap || g->held + (end - heap) > g->chunks_max * CHUNK_MIN)
			break;
		sum += end - heap;
		ok = add_segment(g, SEGMENT_HEAP, heap, end,
				 first_chunk(g, heap, a, info_size), index);
		if (ok)
			break;
		if (!h.prev)
			goto done;
		heap = h.prev;
		ok = read_heap_info(g, heap, a->addr, &h);
	}
	if (ok < 0)
		return ok;
	heap_incomplete(g->heap, "the heaps of arena %u could not be followed", index);
done:
	if (sum != a->system_mem)
		heap_incomplete(
			g->heap,
			"arena %u has %llu bytes by its own count, %llu were found",
			index, (unsigned long long)a->system_mem,
			(unsigned long long)sum);
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Index of the first segment that ends above @addr. */
static size_t segment_above(const struct glibc *g, size_t n, uint64_t addr)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->segments[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * The length of the mapping of a chunk with head @h, @lead bytes into it; 0 if
 * it is none. The size includes the head up to 2.42; later, the head comes on
 * top, and bit 0 of prev_size says that huge pages are used
 * (mmap_set_chunk()).
 */
static uint64_t mmapped_length(const struct glibc *g, const struct chunk_head *h,
			       uint64_t lead, uint64_t max)
{
	uint64_t size = h->size & ~(uint64_t)SIZE_FLAGS;

	if ((h->size & SIZE_FLAGS) != IS_MMAPPED || (h->prev_size & ~1ull) != lead)
		return 0;
	if (size < CHUNK_MIN || size > max - lead)
		return 0;
	if ((lead + size) % g->page == 0)
		return lead + size;
	if ((lead + size + 16) % g->page == 0)
		return lead + size + 16;
	return 0;
}

/* Of a block that begins in the line at @start + @at of its mapping: its length or 0. */
static int64_t mmapped_in_line(struct glibc *g, uint64_t start, uint64_t at, uint64_t end)
{
	uint8_t line[PEEK_LINE];
	int err = peek_read(&g->peek, start + at, line, sizeof(line));

	if (err)
		return err == -ESRCH ? err : 0;
	for (uint32_t i = 0; i < sizeof(line); i += LEAD_STEP) {
		struct chunk_head h;
		uint64_t len;

		memcpy(&h, line + i, sizeof(h));
		len = mmapped_length(g, &h, at + i, end - start);
		if (len && len <= end - start)
			return (int64_t)len;
	}
	return 0;
}

/*
 * A mapped block whose mapping starts at @start: its length or 0. An aligned block
 * begins a multiple of 16 into the first page.
 */
static int64_t mmapped_at(struct glibc *g, uint64_t start, uint64_t end)
{
	int64_t len = 0;

	for (uint64_t at = 0; !len && at < g->page; at += PEEK_LINE)
		len = mmapped_in_line(g, start, at, end);
	return len;
}

static int add_mmapped(struct glibc *g, uint64_t start, uint64_t len)
{
	g->found_mmaps++;
	g->found_mmapped += len;
	return add_segment(g, SEGMENT_MMAPPED, start, start + len, start,
			   (uint32_t)g->narenas);
}

/* Blocks that follow each other from the start of [start, end) on; the last to @reach. */
static int mmapped_from(struct glibc *g, uint64_t *start, uint64_t end, uint64_t reach)
{
	while (*start < end) {
		int64_t len = mmapped_at(g, *start, reach);
		int err;

		if (len <= 0)
			return (int)len;
		err = add_mmapped(g, *start, (uint64_t)len);
		if (err)
			return err;
		*start += (uint64_t)len;
	}
	return 0;
}

static bool may_hold_mmapped(const struct vma *v)
{
	const uint32_t rw = VMA_READ | VMA_WRITE;

	return vma_is_anon(v) && (v->flags & rw) == rw && (v->st.rss || v->st.swap) &&
	       (!v->name[0] || !strncmp(v->name, "[anon", 5));
}

/* Heads of the resident pages among @n from @start, into what follows. */
struct page_heads {
	uint64_t addr[GATHER];
	struct chunk_head head[GATHER];
	uint8_t ok[GATHER];
	size_t n;
};

static int read_page_heads(struct glibc *g, uint64_t start, size_t pages,
			   struct page_heads *h)
{
	uint8_t present[GATHER];
	int err = reader_presence(&g->src->target->reader, start, pages, present);

	h->n = 0;
	if (err)
		return err;
	for (size_t i = 0; i < pages; i++)
		if (page_is_resident(present[i]))
			h->addr[h->n++] = start + i * g->page;
	return h->n ? reader_gather(&g->src->target->reader, h->addr, h->n,
				    sizeof(h->head[0]), h->head, h->ok)
		    : 0;
}

/*
 * A page that begins like a mapped block. Not every one is: other allocators'
 * data can look like it.
 */
struct candidate {
	uint64_t start, len;
};

struct candidates {
	struct candidate *c;
	size_t n, cap;
	bool too_many;
};

/* A choice among more would be arbitrary, and a long search. */
#define CANDIDATES_MAX 1024

static int add_candidate(struct candidates *cs, uint64_t start, uint64_t len)
{
	if (cs->n == CANDIDATES_MAX) {
		cs->too_many = true;
		return 0;
	}
	if (!grow(&cs->c, &cs->cap, cs->n, sizeof(*cs->c)))
		return -ENOMEM;
	cs->c[cs->n++] = (struct candidate){ start, len };
	return 0;
}

/* Looks at the head of every resident page of [start, end). */
static int collect_within(struct glibc *g, uint64_t start, uint64_t end,
			  struct candidates *cs)
{
	struct page_heads h;
	uint64_t done = start; /* below this, all is part of a candidate */

	for (uint64_t at = start; at < end && !cs->too_many;) {
		uint64_t left = (end - at) / g->page;
		size_t pages = left < GATHER ? left : GATHER;
		int err = read_page_heads(g, at, pages, &h);

		for (size_t i = 0; !err && i < h.n; i++) {
			uint64_t from = h.addr[i];
			uint64_t len =
				h.ok[i] ? mmapped_length(g, &h.head[i], 0, end - from)
					: 0;

			if (!len || len > end - from || from < done)
				continue;
			err = add_candidate(cs, from, len);
			done = from + len;
		}
		if (err)
			return err;
		at += pages * g->page;
		if (at < done)
			at = done;
	}
	return 0;
}

static int take_candidate(struct glibc *g, const struct candidate *c)
{
	return add_mmapped(g, c->start, c->len);
}

/* Whether blocks of @sum bytes are what mp_ counts as @bytes; these are whole pages. */
static bool bytes_fit(const struct glibc *g, uint64_t bytes, uint64_t sum)
{
	return g->par.layout->drifts ? bytes - bytes % g->page == sum : bytes == sum;
}

/*
 * Of the candidates, those whose number and bytes are what mp_ counts and the
 * first look missed: all of them, or one, or two. Else none: what nobody claims
 * is no lie.
 */
static int take_matching(struct glibc *g, const struct candidates *cs)
{
	uint64_t bytes = g->par.mmapped_mem - g->found_mmapped, sum = 0;
	uint32_t missing = g->par.n_mmaps - g->found_mmaps;
	int err = 0;

	for (size_t i = 0; i < cs->n; i++)
		sum += cs->c[i].len;
	if (cs->n == missing && bytes_fit(g, bytes, sum)) {
		for (size_t i = 0; !err && i < cs->n; i++)
			err = take_candidate(g, &cs->c[i]);
		return err;
	}
	for (size_t i = 0; i < cs->n && missing <= 2; i++) {
		if (missing == 1 && bytes_fit(g, bytes, cs->c[i].len))
			return take_candidate(g, &cs->c[i]);
		for (size_t k = i + 1; k < cs->n && missing == 2; k++)
			if (bytes_fit(g, bytes, cs->c[i].len + cs->c[k].len))
				return take_candidate(g, &cs->c[i])
					       ?: take_candidate(g, &cs->c[k]);
	}
	return 0;
}

/*
 * How far a block may reach that begins in VMA @i: madvise() for a part of it splits
 * the mapping (numpy does that for huge pages).
 */
static uint64_t reach_of(const struct glibc *g, size_t i)
{
	const struct vma_list *l = g->src->vmas;
	const uint32_t rw = VMA_READ | VMA_WRITE;

	while (i + 1 < l->n && l->v[i + 1].start == l->v[i].end &&
	       vma_is_anon(&l->v[i + 1]) && (l->v[i + 1].flags & rw) == rw)
		i++;
	return l->v[i].end;
}

/* A part of a VMA that nobody claims, from *@at to @end; blocks may go on to @reach. */
static int look_at_part(struct glibc *g, uint64_t *at, uint64_t end, uint64_t reach,
			struct candidates *cs)
{
	if (*at >= end)
		return 0;
	if (cs)
		return collect_within(g, *at, end, cs);
	return mmapped_from(g, at, end, reach);
}

/*
 * The parts of VMAs that none of the first @nclaimed segments covers: blocks
 * that begin them are taken, or, with @cs, what is within is collected.
 */
static int look_at_unclaimed(struct glibc *g, size_t nclaimed, struct candidates *cs)
{
	const struct vma_list *l = g->src->vmas;
	uint64_t done = 0; /* blocks reach up to there */
	uint64_t reach = 0; /* and those of this group of adjacent VMAs, at most */

	for (size_t i = 0; i < l->n; i++) {
		const struct vma *v = &l->v[i];
		uint64_t at = done > v->start ? done : v->start;

		if (!may_hold_mmapped(v))
			continue;
		if (reach < v->end)
			reach = reach_of(g, i);
		for (size_t k = segment_above(g, nclaimed, at); at < v->end; k++) {
			bool last = k == nclaimed || g->segments[k].start >= v->end;
			uint64_t end = last ? v->end : g->segments[k].start;
			int err = look_at_part(g, &at, end, end == v->end ? reach : end,
					       cs);

			if (err)
				return err;
			done = at;
			if (last)
				break;
			at = g->segments[k].end;
		}
	}
	return 0;
}

static void sort_segments(struct glibc *g)
{
	if (g->nsegments)
		qsort(g->segments, g->nsegments, sizeof(*g->segments), by_start);
}

/* The kernel merges neighbouring mappings: a block may begin within a VMA. */
static int find_merged(struct glibc *g)
{
	struct candidates cs = { 0 };
	int err;

	sort_segments(g);
	err = look_at_unclaimed(g, g->nsegments, &cs);
	if (!err)
		err = take_matching(g, &cs);
	free(cs.c);
	return err;
}

/* Whether all blocks with mappings of their own were found, by what mp_ counts. */
static bool all_found(const struct glibc *g)
{
	const struct malloc_par *p = &g->par;

	return g->found_mmaps == p->n_mmaps &&
	       (p->layout->drifts ? g->found_mmapped <= p->mmapped_mem
				  : g->found_mmapped == p->mmapped_mem);
}

static int mmapped_segments(struct glibc *g)
{
	int err;

	sort_segments(g);
	err = look_at_unclaimed(g, g->nsegments, NULL);
	if (err || !g->par.found)
		return err;
	/* That looks at each page. */
	if (g->found_mmaps < g->par.n_mmaps && g->found_mmapped < g->par.mmapped_mem &&
	    !g->heap->quick)
		err = find_merged(g);
	if (!all_found(g))
		heap_incomplete(g->heap,
				"%u of %u blocks with mappings of their own were found",
				g->found_mmaps, g->par.n_mmaps);
	return err;
}

/* Forged lists may name a piece twice; extents must not overlap. */
static void drop_overlaps(struct glibc *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->nsegments; i++) {
		struct segment *s = &g->segments[i];

		if (kept && s->start < g->segments[kept - 1].end) {
			heap_incomplete(
				g->heap,
				"heaps overlap: the allocator's records are damaged");
			continue;
		}
		if (s->first > s->end)
			s->first = s->end;
		g->segments[kept++] = *s;
	}
	g->nsegments = kept;
}

int glibc_find_segments(struct glibc *g)
{
	int err = g->arenas[0].noncontiguous ? morecore_segments(g) : brk_segment(g);

	for (uint32_t i = 1; !err && i < g->narenas; i++)
		err = arena_segments(g, i);
	if (!err)
		err = mmapped_segments(g);
	sort_segments(g);
	drop_overlaps(g);
	return err;
}
