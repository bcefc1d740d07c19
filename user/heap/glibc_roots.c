// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds glibc's roots without symbols. main_arena gives itself away: the list
 * head of an empty bin points at itself, and there are 127 bins in a row. mp_
 * lies in the same data and is known by relations between its fields. No offset
 * is believed before what it leads to agrees.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/data.h"
#include "heap/emit.h"
#include "target/vma.h"

/* malloc/malloc.c: struct malloc_state. */
static const struct arena_layout arena_layouts[] = {
	{ "2.27-2.42", 0x10, 0x60, 0x70, 0x870, 0x888, 0x898 },
	/* Without fastbins and have_fastchunks. */
	{ "2.43", 0, 0x8, 0x18, 0x818, 0x830, 0x840 },
};

/* malloc/malloc.c: struct malloc_par. */
static const struct par_layout par_layouts[] = {
	{ "2.26-2.34", 0, 0, 40, 56, 112, false },
	{ "2.35-2.42", 40, 48, 60, 80, 136, false },
	/* mremap_chunk() takes the size without the head for the old one. */
	{ "2.43", 48, 56, 68, 88, 144, true },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define STATE_MAX  0x900u
#define ARENAS_MAX 65536u /* far above 8 a core, the default limit */
#define SELF_LINKED_MIN                                                                  \
	2 /* empty bins in one arena's worth that are worth a closer look */
#define TRIES_MAX	 4096u /* closer looks, lest forged data cost hours */
#define TCACHE_BYTES_MAX (8u << 20) /* 2.42: MAX_TCACHE_LARGE_SIZE is below this */
#define PAR_SEARCH	 (64u << 10) /* mp_ is this near main_arena */

/* bin_at(i)->fd lies at bins[2i-2]; the head is 16 bytes before it. */
static bool bin_empty(const uint8_t *state, uint64_t addr, uint32_t bins, int i)
{
	size_t at = bins + (size_t)(i - 1) * 16;

	return get64(state, at) == addr + at - 16 &&
	       get64(state, at + 8) == addr + at - 16;
}

/* A bin's link: to its head or to a chunk. While it is written to, its two may disagree. */
static bool link_holds(const struct glibc *g, uint64_t link, uint64_t head)
{
	return link == head || plausible_chunk(g, link);
}

static bool bins_hold(const struct glibc *g, const uint8_t *state, uint64_t addr,
		      const struct arena_layout *l)
{
	int empty = 0;

	for (int i = 1; i <= NBINS; i++) {
		size_t at = l->bins + (size_t)(i - 1) * 16;

		if (bin_empty(state, addr, l->bins, i))
			empty++;
		else if (!link_holds(g, get64(state, at), addr + at - 16) ||
			 !link_holds(g, get64(state, at + 8), addr + at - 16))
			return false;
	}
	return empty > 0;
}

static int read_state(struct glibc *g, uint64_t addr, const struct arena_layout *l,
		      uint8_t state[STATE_MAX])
{
	return peek_read(&g->peek, addr, state, l->size);
}

/* 1: a malloc_state of layout @l is at @addr. */
static int state_holds(struct glibc *g, uint64_t addr, const struct arena_layout *l,
		       uint8_t state[STATE_MAX])
{
	uint64_t top;
	int err = read_state(g, addr, l, state);

	if (err)
		return err == -ESRCH ? err : 0;
	top = get64(state, l->top);
	/* Flags are the contiguity bit, and once were those of fastbins. */
	if (get32(state, 4) > 3 || !bins_hold(g, state, addr, l))
		return 0;
	/* Before the first allocation, top is bin_at(1): initial_top(). */
	return plausible_chunk(g, top) || top == addr + l->bins - 16;
}

/* The ring of arenas leads back to main_arena. */
static int ring_holds(struct glibc *g, uint64_t main, const struct arena_layout *l,
		      uint64_t next)
{
	uint8_t state[STATE_MAX];

	for (unsigned int n = 0; next != main; n++) {
		int ok;

		if (n == ARENAS_MAX || next % 16 || !in_heap_memory(g, next))
			return 0;
		ok = state_holds(g, next, l, state);
		if (ok <= 0)
			return ok;
		next = get64(state, l->next);
	}
	return 1;
}

static int add_arena(struct glibc *g, uint64_t addr, const uint8_t *state)
{
	const struct arena_layout *l = g->layout;
	struct arena *a;

	if (!grow(&g->arenas, &g->arenas_cap, g->narenas, sizeof(*a)))
		return -ENOMEM;
	a = &g->arenas[g->narenas];
	*a = (struct arena){ .addr = addr,
			     .top = get64(state, l->top),
			     .system_mem = get64(state, l->system_mem),
			     .noncontiguous = (get32(state, 4) & 2) != 0 };
	for (int i = 0; l->fastbins && i < NFASTBINS; i++)
		a->fastbins[i] = get64(state, l->fastbins + (size_t)i * 8);
	g->narenas++;
	return 0;
}

/* 1, or -errno; 0 if not even the first is there any more. */
static int take_arenas(struct glibc *g, uint64_t main, const struct arena_layout *l)
{
	uint8_t state[STATE_MAX];
	uint64_t addr = main;

	g->layout = l;
	do {
		int err = read_state(g, addr, l, state);

		if (err == -ESRCH || err == -EPERM)
			return err;
		if (err) {
			heap_absent(g->heap);
			break;
		}
		err = add_arena(g, addr, state);
		if (err)
			return err;
		addr = get64(state, l->next);
	} while (addr != main && g->narenas < ARENAS_MAX);
	return g->narenas != 0;
}

/* Tries @addr as the place of bin 1's links in each layout. */
static int try_bins(struct glibc *g, uint64_t addr)
{
	uint8_t state[STATE_MAX];

	for (size_t i = 0; i < COUNT(arena_layouts); i++) {
		const struct arena_layout *l = &arena_layouts[i];
		uint64_t main = addr - l->bins;
		int ok = state_holds(g, main, l, state);

		if (ok > 0)
			ok = ring_holds(g, main, l, get64(state, l->next));
		if (ok < 0)
			return ok;
		if (ok)
			return take_arenas(g, main, l);
	}
	return 0;
}

static bool self_linked(const uint8_t *buf, uint64_t addr, size_t at)
{
	return get64(buf, at) == addr + at - 16 && get64(buf, at + 8) == addr + at - 16;
}

/* How many empty bins there are in 127 bins' worth of memory from @at on. */
static int count_linked(const uint8_t *buf, uint64_t addr, size_t len, size_t at)
{
	int n = 0;

	for (int i = 0; i < NBINS && at + 16 <= len; i++, at += 16)
		n += self_linked(buf, addr, at);
	return n;
}

/*
 * At @at an empty bin was seen: it may be any of the 127, so every place of
 * bin 1 that is consistent with it is tried, the likeliest first.
 */
static int try_around(struct glibc *g, uint64_t linked)
{
	for (uint64_t i = 0; i < NBINS; i++) {
		int ok = try_bins(g, linked - 16 * i);

		if (ok)
			return ok;
	}
	return 0;
}

struct root_scan {
	struct data_scan scan;
	struct glibc *g;
	unsigned int tries;
};

/* A window of data: looks for empty bins, and around each. */
static int scan_window(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct root_scan *r = (struct root_scan *)s;

	for (size_t i = 0; i + 16 <= len; i += 8) {
		int ok;

		if (!self_linked(buf, at, i))
			continue;
		if (count_linked(buf, at, len, i) < SELF_LINKED_MIN &&
		    len - i > NBINS * 16)
			continue;
		if (++r->tries > TRIES_MAX)
			return 0;
		ok = try_around(r->g, at + i);
		if (ok)
			return ok;
	}
	return 0;
}

static uint64_t data_end(const struct glibc *g, uint64_t addr)
{
	const struct vma_list *l = g->src->vmas;

	for (size_t i = 0; i < l->n; i++)
		if (addr >= l->v[i].start && addr < l->v[i].end)
			return i + 1 < l->n && heap_is_data(l, i + 1) &&
					       l->v[i + 1].start == l->v[i].end
				       ? l->v[i + 1].end
				       : l->v[i].end;
	return addr;
}

static void read_par(const uint8_t *buf, const struct par_layout *l, struct malloc_par *p)
{
	*p = (struct malloc_par){
		.layout = l,
		.trim_threshold = get64(buf, 0),
		.top_pad = get64(buf, 8),
		.mmap_threshold = get64(buf, 16),
		.arena_test = get64(buf, 24),
		.arena_max = get64(buf, 32),
		.thp_pagesize = l->thp_pagesize ? get64(buf, l->thp_pagesize) : 0,
		.hp_pagesize = l->hp_pagesize ? get64(buf, l->hp_pagesize) : 0,
		.n_mmaps = get32(buf, l->n_mmaps),
		.n_mmaps_max = get32(buf, l->n_mmaps + 4),
		.max_n_mmaps = get32(buf, l->n_mmaps + 8),
		.no_dyn_threshold = get32(buf, l->n_mmaps + 12),
		.mmapped_mem = get64(buf, l->mmapped_mem),
		.sbrk_base = get64(buf, l->mmapped_mem + 16),
		.tcache_bins = get64(buf, l->mmapped_mem + 24),
		.tcache_max_bytes = get64(buf, l->mmapped_mem + 32),
		.tcache_count = get64(buf, l->mmapped_mem + 40),
	};
}

static bool page_power(const struct glibc *g, uint64_t n)
{
	return !n || (!(n & (n - 1)) && n >= g->page);
}

/* What is counted of blocks that have mappings of their own. */
static bool mmapped_holds(const struct glibc *g, const struct malloc_par *p,
			  uint64_t max_mmapped)
{
	if (p->mmapped_mem > max_mmapped)
		return false;
	if (p->layout->drifts)
		return p->mmapped_mem % CHUNK_ALIGN == 0 &&
		       (!p->n_mmaps || p->mmapped_mem);
	return !p->n_mmaps == !p->mmapped_mem && p->mmapped_mem % g->page == 0;
}

/* Relations between the fields that hold in every process. */
static bool par_holds(const struct glibc *g, const struct malloc_par *p,
		      uint64_t max_mmapped)
{
	if (!p->arena_test || p->arena_test > ARENAS_MAX || p->arena_max > ARENAS_MAX)
		return false;
	if (p->no_dyn_threshold > 1 || p->n_mmaps > p->max_n_mmaps ||
	    p->n_mmaps_max > INT32_MAX || p->max_n_mmaps > INT32_MAX)
		return false;
	return mmapped_holds(g, p, max_mmapped) && page_power(g, p->thp_pagesize) &&
	       page_power(g, p->hp_pagesize) && p->tcache_bins <= TCACHE_BINS_MAX &&
	       p->tcache_count <= UINT16_MAX && p->tcache_max_bytes <= TCACHE_BYTES_MAX;
}

/*
 * How much like mp_ it looks: fields that still have their defaults, and the
 * start of the brk heap. A setting may change any of them, hardly all.
 */
static int par_score(const struct glibc *g, const struct malloc_par *p)
{
	const struct vma *v = p->sbrk_base ? vma_find(g->src->vmas, p->sbrk_base) : NULL;
	bool at_heap = v && p->sbrk_base <= g->arenas[0].top &&
		       !strcmp(v->name, "[heap]") && p->sbrk_base - v->start < g->page;

	return 4 * at_heap + 2 * (p->arena_test == 8) + (p->n_mmaps_max == 65536) +
	       (p->top_pad == 128 << 10) + (p->tcache_bins == 64) +
	       (p->tcache_max_bytes >= 0x400 && p->tcache_max_bytes <= 0x420) +
	       (p->mmap_threshold >= 128 << 10 && p->mmap_threshold <= 32 << 20) +
	       (p->trim_threshold >= 128 << 10 && p->trim_threshold <= 64 << 20);
}

#define SCORE_MIN 6 /* of 12 */

static void best_par(struct glibc *g, const uint8_t *buf, size_t len)
{
	int best = SCORE_MIN - 1;
	struct malloc_par p;

	for (size_t i = 0; i < COUNT(par_layouts); i++) {
		const struct par_layout *l = &par_layouts[i];

		for (size_t at = 0; at + l->size <= len; at += 8) {
			read_par(buf + at, l, &p);
			if (!par_holds(g, &p, get64(buf + at, l->mmapped_mem + 8)) ||
			    par_score(g, &p) <= best)
				continue;
			best = par_score(g, &p);
			g->par = p;
			g->par.found = true;
		}
	}
}

static int find_par(struct glibc *g)
{
	uint64_t main = g->arenas[0].addr;
	uint64_t start = main - main % g->page, end = data_end(g, main);
	const struct vma *v = vma_find(g->src->vmas, main);
	uint8_t *buf = malloc(READER_WINDOW);
	uint8_t present[READER_WINDOW_PAGES];
	ssize_t got;

	if (!buf)
		return -ENOMEM;
	start = v && start - v->start > PAR_SEARCH ? start - PAR_SEARCH
		: v				   ? v->start
						   : start;
	if (end - main > PAR_SEARCH + g->page)
		end = main - main % g->page + PAR_SEARCH + g->page;
	got = reader_window(&g->src->target->reader, start, end - start, buf, present);
	if (got >= 0)
		best_par(g, buf, end - start);
	free(buf);
	return got < 0 ? (int)got : 0;
}

int glibc_find_roots(struct glibc *g)
{
	struct root_scan scan = { .scan.window = scan_window, .g = g };
	int found = data_scan(g->src, &scan.scan);

	if (found > 0) {
		int err = find_par(g);

		if (err)
			found = err;
	}
	return found;
}
