// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks that look in use but are free: those in thread caches and fastbins.
 * Their lists are followed; every address that a list leads to is checked, and
 * no list is followed for longer than the heap has chunks.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/emit.h"

#define SLOTS_MAX   UINT16_MAX
#define NEXT_BLOCKS 64 /* in which the next mark is looked for: 4 MiB */
#define KNOWN_MAX   (8u << 20) /* free chunks of an arena's bins that are remembered */
/* So many of them are collected anew, each time as if there were some more. */
#define RENEWED_MAX   (1u << 20)
#define RENEWED_LEAST (64u << 10)

/* Bytes for all marks, besides one of so many that are resident. */
#define MARKS_BYTES (48u << 20)
#define MARKS_SHARE 2048u

/* tcache_perthread_struct: 2-byte counts, then 8-byte list heads. */
struct tcache_layout {
	const char *versions;
	unsigned int bins;
	uint64_t chunk_size; /* of the chunk that holds it */
	bool counts_used; /* the first array counts entries; else free slots */
};

static const struct tcache_layout tcache_layouts[] = {
	{ "2.30-2.41", 64, 0x290, true },
	{ "2.42-2.43", 76, 0x300, false },
};

#define CACHE_CHUNK_MAX 0x300u

#define LAYOUTS	   (sizeof(tcache_layouts) / sizeof(tcache_layouts[0]))
#define SMALL_BINS 64u

/* An entry: the end of its chunk's head, then next and key. */
struct entry {
	uint64_t size, next, key;
};

/* 1: it is new; 0: it was there, or no more of them are taken; -ENOMEM. */
static int add_mark(struct glibc *g, uint64_t chunk, enum mark kind)
{
	size_t others = 0;
	int added;

	for (size_t i = 0; i < MARK_KINDS; i++)
		others += i == kind ? 0 : g->marks[i].bytes;
	added = marks_add(&g->marks[kind], chunk,
			  others < g->marks_max ? g->marks_max - others : 0);
	if (added != -ENOSPC)
		return added;
	g->marks_full = true;
	heap_incomplete(g->heap,
			"of the chunks in caches and fastbins, more than %zu took more "
			"memory than a look may have",
			g->marks[kind].n);
	return 0;
}

/* PROTECT_PTR, since 2.32. */
static uint64_t reveal(uint64_t pos, uint64_t next, bool mangled)
{
	return mangled ? next ^ (pos >> 12) : next;
}

static bool on_swap(struct glibc *g, uint64_t addr, size_t len)
{
	uint64_t start = addr - addr % g->page;
	size_t n = (addr + len - start + g->page - 1) / g->page;
	uint8_t present[2];

	return n > sizeof(present) ||
	       reader_presence(&g->src->target->reader, start, n, present) ||
	       memchr(present, PAGE_SWAPPED, n);
}

static int read_entry(struct glibc *g, uint64_t mem, struct entry *e)
{
	int err;

	if (!plausible_chunk(g, mem))
		return -EFAULT;
	err = peek_read(&g->peek, mem - 8, e, sizeof(*e));
	/* What is in a list was written to: what was never touched is in none. */
	return err == -ENODATA && !on_swap(g, mem - 8, sizeof(*e)) ? -EFAULT : err;
}

/* A chunk of @bin has one size; large bins (from 64 on) have ranges of sizes. */
static bool size_fits(uint64_t size, unsigned int bin)
{
	size &= ~(uint64_t)SIZE_FLAGS;
	if (bin < SMALL_BINS)
		return size == CHUNK_MIN + bin * 16ull;
	return size > CHUNK_MIN + (SMALL_BINS - 1) * 16ull && size % CHUNK_ALIGN == 0;
}

/*
 * Follows a list; the number of entries up to its proper end, or -1. With @add,
 * marks them.
 */
static int64_t follow(struct glibc *g, uint64_t head, unsigned int bin, bool mangled,
		      bool add, int *err)
{
	int64_t n = 0;

	for (uint64_t mem = head; mem; n++) {
		struct entry e;

		*err = read_entry(g, mem, &e);
		if (*err || n > SLOTS_MAX || !size_fits(e.size, bin))
			return -1;
		if (add) {
			*err = add_mark(g, mem - 16, MARK_CACHED);
			if (*err < 0)
				return -1;
			*err = 0;
		}
		mem = reveal(mem, e.next, mangled);
	}
	return n;
}

static uint16_t count_of(const uint8_t *t, unsigned int bin)
{
	uint16_t n;

	memcpy(&n, t + 2 * bin, sizeof(n));
	return n;
}

static uint64_t head_of(const uint8_t *t, const struct tcache_layout *l, unsigned int bin)
{
	uint64_t head;

	memcpy(&head, t + 2 * l->bins + 8 * bin, sizeof(head));
	return head;
}

/*
 * Is this a thread cache? Every list must lead to chunks of its bin's size and
 * end, after as many as it counts, where it counts. 1 and *@mangled if so; an
 * empty one is of no interest.
 */
static int holds(struct glibc *g, const uint8_t *t, const struct tcache_layout *l,
		 bool *mangled, int *err)
{
	bool any = false;

	for (unsigned int bin = 0; bin < l->bins; bin++) {
		uint64_t head = head_of(t, l, bin);
		uint16_t count = count_of(t, bin);
		int64_t n;

		if (l->counts_used && !head != !count)
			return 0;
		if (!head)
			continue;
		if (!any) {
			*mangled = true;
			n = follow(g, head, bin, true, false, err);
			if (n < 0 && *err != -ESRCH) {
				*mangled = false;
				n = follow(g, head, bin, false, false, err);
			}
		} else {
			n = follow(g, head, bin, *mangled, false, err);
		}
		if (n < 0 || (l->counts_used && n != count))
			return 0;
		any = true;
	}
	return any;
}

static int take(struct glibc *g, uint64_t chunk, const uint8_t *t,
		const struct tcache_layout *l, bool mangled)
{
	int err = add_mark(g, chunk, MARK_TCACHE);

	for (unsigned int bin = 0; err >= 0 && bin < l->bins; bin++)
		follow(g, head_of(t, l, bin), bin, mangled, true, &err);
	/* A list that broke since it was checked is short, not wrong. */
	return err == -ESRCH || err == -ENOMEM ? err : 1;
}

/* 1 if there is one, of which all is marked; 0 or -errno else. */
static int try_tcache(struct glibc *g, uint64_t chunk, const struct tcache_layout *l)
{
	uint8_t t[TCACHE_BINS_MAX * 10];
	bool mangled = false;
	int err = peek_read(&g->peek, chunk + 16, t, 10 * l->bins);

	/* A cache is zeroed when it is made: a block that was never touched is none. */
	if (err == -ENODATA && !on_swap(g, chunk + 16, 10 * l->bins))
		return 0;
	if (!err && holds(g, t, l, &mangled, &err))
		return take(g, chunk, t, l, mangled);
	/* It may be a cache, of which some is on swap. */
	if (err == -ENODATA)
		heap_absent(g->heap);
	return err == -ESRCH ? err : 0;
}

struct tcache_finder {
	struct chunk_visitor visitor;
	struct glibc *g;
	bool only_one; /* there is no other */
};

static int find_in_chunk(struct chunk_visitor *v, const struct segment *s,
			 enum chunk_kind kind, uint64_t start, uint64_t end,
			 enum break_cause cause)
{
	const struct tcache_finder *f = (struct tcache_finder *)v;
	int found = 0;

	(void)s;
	(void)cause;
	if (kind != CHUNK_INUSE || end - start > CACHE_CHUNK_MAX)
		return 0;
	for (size_t i = 0; i < LAYOUTS; i++)
		if (end - start == tcache_layouts[i].chunk_size)
			found = try_tcache(f->g, start, &tcache_layouts[i]);
	return found > 0 && !f->only_one ? 0 : found;
}

/*
 * Whether there was one thread only, in this process and in those that it was forked
 * from: the next one would have been given an arena of its own, which stays
 * (arena_get2()).
 */
static bool was_single(const struct glibc *g)
{
	return g->src->target->threads == 1 && g->narenas == 1 && g->par.found &&
	       !g->par.arena_max;
}

/* A thread's cache lies anywhere in its arena: all chunks are looked at. */
static int find_tcaches(struct glibc *g)
{
	struct tcache_finder f = { { find_in_chunk }, g, was_single(g) };
	struct walk_window *w = walk_window_new();
	int err = w ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < g->nsegments; i++)
		if (g->segments[i].kind != SEGMENT_MMAPPED)
			err = glibc_walk_segment(g, w, &g->segments[i], &f.visitor);
	walk_window_free(w);
	return err > 0 ? 0 : err;
}

static bool in_fastbin(uint64_t size, unsigned int bin)
{
	return (size & ~(uint64_t)SIZE_FLAGS) == CHUNK_MIN + bin * 16ull;
}

/* plausible_chunk(), which mostly is where the last one was. */
static bool is_near(struct glibc *g, uint64_t chunk)
{
	if (!g->near || chunk < g->near->start || chunk >= g->near->end)
		g->near = heap_memory_of(g, chunk);
	return g->near && chunk % CHUNK_ALIGN == 0;
}

/*
 * A step along fastbin @bin from @chunk, whose fd is where a tcache entry has
 * its next. -EPROTO if @chunk does not belong there.
 */
static int fastbin_next(struct glibc *g, uint64_t chunk, unsigned int bin, bool mangled,
			uint64_t *next)
{
	const uint8_t *line = is_near(g, chunk) ? peek_near(&g->peek, chunk) : NULL;
	struct entry e;

	/* Lists are long: what was read before is looked at where it is. */
	if (line && chunk % PEEK_LINE <= PEEK_LINE - 8 - sizeof(e)) {
		memcpy(&e, line + chunk % PEEK_LINE + 8, sizeof(e));
	} else {
		int err = read_entry(g, chunk + 16, &e);

		if (err)
			return err;
	}
	*next = reveal(chunk + 16, e.next, mangled);
	return in_fastbin(e.size, bin) ? 0 : -EPROTO;
}

bool glibc_fastbin_mangled(struct glibc *g, uint64_t head, unsigned int bin)
{
	uint64_t next, after;

	if (fastbin_next(g, head, bin, true, &next))
		return true;
	return !next || !fastbin_next(g, next, bin, true, &after);
}

/* The list that is nearest to @last; NFASTBINS if all are at their ends. */
static unsigned int nearest(const uint64_t at[NFASTBINS], uint64_t last)
{
	uint64_t best = UINT64_MAX;
	unsigned int bin = NFASTBINS;

	for (unsigned int i = 0; i < NFASTBINS; i++) {
		uint64_t far = at[i] > last ? at[i] - last : last - at[i];

		if (at[i] && far < best) {
			best = far;
			bin = i;
		}
	}
	return bin;
}

static void damaged(struct glibc *g, int err)
{
	if (err == -ENODATA)
		heap_absent(g->heap);
	else
		heap_incomplete(g->heap, "a fastbin could not be followed to its end");
}

/*
 * Follows a list from *@at on as long as it stays nearby. Of a broken list, the part that
 * holds is free memory. *@again counts chunks that were marked before: where lists change
 * meanwhile there may be some; more than there are marks, and it is a ring.
 */
static int follow_nearby(struct glibc *g, unsigned int bin, bool mangled, uint64_t *at,
			 size_t *again)
{
	uint64_t begin = *at / MARKS_BLOCK;

	while (*at && *at / MARKS_BLOCK == begin && !g->marks_full) {
		uint64_t chunk = *at;
		int err = fastbin_next(g, chunk, bin, mangled, at);

		if (!err) {
			int added = add_mark(g, chunk, MARK_FAST);

			if (added < 0)
				return added;
			*again += !added;
			if (*again > g->marks[MARK_FAST].n)
				err = -EPROTO;
		}
		if (err == -ESRCH)
			return err;
		if (err) {
			damaged(g, err);
			*at = 0;
		}
	}
	return 0;
}

/*
 * All fastbins of an arena side by side, so that a page that holds chunks of
 * several is read once.
 */
static int find_arena_fastbins(struct glibc *g, const struct arena *a)
{
	bool mangled = true, known = false;
	uint64_t at[NFASTBINS], last = 0;
	unsigned int bin;
	size_t again = 0;

	memcpy(at, a->fastbins, sizeof(at));
	while (!g->marks_full && (bin = nearest(at, last)) < NFASTBINS) {
		int err;

		if (!known)
			mangled = glibc_fastbin_mangled(g, at[bin], bin);
		known = true;
		last = at[bin];
		err = follow_nearby(g, bin, mangled, &at[bin], &again);
		if (err)
			return err;
	}
	return 0;
}

static int find_fastbins(struct glibc *g)
{
	for (size_t i = 0; i < g->narenas; i++) {
		int err = find_arena_fastbins(g, &g->arenas[i]);

		if (err)
			return err;
	}
	return 0;
}

int glibc_find_marks(struct glibc *g)
{
	const struct vma_list *l = g->src->vmas;
	int err;

	g->marks_max = MARKS_BYTES;
	for (size_t i = 0; i < l->n; i++)
		g->marks_max += l->v[i].st.rss / MARKS_SHARE;
	err = find_tcaches(g);
	return err ? err : find_fastbins(g);
}

void glibc_marks_in(const struct glibc *g, uint64_t start, uint8_t slots[MARKS_SLOTS])
{
	memset(slots, MARK_NONE, MARKS_SLOTS);
	for (uint8_t kind = MARK_NONE + 1; kind < MARK_KINDS; kind++)
		marks_spread(&g->marks[kind], start, kind, slots);
}

uint64_t glibc_next_mark(const struct glibc *g, uint64_t addr, uint64_t end)
{
	uint64_t block = addr - addr % MARKS_BLOCK;
	uint8_t slots[MARKS_SLOTS];

	for (int n = 0; n < NEXT_BLOCKS && block < end; n++, block += MARKS_BLOCK) {
		glibc_marks_in(g, block, slots);
		for (uint64_t i = 0; i < MARKS_SLOTS; i++) {
			uint64_t at = block + i * MARKS_ALIGN;

			if (slots[i] != MARK_NONE && at > addr && at < end)
				return at;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One bin, by fd. The list is circular and ends at its head. */
static int collect_bin(struct glibc *g, struct arena *a, size_t *cap, uint64_t head)
{
	size_t max = g->chunks_max < KNOWN_MAX ? g->chunks_max : KNOWN_MAX;
	uint64_t links[4], chunk;
	int err = peek_read(&g->peek, head, links, sizeof(links));

	if (err)
		return err == -ESRCH ? err : 0;
	for (chunk = links[2]; chunk != head && a->nknown < max; chunk = links[2]) {
		if (!plausible_chunk(g, chunk))
			return 0;
		err = peek_read(&g->peek, chunk, links, sizeof(links));
		if (err)
			return err == -ESRCH ? err : 0;
		if (!grow(&a->known, cap, a->nknown, sizeof(*a->known)))
			return -ENOMEM;
		a->known[a->nknown++] = chunk;
	}
	return 0;
}

int glibc_collect_bins(struct glibc *g, struct arena *a)
{
	size_t cap = 0;
	int err = 0;

	if (a->collected)
		return 0;
	a->collected = true;
	for (uint64_t i = 0; !err && i < NBINS; i++)
		err = collect_bin(g, a, &cap, a->addr + g->layout->bins + 16 * i - 16);
	if (a->nknown)
		qsort(a->known, a->nknown, sizeof(*a->known), by_value);
	return err;
}

int glibc_renew_bins(struct glibc *g, struct arena *a)
{
	int err;

	if (a->renewed >= RENEWED_MAX)
		return 0;
	peek_forget(&g->peek);
	a->collected = false;
	a->nknown = 0;
	err = glibc_collect_bins(g, a);
	a->renewed += a->nknown + RENEWED_LEAST;
	return err;
}
