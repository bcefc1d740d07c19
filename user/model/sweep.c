// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sweep; see sweep.h. The heap pass takes extents as the decoders stream
 * them and gathers, page by page, which kinds of bytes a page holds; long
 * extents are filed in one step. The rest pass then files what was not claimed.
 */
#include "model/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/classes.h"
#include "model/remnants.h"
#include "pages/stream.h"

/* A contiguous piece of address space that a heap claims, page aligned. */
struct claim {
	uint64_t start, end;
};

/* The page, or the run of whole pages, that is being gathered. */
struct gather {
	uint64_t start, end; /* empty: nothing gathered */
	uint64_t bytes[EXTENT_KINDS]; /* of one page; of a run, in proportion */
	uint32_t arena;
};

struct sweep {
	struct extent_sink sink; /* first: the decoder hands it back */
	struct snapshot *s;
	struct target *t;
	struct error *e;
	uint64_t page; /* page size */
	struct page_stream stream;
	struct heap *heap; /* whose extents are coming in */
	struct gather g;
	struct classes sizes;
	struct classes *classes; /* NULL: not asked for */
	struct remnant unit; /* what is known so far of the unit that is coming in */
	uint64_t unit_held; /* of it, in bytes, neither cached nor a top */
	size_t vma; /* index of the VMA that is being filed */
	uint64_t file_huge; /* bytes of page cache in it that are mapped huge */
	bool huge_unsplit; /* by clean and dirty, in some VMA */
	struct claim *claims;
	size_t nclaims, claims_cap;
	size_t ntaken; /* by heaps that were swept before, sorted */
	size_t taken; /* the first of these that ends above what is being filed */
	size_t claim; /* the first one that ends above what is being filed */
	const struct stack_pointers *stacks;
	size_t stack; /* the first of their blocks that ends above what is being filed */
	struct progress *progress; /* may be NULL */
	bool quick;
	struct recall *recall;
	uint64_t done, total; /* bytes of heap filed; of all VMAs resident */
	uint64_t told; /* done at the last tick */
};

static int claim(struct sweep *sw, uint64_t start, uint64_t end)
{
	struct claim *last =
		sw->nclaims > sw->ntaken ? &sw->claims[sw->nclaims - 1] : NULL;

	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	if (sw->nclaims == sw->claims_cap) {
		size_t cap = sw->claims_cap ? 2 * sw->claims_cap : 64;
		struct claim *grown = realloc(sw->claims, cap * sizeof(*grown));

		if (!grown)
			return error_sys(sw->e, ENOMEM, "the sweep's claims");
		sw->claims = grown;
		sw->claims_cap = cap;
	}
	sw->claims[sw->nclaims++] = (struct claim){ start, end };
	return 0;
}

/* The class of a page by what is on it; also of each page of a uniform run. */
static enum ledger_class class_of(const uint64_t bytes[EXTENT_KINDS], uint64_t page)
{
	uint64_t covered = 0;

	for (int k = 0; k < EXTENT_KINDS; k++)
		covered += bytes[k];
	if (bytes[EXTENT_LIVE])
		return LEDGER_HEAP_USED;
	if (bytes[EXTENT_UNREAD])
		return LEDGER_HEAP_UNREAD;
	/* Bytes that the allocator does not know may be anybody's. */
	if (covered < page)
		return LEDGER_ANON_OTHER;
	if (bytes[EXTENT_META])
		return LEDGER_HEAP_METADATA;
	if (bytes[EXTENT_RETURNABLE] == page)
		return LEDGER_HEAP_RETURNABLE;
	return LEDGER_HEAP_HELD;
}

static void count_held(struct sweep *sw, struct heap_arena *a,
		       const uint64_t bytes[EXTENT_KINDS], uint64_t resident)
{
	a->held += resident;
	if (bytes[EXTENT_CACHED] > bytes[EXTENT_FREE] &&
	    bytes[EXTENT_CACHED] >= bytes[EXTENT_TOP])
		a->held_cached += resident;
	else if (bytes[EXTENT_TOP] > bytes[EXTENT_FREE])
		a->held_top += resident;
	else
		sw->unit_held += resident;
}

static uint64_t length(const struct page_run *run)
{
	return run->end - run->start;
}

/* What the pages' states add to their class, besides where they are. */
static void file_states(struct sweep *sw, enum ledger_class c, const struct page_run *run)
{
	struct ledger_line *l = &sw->s->ledger[c];

	if (run->state & RUN_HUGE)
		l->huge += length(run);
	if (run->state & RUN_PINNED)
		l->pinned += length(run);
	if (!run->age)
		l->idle_unknown += length(run);
	else if (run->age > 1)
		l->idle += length(run);
	if (run->age > 1)
		sw->s->regions[sw->vma].idle[c] += length(run);
	if (sw->s->map)
		map_add(sw->s->map, sw->vma, c, run);
}

/* Files pages like the gathered one. */
static void file_heap(struct sweep *sw, const struct page_run *run)
{
	const uint64_t *bytes = sw->g.bytes;
	struct heap_arena *a = &sw->heap->arenas[sw->g.arena];
	enum ledger_class c = class_of(bytes, sw->page);
	struct region *r = &sw->s->regions[sw->vma];
	uint64_t stranded = bytes[EXTENT_FREE] + bytes[EXTENT_CACHED] + bytes[EXTENT_TOP];
	uint64_t resident = run->state & RUN_RESIDENT ? length(run) : 0;
	uint64_t swapped = run->state & RUN_SWAPPED ? length(run) : 0;
	uint64_t pages = resident / sw->page;

	r->owner = sw->heap->ops->name;
	r->resident[c] += resident;
	r->swapped[c] += swapped;
	a->resident += resident;
	a->swapped += swapped;
	if (resident)
		file_states(sw, c, run);
	if (run->state & RUN_ZERO)
		sw->s->ledger[c].zero += length(run);
	if (c == LEDGER_HEAP_USED || c == LEDGER_HEAP_HELD)
		sw->unit.free += stranded * pages;
	switch (c) {
	case LEDGER_HEAP_USED:
		a->used += resident;
		a->stranded += stranded * pages;
		if (sw->classes)
			classes_strand(sw->classes, pages);
		sw->s->stranded_bytes += stranded * pages;
		sw->s->live_bytes += bytes[EXTENT_LIVE] * pages;
		break;
	case LEDGER_HEAP_RETURNABLE:
		a->returnable += resident;
		if (a->kind == ARENA_MAIN && a->top && run->start >= a->top)
			a->returnable_top += resident;
		break;
	case LEDGER_HEAP_HELD:
		count_held(sw, a, bytes, resident);
		break;
	default:
		break;
	}
}

/* Moves sw->vma to the first VMA that ends above @addr; false past the last. */
static bool seek_vma(struct sweep *sw, uint64_t addr)
{
	const struct vma_list *l = &sw->s->vmas;

	while (sw->vma < l->n && l->v[sw->vma].end <= addr)
		sw->vma++;
	return sw->vma < l->n;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Files [addr, end), which is like the gathered pages, by residency. */
static int file_range(struct sweep *sw, uint64_t addr, uint64_t end)
{
	while (addr < end) {
		const struct vma *v;
		struct page_run piece;

		if (!seek_vma(sw, addr) || sw->s->vmas.v[sw->vma].start >= end) {
			sw->s->torn += end - addr; /* mapped after the VMAs were read */
			break;
		}
		v = &sw->s->vmas.v[sw->vma];
		if (addr < v->start) {
			sw->s->torn += v->start - addr;
			addr = v->start;
		}
		if (!page_stream_covers(&sw->stream, addr) &&
		    page_stream_begin(&sw->stream, addr, v->end, sw->e))
			return -1;
		if (page_stream_at(&sw->stream, addr, min(end, v->end), &piece, sw->e))
			return -1;
		file_heap(sw, &piece);
		addr = piece.end;
	}
	return 0;
}

/*
 * How far what begins at @addr was taken by a heap that was swept before; @addr if it
 * was not, and then *@end is where the next such part begins, if that is sooner.
 */
static uint64_t taken_until(struct sweep *sw, uint64_t addr, uint64_t *end)
{
	const struct claim *c;

	while (sw->taken < sw->ntaken && sw->claims[sw->taken].end <= addr)
		sw->taken++;
	c = &sw->claims[sw->taken];
	if (sw->taken == sw->ntaken || c->start >= *end)
		return addr;
	if (c->start <= addr)
		return c->end;
	*end = c->start;
	return addr;
}

/* Files the gathered pages, but for those that are another heap's. */
static int flush(struct sweep *sw)
{
	uint64_t addr = sw->g.start;

	while (addr < sw->g.end) {
		uint64_t end = sw->g.end, free = taken_until(sw, addr, &end);

		if (free > addr) {
			addr = free;
			continue;
		}
		if (claim(sw, addr, end) || file_range(sw, addr, end))
			return -1;
		addr = end;
	}
	memset(&sw->g, 0, sizeof(sw->g));
	if (sw->classes)
		classes_turn(sw->classes);
	return 0;
}

/* A tick for each so many bytes. */
#define TICK (64ull << 20)

static void tell_progress(struct sweep *sw, uint64_t bytes)
{
	sw->done += bytes;
	if (sw->progress && sw->done - sw->told >= TICK) {
		sw->told = sw->done;
		sw->progress->tick(sw->progress, sw->done, sw->total);
	}
}

/* Takes [start, end), which lies within one page, into the gathered page. */
static int gather_part(struct sweep *sw, const struct extent *x, uint64_t start,
		       uint64_t end)
{
	uint64_t page = start - start % sw->page;

	if (sw->g.end != page + sw->page || sw->g.start != page) {
		if (flush(sw))
			return -1;
		sw->g.start = page;
		sw->g.end = page + sw->page;
	}
	sw->g.bytes[x->kind] += end - start;
	sw->g.arena = x->arena;
	if (sw->classes)
		classes_take(sw->classes, x, end - start, true);
	return 0;
}

/* Files whole pages of one kind at once. */
static int gather_whole(struct sweep *sw, const struct extent *x, uint64_t start,
			uint64_t end)
{
	if (flush(sw))
		return -1;
	sw->g = (struct gather){ .start = start, .end = end, .arena = x->arena };
	sw->g.bytes[x->kind] = sw->page;
	if (sw->classes)
		classes_take(sw->classes, x, end - start, false);
	return flush(sw);
}

static int conclude_unit(struct sweep *sw)
{
	int err = flush(sw);

	/* glibc's units are whole heaps, in which it does give back what is free. */
	if (sw->unit.unit.end && sw->unit.live) {
		struct heap_arena *a = &sw->heap->arenas[sw->unit.unit.arena];

		if (a->kind != ARENA_THREAD)
			a->held_unit += sw->unit_held;
	}
	sw->unit_held = 0;
	remnants_take(sw->heap, &sw->unit);
	memset(&sw->unit, 0, sizeof(sw->unit));
	return err;
}

static int take_unit(struct extent_sink *sink, const struct unit *u)
{
	struct sweep *sw = (struct sweep *)sink;

	/* Within a page, what was gathered of it is not to be filed yet. */
	if ((u->start | u->end) % sw->page)
		return 0;
	if (conclude_unit(sw))
		return -1;
	sw->unit.unit = *u;
	return 0;
}

/* An extent that is in one unit, or in none. */
static int take_part(struct sweep *sw, const struct extent *x)
{
	uint64_t at = x->start;

	if (sw->unit.unit.end && x->start >= sw->unit.unit.end && conclude_unit(sw))
		return -1;
	/* Of what is not known to be little, nothing can be said. */
	if (x->kind == EXTENT_UNREAD)
		sw->unit.live = UINT64_MAX;
	if (x->kind == EXTENT_LIVE && sw->unit.live != UINT64_MAX) {
		if (!sw->unit.live)
			sw->unit.block = x->start;
		sw->unit.live += x->end - x->start;
	}
	tell_progress(sw, x->end - x->start);
	while (at < x->end) {
		uint64_t page = at - at % sw->page;
		uint64_t whole = x->end - x->end % sw->page;
		int err;

		if (at == page && whole > at) {
			err = gather_whole(sw, x, at, whole);
			at = whole;
		} else {
			uint64_t upto = min(page + sw->page, x->end);

			err = gather_part(sw, x, at, upto);
			at = upto;
		}
		if (err)
			return err;
	}
	return 0;
}

static int take_extent(struct extent_sink *sink, const struct extent *x)
{
	struct sweep *sw = (struct sweep *)sink;
	struct extent part = *x;

	/* What the allocator has behind a unit may be joined to what ends the unit. */
	if (x->start < sw->unit.unit.end && x->end > sw->unit.unit.end) {
		part.end = sw->unit.unit.end;
		if (take_part(sw, &part))
			return -1;
		part.start = part.end;
		part.end = x->end;
	}
	return take_part(sw, &part);
}

static int by_start(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/*
 * Within a block of one heap another may live: those that nest are swept first, and
 * what they claimed stays theirs.
 */
static int sweep_heap(struct sweep *sw, struct heap *h)
{
	struct heap_source src = { .target = sw->t,
				   .vmas = &sw->s->vmas,
				   .by_size = sw->classes,
				   .quick = sw->quick,
				   .recall = sw->recall };

	if (sw->classes && classes_begin(sw->classes, h))
		return error_sys(sw->e, ENOMEM, "size classes");
	sw->heap = h;
	sw->vma = 0;
	sw->taken = 0;
	sw->stream.end = 0;
	memset(&sw->g, 0, sizeof(sw->g));
	if (h->ops->walk(h, &src, &sw->sink, sw->e) || conclude_unit(sw))
		return -1;
	if (sw->classes)
		classes_end(sw->classes);
	/* What a decoder counts by the target's word is no more than there is. */
	if (h->torn > heap_totals(h).mapped)
		h->torn = heap_totals(h).mapped;
	sw->s->torn += h->torn;
	if (sw->nclaims)
		qsort(sw->claims, sw->nclaims, sizeof(*sw->claims), by_start);
	sw->ntaken = sw->nclaims;
	return 0;
}

/* The first unclaimed part of @v at or after *@addr, as [*@addr, *@end). */
static bool next_gap(struct sweep *sw, const struct vma *v, uint64_t *addr, uint64_t *end)
{
	const struct claim *c = sw->claims + sw->claim;
	const struct claim *last = sw->claims + sw->nclaims;

	while (*addr < v->end) {
		while (c < last && c->end <= *addr)
			c++;
		if (c == last || c->start > *addr)
			break;
		*addr = c->end;
	}
	sw->claim = (size_t)(c - sw->claims);
	if (*addr >= v->end)
		return false;
	*end = c < last ? min(v->end, c->start) : v->end;
	return true;
}

/* Where to stop a stream that begins in a gap: at what is too long to be read over. */
static uint64_t gap_limit(const struct sweep *sw)
{
	const struct vma_list *l = &sw->s->vmas;

	for (size_t i = sw->claim; i < sw->nclaims; i++)
		if (sw->claims[i].end - sw->claims[i].start >= STREAM_FAR)
			return sw->claims[i].start;
	return l->v[l->n - 1].end;
}

/* The lowest stack pointer in @v, or 0. */
static uint64_t stack_pointer_in(const struct stack_pointers *sp, const struct vma *v)
{
	for (size_t lo = 0, hi = sp->n; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (sp->sp[mid] < v->start)
			lo = mid + 1;
		else if (mid > lo && sp->sp[mid - 1] >= v->start)
			hi = mid;
		else
			return sp->sp[mid] < v->end ? sp->sp[mid] : 0;
	}
	return 0;
}

/* The class of an unclaimed page that is resident. */
static enum ledger_class class_of_rest(uint32_t state, enum ledger_class anon)
{
	if (state & RUN_ANON)
		return anon;
	if (state & RUN_SHMEM)
		return LEDGER_SHMEM;
	return state & RUN_DIRTY ? LEDGER_FILE_DIRTY : LEDGER_FILE_CLEAN;
}

static void file_rest(struct sweep *sw, enum ledger_class anon,
		      const struct page_run *run)
{
	struct region *r = &sw->s->regions[sw->vma];
	enum ledger_class c = class_of_rest(run->state, anon);

	if (run->state & RUN_SWAPPED)
		r->swapped[anon] += length(run);
	if (run->state & RUN_ZERO)
		sw->s->ledger[anon].zero += length(run);
	if (!(run->state & RUN_RESIDENT))
		return;
	r->resident[c] += length(run);
	file_states(sw, c, run);
	if (c == LEDGER_FILE_CLEAN && (run->state & RUN_HUGE))
		sw->file_huge += length(run);
}

static int sweep_part(struct sweep *sw, uint64_t start, uint64_t end,
		      enum ledger_class anon)
{
	struct page_run piece;

	for (uint64_t addr = start; addr < end; addr = piece.end) {
		if (!page_stream_covers(&sw->stream, addr) &&
		    page_stream_begin(&sw->stream, addr, gap_limit(sw), sw->e))
			return -1;
		if (page_stream_at(&sw->stream, addr, end, &piece, sw->e))
			return -1;
		file_rest(sw, anon, &piece);
	}
	return 0;
}

/* What is in use below a stack pointer (x86-64 psABI, 3.2.2; AAPCS64 has nothing). */
#ifdef __x86_64__
#define RED_ZONE 128
#else
#define RED_ZONE 0
#endif

/* Files what is between *@at and @limit, or @end, and moves *@at there. */
static int sweep_until(struct sweep *sw, uint64_t *at, uint64_t limit, uint64_t end,
		       enum ledger_class anon)
{
	uint64_t start = *at, upto = min(limit, end);

	if (upto <= start)
		return 0;
	*at = upto;
	return sweep_part(sw, start, upto, anon);
}

static uint64_t page_below(const struct sweep *sw, uint64_t addr)
{
	return addr - addr % sw->page;
}

/* The first stack of a thread that ends above @addr and begins below @end; NULL: none. */
static const struct stack_block *next_block(struct sweep *sw, uint64_t addr, uint64_t end)
{
	const struct stack_pointers *s = sw->stacks;

	while (sw->stack < s->nblocks && s->block[sw->stack].end <= addr)
		sw->stack++;
	return sw->stack < s->nblocks && s->block[sw->stack].start < end
		       ? &s->block[sw->stack]
		       : NULL;
}

/* A part of a mapping with stacks of which the ends are known, and maybe other memory. */
static int sweep_blocks(struct sweep *sw, uint64_t at, uint64_t end)
{
	struct region *r = &sw->s->regions[sw->vma];
	const struct stack_block *b;

	if (!r->owner[0])
		r->owner = "stack";
	while ((b = next_block(sw, at, end))) {
		/* The page with the last byte of a stack is a stack's. */
		uint64_t top = page_below(sw, b->end + sw->page - 1);

		if (sweep_until(sw, &at, page_below(sw, b->start), end,
				LEDGER_ANON_OTHER) ||
		    sweep_until(sw, &at, page_below(sw, b->sp - RED_ZONE), end,
				LEDGER_STACK_DEAD) ||
		    sweep_until(sw, &at, top, end, LEDGER_STACK_LIVE))
			return -1;
		if (at == end)
			return 0;
	}
	return sweep_until(sw, &at, end, end, LEDGER_ANON_OTHER);
}

/*
 * One unclaimed part of a VMA, split at the stack pointer if it is a stack, of which the
 * ends are the mapping's.
 */
static int sweep_gap(struct sweep *sw, uint64_t start, uint64_t end, uint64_t sp)
{
	struct region *r = &sw->s->regions[sw->vma];
	bool main_stack = !strcmp(sw->s->vmas.v[sw->vma].name, "[stack]");

	if (!sp)
		return sweep_part(sw, start, end,
				  main_stack ? LEDGER_STACK_LIVE : LEDGER_ANON_OTHER);
	sp = page_below(sw, sp - RED_ZONE);
	if (!r->owner[0])
		r->owner = "stack";
	return sweep_part(sw, start, min(end, sp), LEDGER_STACK_DEAD) ||
			       sweep_part(sw, sp > start ? sp : start, end,
					  LEDGER_STACK_LIVE)
		       ? -1
		       : 0;
}

/*
 * A source that does not tell which pages of a file are dirty tells how many:
 * they are taken from the clean ones. Of huge ones among them nobody knows.
 */
static void split_dirty(struct sweep *sw, const struct vma *v, struct region *r)
{
	uint64_t bytes = min(v->st.file_dirty, r->resident[LEDGER_FILE_CLEAN]);

	r->resident[LEDGER_FILE_CLEAN] -= bytes;
	r->resident[LEDGER_FILE_DIRTY] += bytes;
	sw->huge_unsplit |= bytes && sw->file_huge;
}

/*
 * Shmem that is swapped has no entry in the page table; only smaps' rule counts it, and
 * with it what has an entry: private copies of a file's pages, which are anonymous.
 */
static uint64_t swapped_shmem(const struct vma *v, const struct region *r)
{
	uint64_t copies = 0;

	for (int c = 0; c < LEDGER_CLASSES; c++)
		copies += r->swapped[c];
	return v->st.swap > copies ? v->st.swap - copies : 0;
}

static void settle_vma(struct sweep *sw)
{
	const struct vma *v = &sw->s->vmas.v[sw->vma];
	struct region *r = &sw->s->regions[sw->vma];

	if (!(sw->stream.pages->known & RUN_DIRTY))
		split_dirty(sw, v, r);
	if (v->flags & VMA_SHMEM)
		r->swapped[LEDGER_SHMEM] = swapped_shmem(v, r);
}

static int sweep_rest(struct sweep *sw)
{
	const struct vma_list *l = &sw->s->vmas;

	sw->stream.end = 0;
	for (sw->vma = 0; sw->vma < l->n; sw->vma++) {
		const struct vma *v = &l->v[sw->vma];
		uint64_t sp = vma_is_anon(v) ? stack_pointer_in(sw->stacks, v) : 0;
		bool blocks = vma_is_anon(v) && next_block(sw, v->start, v->end);
		uint64_t addr = v->start, end;

		sw->file_huge = 0;
		while (next_gap(sw, v, &addr, &end)) {
			if (blocks ? sweep_blocks(sw, addr, end)
				   : sweep_gap(sw, addr, end, sp))
				return -1;
			addr = end;
		}
		settle_vma(sw);
	}
	return 0;
}

static void note(struct snapshot *s, const struct pages_notes *n)
{
	if (n->zero_guessed)
		snapshot_warn(
			s,
			"in %zu mappings zero pages and shared pages look alike without "
			"CAP_SYS_ADMIN: classes there are approximate, sums are not",
			n->zero_guessed);
	if (n->changed)
		snapshot_warn(s, "mappings came or went while their pages were read");
	if (n->ages_capped)
		snapshot_warn(s, "the module's memory does not hold all ages: give it "
				 "more by its parameter age_max_mb");
	if (n->ages_secondary)
		snapshot_warn(
			s, "a virtual machine or a device uses the process' memory "
			   "as well, and leaves no trace here: no page's age is known");
}

int sweep(struct snapshot *s, struct target *t, struct pages *p,
	  const struct stack_pointers *sp, const struct look *how, struct error *e)
{
	struct sweep sw = { .sink = { take_extent, take_unit },
			    .s = s,
			    .t = t,
			    .e = e,
			    .stream = { .pages = p, .target = t, .vmas = &s->vmas },
			    .progress = how->progress,
			    .quick = how->quick,
			    .recall = how->recall,
			    .page = t->reader.page_size,
			    .stacks = sp };
	int err = 0;

	if (how->by_size)
		sw.classes = &sw.sizes;
	p->notes = (struct pages_notes){ .zero_guessed = 0 };
	for (size_t i = 0; i < s->vmas.n; i++)
		sw.total += vma_is_anon(&s->vmas.v[i]) ? s->vmas.v[i].st.rss : 0;
	for (size_t i = 0; !err && i < s->nheaps; i++)
		if (s->heaps[i]->status != HEAP_UNSUPPORTED || s->heaps[i]->narenas)
			err = sweep_heap(&sw, s->heaps[i]);
	if (!err)
		err = sweep_rest(&sw) || page_stream_end(&sw.stream, e);
	if (sw.huge_unsplit)
		s->ledger[LEDGER_FILE_CLEAN].huge = s->ledger[LEDGER_FILE_DIRTY].huge =
			UNKNOWN;
	note(s, &p->notes);
	free(sw.claims);
	return err ? -1 : 0;
}
