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

#include "pages/runs.h"

/* A contiguous piece of address space that a heap claims, page aligned. */
struct claim {
	uint64_t start, end;
	const char *owner;
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
	struct zero_page zero;
	uint64_t page; /* page size */
	uint64_t *buffer; /* for runs */
	struct heap *heap; /* whose extents are coming in */
	struct gather g;
	struct runs runs;
	struct page_run run; /* the current run; empty: none read yet */
	size_t vma; /* index of the VMA that runs is in */
	bool in_vma; /* runs was started on it */
	struct claim *claims;
	size_t nclaims, claims_cap;
	struct progress *progress; /* may be NULL */
	uint64_t done, total; /* bytes of heap filed; of all VMAs resident */
	uint64_t told; /* done at the last tick */
};

static int gone(struct sweep *sw, int err)
{
	return error_sys(sw->e, -err, "process %d, reading its pagemap", (int)sw->t->pid);
}

static int claim(struct sweep *sw, uint64_t start, uint64_t end)
{
	struct claim *last = sw->nclaims ? &sw->claims[sw->nclaims - 1] : NULL;

	if (last && last->end == start && last->owner == sw->heap->ops->name) {
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
	sw->claims[sw->nclaims++] = (struct claim){ start, end, sw->heap->ops->name };
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

static void count_held(struct heap_arena *a, const uint64_t bytes[EXTENT_KINDS],
		       uint64_t resident)
{
	a->held += resident;
	if (bytes[EXTENT_CACHED] > bytes[EXTENT_FREE] &&
	    bytes[EXTENT_CACHED] >= bytes[EXTENT_TOP])
		a->held_cached += resident;
	else if (bytes[EXTENT_TOP] > bytes[EXTENT_FREE])
		a->held_top += resident;
}

/* Files @resident and @swapped bytes of pages like the gathered one. */
static void file_heap(struct sweep *sw, uint64_t start, uint64_t resident,
		      uint64_t swapped)
{
	const uint64_t *bytes = sw->g.bytes;
	struct heap_arena *a = &sw->heap->arenas[sw->g.arena];
	enum ledger_class c = class_of(bytes, sw->page);
	struct region *r = &sw->s->regions[sw->vma];
	uint64_t pages = resident / sw->page;
	uint64_t stranded = bytes[EXTENT_FREE] + bytes[EXTENT_CACHED] + bytes[EXTENT_TOP];

	r->owner = sw->heap->ops->name;
	r->resident[c] += resident;
	r->swapped[c] += swapped;
	a->resident += resident;
	a->swapped += swapped;
	switch (c) {
	case LEDGER_HEAP_USED:
		a->used += resident;
		a->stranded += stranded * pages;
		sw->s->stranded_bytes += stranded * pages;
		sw->s->live_bytes += bytes[EXTENT_LIVE] * pages;
		break;
	case LEDGER_HEAP_RETURNABLE:
		a->returnable += resident;
		if (a->kind == ARENA_MAIN && a->top && start >= a->top)
			a->returnable_top += resident;
		break;
	case LEDGER_HEAP_HELD:
		count_held(a, bytes, resident);
		break;
	default:
		break;
	}
}

/* Moves the run stream to the run that holds @addr, which lies in sw->vma. */
static int seek_run(struct sweep *sw, uint64_t addr)
{
	struct vma *v = &sw->s->vmas.v[sw->vma];

	if (!sw->in_vma || addr > sw->runs.next) {
		runs_init(&sw->runs, &sw->t->reader, &sw->zero, v, addr, v->end,
			  sw->buffer);
		sw->run = (struct page_run){ .end = 0 };
		sw->in_vma = true;
	}
	while (sw->run.end <= addr) {
		int more = runs_next(&sw->runs, &sw->run);

		if (more < 0)
			return gone(sw, more);
		if (!more)
			sw->run = (struct page_run){ addr, v->end, RUN_NONE };
	}
	return 0;
}

/* Moves sw->vma to the first VMA that ends above @addr; false past the last. */
static bool seek_vma(struct sweep *sw, uint64_t addr)
{
	const struct vma_list *l = &sw->s->vmas;

	while (sw->vma < l->n && l->v[sw->vma].end <= addr) {
		sw->vma++;
		sw->in_vma = false;
	}
	return sw->vma < l->n;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Files the gathered pages by their residency. */
static int flush(struct sweep *sw)
{
	uint64_t addr = sw->g.start, end = sw->g.end;

	if (addr == end)
		return 0;
	if (claim(sw, addr, end))
		return -1;
	while (addr < end) {
		const struct vma *v;
		uint64_t upto;

		if (!seek_vma(sw, addr) || sw->s->vmas.v[sw->vma].start >= end) {
			sw->s->torn += end - addr; /* mapped after the VMAs were read */
			break;
		}
		v = &sw->s->vmas.v[sw->vma];
		if (addr < v->start) {
			sw->s->torn += v->start - addr;
			addr = v->start;
		}
		if (seek_run(sw, addr))
			return -1;
		upto = min(min(end, v->end), sw->run.end);
		file_heap(sw, addr,
			  sw->run.state == RUN_ANON || sw->run.state == RUN_FILE
				  ? upto - addr
				  : 0,
			  sw->run.state == RUN_SWAPPED ? upto - addr : 0);
		addr = upto;
	}
	memset(&sw->g, 0, sizeof(sw->g));
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
	return flush(sw);
}

static int take_extent(struct extent_sink *sink, const struct extent *x)
{
	struct sweep *sw = (struct sweep *)sink;
	uint64_t at = x->start;

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

static int sweep_heap(struct sweep *sw, struct heap *h)
{
	struct heap_source src = { .target = sw->t, .vmas = &sw->s->vmas };

	sw->heap = h;
	sw->vma = 0;
	sw->in_vma = false;
	memset(&sw->g, 0, sizeof(sw->g));
	if (h->ops->walk(h, &src, &sw->sink, sw->e) || flush(sw))
		return -1;
	sw->s->torn += h->torn;
	return 0;
}

/*
 * The first unclaimed part of @v at or after *@addr, as [*@addr, *@end). @at
 * runs through the claims, and never back.
 */
static bool next_gap(const struct sweep *sw, size_t *at, const struct vma *v,
		     uint64_t *addr, uint64_t *end)
{
	while (*addr < v->end) {
		while (*at < sw->nclaims && sw->claims[*at].end <= *addr)
			(*at)++;
		if (*at == sw->nclaims || sw->claims[*at].start > *addr)
			break;
		*addr = sw->claims[*at].end;
	}
	if (*addr >= v->end)
		return false;
	*end = *at < sw->nclaims ? min(v->end, sw->claims[*at].start) : v->end;
	return true;
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

static void file_rest(struct sweep *sw, size_t i, enum ledger_class anon,
		      const struct page_run *run)
{
	struct region *r = &sw->s->regions[i];
	const struct vma *v = &sw->s->vmas.v[i];
	uint64_t bytes = run->end - run->start;

	switch (run->state) {
	case RUN_ANON:
		r->resident[anon] += bytes;
		break;
	case RUN_FILE:
		/* The clean and the dirty are parted when the VMA is complete. */
		r->resident[v->flags & VMA_SHMEM ? LEDGER_SHMEM : LEDGER_FILE_CLEAN] +=
			bytes;
		break;
	case RUN_SWAPPED:
		r->swapped[anon] += bytes;
		break;
	case RUN_NONE:
		break;
	}
}

static int sweep_part(struct sweep *sw, size_t i, uint64_t start, uint64_t end,
		      enum ledger_class anon)
{
	struct page_run run;
	struct runs runs;
	int more;

	if (start >= end)
		return 0;
	runs_init(&runs, &sw->t->reader, &sw->zero, &sw->s->vmas.v[i], start, end,
		  sw->buffer);
	while ((more = runs_next(&runs, &run)) > 0)
		file_rest(sw, i, anon, &run);
	return more < 0 ? gone(sw, more) : 0;
}

/* What is in use below a stack pointer (x86-64 psABI, 3.2.2; AAPCS64 has nothing). */
#ifdef __x86_64__
#define RED_ZONE 128
#else
#define RED_ZONE 0
#endif

/* One unclaimed part of a VMA, split at the stack pointer if it is a stack. */
static int sweep_gap(struct sweep *sw, size_t i, uint64_t start, uint64_t end,
		     uint64_t sp)
{
	const struct vma *v = &sw->s->vmas.v[i];
	bool main_stack = !strcmp(v->name, "[stack]");

	if (!sp)
		return sweep_part(sw, i, start, end,
				  main_stack ? LEDGER_STACK_LIVE : LEDGER_ANON_OTHER);
	sp -= RED_ZONE;
	sp -= sp % sw->page;
	if (!sw->s->regions[i].owner[0])
		sw->s->regions[i].owner = "stack";
	return sweep_part(sw, i, start, min(end, sp), LEDGER_STACK_DEAD) ||
			       sweep_part(sw, i, sp > start ? sp : start, end,
					  LEDGER_STACK_LIVE)
		       ? -1
		       : 0;
}

/* Shmem that is swapped has no entry in the page table; only smaps' rule counts it. */
static void settle_vma(struct sweep *sw, size_t i)
{
	const struct vma *v = &sw->s->vmas.v[i];
	struct region *r = &sw->s->regions[i];
	uint64_t dirty = min(v->st.file_dirty, r->resident[LEDGER_FILE_CLEAN]);

	r->resident[LEDGER_FILE_CLEAN] -= dirty;
	r->resident[LEDGER_FILE_DIRTY] += dirty;
	if (v->flags & VMA_SHMEM) {
		memset(r->swapped, 0, sizeof(r->swapped));
		r->swapped[LEDGER_SHMEM] = v->st.swap;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int sweep_rest(struct sweep *sw, const struct stack_pointers *sps)
{
	const struct vma_list *l = &sw->s->vmas;
	size_t at = 0;

	if (sw->nclaims)
		qsort(sw->claims, sw->nclaims, sizeof(*sw->claims), by_start);
	for (size_t i = 0; i < l->n; i++) {
		const struct vma *v = &l->v[i];
		uint64_t sp = vma_is_anon(v) ? stack_pointer_in(sps, v) : 0;
		uint64_t addr = v->start, end;

		while (next_gap(sw, &at, v, &addr, &end)) {
			if (sweep_gap(sw, i, addr, end, sp))
				return -1;
			addr = end;
		}
		settle_vma(sw, i);
	}
	return 0;
}

static int survey(struct sweep *sw)
{
	struct vma_list *l = &sw->s->vmas;
	size_t guessed = 0;

	for (size_t i = 0; i < l->n; i++) {
		int mixed = runs_survey(&sw->t->reader, &sw->zero, &l->v[i], sw->buffer);

		if (mixed < 0)
			return gone(sw, mixed);
		guessed += (size_t)mixed;
	}
	if (guessed)
		snapshot_warn(
			sw->s,
			"in %zu mappings zero pages and shared pages look alike without "
			"CAP_SYS_ADMIN: classes there are approximate, sums are not",
			guessed);
	return 0;
}

int sweep(struct snapshot *s, struct target *t, const struct stack_pointers *sp,
	  struct progress *progress, struct error *e)
{
	struct sweep sw = { .sink.extent = take_extent,
			    .s = s,
			    .t = t,
			    .e = e,
			    .progress = progress,
			    .page = t->reader.page_size };
	int err = 0;

	sw.buffer = malloc(RUNS_BUFFER * sizeof(*sw.buffer));
	if (!sw.buffer)
		return error_sys(e, ENOMEM, "the sweep");
	zero_page_learn(&sw.zero);
	for (size_t i = 0; i < s->vmas.n; i++)
		sw.total += vma_is_anon(&s->vmas.v[i]) ? s->vmas.v[i].st.rss : 0;
	err = survey(&sw);
	for (size_t i = 0; !err && i < s->nheaps; i++)
		if (s->heaps[i]->status != HEAP_UNSUPPORTED)
			err = sweep_heap(&sw, s->heaps[i]);
	if (!err)
		err = sweep_rest(&sw, sp);
	free(sw.claims);
	free(sw.buffer);
	return err ? -1 : 0;
}
