// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds tcmalloc's page map without symbols. Its root is an array in .bss whose few
 * elements point to leaves; what is behind it is easily seen. It is the root if the
 * records that its leaves lead to say the very places at which they are found, which
 * also tells how large a page is.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/data.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORD	 sizeof(uint64_t)

#define HITS_MIN    3 /* spans at their own places that settle a root */
#define HITS_ENOUGH 16 /* no more are looked for */
#define LEAF_WORDS  (1u << 18) /* of the largest leaf */
#define LOOK_BUDGET (1u << 14) /* pages of what could be leaves */
#define CACHE_SIZE  (512u << 10) /* packed-cache-inl.h: array_, before the root */
#define LISTS_MIN   8u /* lists of spans that there are at least */
#define BEHIND	    (WORD + 2 * 48 + LISTS_MIN * SPAN_SIZE)

/*
 * page_heap.h: behind the root is the address of a function, by which leaves are
 * allocated, then two std::set, of libstdc++ or libc++, then lists of free spans.
 */
static const unsigned int sets[] = { 48, 24 };

/* common.h: kPageShift, what --with-tcmalloc-pagesize allows; the default first. */
static const unsigned int shifts[] = { 13, 12, 14, 15, 16, 17, 18 };

int gp_find_runs(struct gperftools *g)
{
	const struct vma_list *l = g->src->vmas;

	free(g->runs);
	g->nruns = 0;
	g->runs = malloc((l->n ? l->n : 1) * sizeof(*g->runs));
	if (!g->runs)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		const struct vma *v = &l->v[i];

		if (!vma_is_anon(v))
			continue;
		if (g->nruns && g->runs[g->nruns - 1].end == v->start)
			g->runs[g->nruns - 1].end = v->end;
		else
			g->runs[g->nruns++] = (struct gp_range){ v->start, v->end };
	}
	return 0;
}

size_t gp_run_above(const struct gperftools *g, uint64_t addr)
{
	size_t lo = 0, hi = g->nruns;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->runs[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool gp_mapped_all(const struct gperftools *g, uint64_t start, uint64_t end)
{
	size_t i = gp_run_above(g, start);

	return start < end && i < g->nruns && g->runs[i].start <= start &&
	       end <= g->runs[i].end;
}

bool gp_mapped(const struct gperftools *g, uint64_t addr)
{
	return gp_mapped_all(g, addr, addr + 1);
}

bool gp_any_mapped(const struct gperftools *g, struct gp_map map, uint64_t index)
{
	const unsigned int bits = map.shift + map.leaf_bits;
	size_t i = gp_run_above(g, index << bits);

	return i < g->nruns && g->runs[i].start < (index + 1) << bits;
}

static struct gp_map map_of(unsigned int shift)
{
	unsigned int bits = GP_ADDRESS_BITS - shift, leaf = (bits + 1) / 2;

	return (struct gp_map){ shift, leaf, bits - leaf };
}

/* What a leaf's records say if pages have a certain size. */
struct tally {
	unsigned int hits;
	uint64_t root_index;
};

struct look {
	struct gperftools *g;
	struct gp_page page;
	uint64_t leaf; /* address of what is looked at */
	struct tally by[COUNT(shifts)];
	uint64_t pages; /* that were read */
};

/* Whether the page of its last element, if it was read as well, leads to @e too. */
static bool last_agrees(const struct look *k, const struct gp_entry *e, uint64_t length)
{
	uint64_t last = e->at + (length - 1) * WORD;

	return last / k->page.size != e->at / k->page.size ||
	       get64(k->page.words, last % k->page.size) == e->record;
}

static void judge_entry(struct look *k, const struct gp_entry *e)
{
	uint64_t index = (e->at - k->leaf) / WORD;

	for (size_t i = 0; i < COUNT(shifts); i++) {
		const struct gp_map map = map_of(shifts[i]);
		struct tally *t = &k->by[i];
		struct span s;

		gp_span_fields(e->raw, &s);
		if (index >> map.leaf_bits ||
		    index != s.start % (1ull << map.leaf_bits) ||
		    s.start >> (map.leaf_bits + map.root_bits) || !s.length ||
		    s.length >> (map.leaf_bits + map.root_bits) ||
		    s.location > SPAN_RETURNED || (s.class && s.location) ||
		    (t->hits && t->root_index != s.start >> map.leaf_bits) ||
		    !gp_mapped_all(k->g, s.start << map.shift,
				   (s.start + s.length) << map.shift) ||
		    !last_agrees(k, e, s.length))
			continue;
		t->root_index = s.start >> map.leaf_bits;
		t->hits++;
	}
}

static unsigned int most_hits(const struct look *k)
{
	unsigned int most = 0;

	for (size_t i = 0; i < COUNT(shifts); i++)
		most = k->by[i].hits > most ? k->by[i].hits : most;
	return most;
}

/* Whether the first record that the page leads to is at its own place. */
static int first_hits(struct look *k)
{
	struct gp_entry e = k->page.entries[0];
	uint8_t raw[SPAN_SIZE];
	int err = peek_read(&k->g->peek, e.record, raw, sizeof(raw));

	e.raw = raw;
	if (!err)
		judge_entry(k, &e);
	return err == -ESRCH || err == -EPERM ? err : most_hits(k) > 0;
}

/* A few words may lead to what was mapped a moment ago. */
static bool is_bad(const struct gp_page *p)
{
	return p->bad > p->n / 4;
}

/* A page of what may be a leaf: 1: go on; 0: enough was seen; -errno. */
static int look_at_page(struct look *k, uint64_t from, uint64_t to, bool first)
{
	int got = gp_page_read(&k->page, from, to, false);

	k->pages++;
	if (got <= 0 || !k->page.n || is_bad(&k->page))
		return got < 0 ? got : !is_bad(&k->page);
	/* The first element that leads somewhere is where a span begins. */
	if (first) {
		got = first_hits(k);
		if (got <= 0)
			return got;
		memset(k->by, 0, sizeof(k->by));
	}
	got = gp_page_read(&k->page, from, to, true);
	for (size_t i = 0; got > 0 && i < k->page.n; i++)
		if (k->page.entries[i].raw)
			judge_entry(k, &k->page.entries[i]);
	return got < 0 ? got : most_hits(k) < HITS_ENOUGH;
}

/* Counts the records that are at their own places. 0 or -errno. */
static int look_at_leaf(struct look *k)
{
	uint64_t end = k->leaf + LEAF_WORDS * WORD, to;
	int more = 1;

	memset(k->by, 0, sizeof(k->by));
	for (uint64_t at = k->leaf; more > 0 && at < end && k->pages < LOOK_BUDGET;
	     at = to) {
		to = at - at % k->page.size + k->page.size;
		to = to < end ? to : end;
		if (!gp_mapped_all(k->g, at, to))
			break;
		more = look_at_page(k, at, to, !most_hits(k));
	}
	return more < 0 ? more : 0;
}

/* The writable data around @addr: one library's, or the program's. */
static struct gp_range data_around(const struct gperftools *g, uint64_t addr)
{
	const struct vma_list *l = g->src->vmas;
	const struct vma *v = vma_find(l, addr);
	struct gp_range r = { addr, addr };

	if (!v)
		return r;
	for (const struct vma *i = v; i->flags & VMA_WRITE; i--) {
		r.start = i->start;
		if (i == l->v || i[-1].end != i->start)
			break;
	}
	for (const struct vma *i = v; i->flags & VMA_WRITE; i++) {
		r.end = i->end;
		if (i + 1 == l->v + l->n || i[1].start != i->end)
			break;
	}
	return r;
}

/*
 * Counts the records that the root's elements in a window of it, of which @from is the
 * first, lead to and that are at their own places. 0 or -errno.
 */
static int look_at_root(struct look *k, const uint8_t *data, uint64_t from, size_t n,
			size_t shift, unsigned int *hits)
{
	for (size_t i = 0; i < n && *hits < HITS_MIN; i++) {
		int err;

		k->leaf = get64(data, i * WORD);
		if (!k->leaf || k->leaf % WORD ||
		    !gp_any_mapped(k->g, map_of(shifts[shift]), from + i))
			continue;
		err = look_at_leaf(k);
		if (err)
			return err;
		if (k->by[shift].hits && k->by[shift].root_index == from + i)
			*hits += k->by[shift].hits;
	}
	return 0;
}

/* Whether there is a root at @root, if pages are as large as @shift has it. */
static int try_root(struct look *k, uint64_t root, size_t shift)
{
	struct gperftools *g = k->g;
	const struct gp_map map = map_of(shifts[shift]);
	uint64_t size = k->page.size, end = root + (WORD << map.root_bits);
	uint8_t *data = malloc(size);
	unsigned int hits = 0;
	int err = data ? 0 : -ENOMEM;

	for (uint64_t at = root, to; !err && at < end && hits < HITS_MIN; at = to) {
		uint64_t start = at - at % size;
		uint8_t present;
		ssize_t got = reader_window(&g->src->target->reader, start, size, data,
					    &present);

		to = start + size < end ? start + size : end;
		err = got < 0 ? (int)got : 0;
		if (got > 0)
			err = look_at_root(k, data + (at - start), (at - root) / WORD,
					   (to - at) / WORD, shift, &hits);
	}
	free(data);
	g->map = map;
	g->root = root;
	return err ? err : hits >= HITS_MIN;
}

/* The root ends at @end, with what is before it in the same data. 1, 0 or -errno. */
static int try_roots(struct look *k, uint64_t end)
{
	int found = 0;

	for (size_t i = 0; !found && i < COUNT(shifts); i++) {
		uint64_t size = WORD << map_of(shifts[i]).root_bits;

		if (end - k->g->data.start >= size + CACHE_SIZE)
			found = try_root(k, end - size, i);
	}
	return found;
}

/*
 * Whether lists of spans are at @addr, of which @b is a copy: their heads are spans
 * that lead to themselves or into tcmalloc's memory.
 */
static bool lists_hold(const struct gperftools *g, const uint8_t *b, uint64_t addr)
{
	for (uint64_t i = 0; i < LISTS_MIN * SPAN_SIZE; i += SPAN_SIZE) {
		uint64_t next = get64(b, i + SPAN_NEXT);
		uint64_t prev = get64(b, i + SPAN_NEXT + WORD);

		if ((next == addr + i) != (prev == addr + i))
			return false;
		if (next != addr + i && (!gp_mapped(g, next) || !gp_mapped(g, prev)))
			return false;
	}
	return true;
}

/* Where lists of spans are, if at @addr, as in @b, is what is behind the root; or 0. */
static uint64_t lists_behind(const struct gperftools *g, const uint8_t *b, uint64_t addr)
{
	const struct vma *v;

	for (size_t i = 0; i < COUNT(sets); i++)
		if (lists_hold(g, b + WORD + 2 * sets[i], addr + WORD + 2 * sets[i])) {
			v = vma_find(g->src->vmas, get64(b, 0));
			return v && v->flags & VMA_EXEC ? addr + WORD + 2 * sets[i] : 0;
		}
	return 0;
}

struct root_scan {
	struct data_scan scan;
	struct look look;
};

static int scan_root(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct look *k = &((struct root_scan *)s)->look;
	struct gperftools *g = k->g;

	g->data = data_around(g, at);
	for (size_t i = 0; i + BEHIND <= len && k->pages < LOOK_BUDGET; i += WORD) {
		int found = 0;

		g->lists = get64(buf, i) ? lists_behind(g, buf + i, at + i) : 0;
		if (g->lists)
			found = try_roots(k, at + i);
		if (found)
			return found;
	}
	return 0;
}

int gp_find_map(struct gperftools *g)
{
	struct root_scan s = { .scan.window = scan_root, .look.g = g };
	int found = gp_page_init(&s.look.page, g);

	if (!found)
		found = data_scan(g->src, &s.scan);
	gp_page_free(&s.look.page);
	return found;
}
