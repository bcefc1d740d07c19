// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds the root of jemalloc's radix tree without symbols, and settles which layout
 * the process has. The root is an array in .bss whose few elements point to tables.
 * A word there is one of them if what it leads to are records that say of themselves
 * the very addresses at which they are found; and these also say which element of the
 * root it was.
 */
#include "heap/jemalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/data.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* rtree.h of 5.0 to 5.3: RTREE_LEAF_COMPACT is set for LG_VADDR 48, not for 57. */
static const struct tree_layout tree_layouts[] = {
	{ 2, 18, 8, 0x0000ffffffffffc0 }, /* LG_VADDR 48 */
	{ 3, 15, 16, 0x00ffffffffffffc0 }, /* LG_VADDR 57 */
};

/* EXTENT_BITS_*_SHIFT in extent_structs.h, EDATA_BITS_*_SHIFT in edata.h. */
static const struct record_layout record_layouts[] = {
	{ "5.3", 14, 17, 3, 20, 28, false, false },
	{ "5.1-5.2", 0, 16, 2, 18, 26, true, false },
	{ "5.0", 0, 15, 2, 17, 25, true, true },
};

#define HITS_MIN   3 /* records at their own addresses that settle a root */
#define TRIES_MAX  4096 /* words of a VMA that could be a table's address */
#define LOOKS_MAX  (1u << 16) /* pages of tables, lest forged ones cost hours */
#define LOOK_BATCH 64
#define UNSHIFTED  4 /* so many at the start of their pages: if padded, one of 64 is */
#define SAMPLE	   20000 /* records that the layouts are judged by */

struct look {
	struct jemalloc *j;
	const struct tree_layout *tree;
	unsigned int hits;
	uint64_t start; /* of a record that hit */
};

/* A page of a table, as far as the table lies on it: @n bytes at @addr. */
struct table_page {
	uint64_t table, addr;
	const uint8_t *data;
	size_t n;
};

/* 1: what was sought is found; LOOK_WRONG: this is no table; 0: go on; -errno. */
typedef int (*page_fn)(struct look *k, const struct table_page *p);
#define LOOK_WRONG 2

static uint64_t leaf_span(const struct tree_layout *t)
{
	return (uint64_t)JE_PAGE << t->bits;
}

static bool all_zero(const struct table_page *p)
{
	for (size_t i = 0; i < p->n; i += sizeof(uint64_t))
		if (get64(p->data, i))
			return false;
	return true;
}

static bool same_leaf(const struct look *k, uint64_t a, uint64_t b)
{
	return a / leaf_span(k->tree) == b / leaf_span(k->tree);
}

/* Counts the records that are at their own addresses. */
static int count_hits(struct look *k, const struct table_page *p)
{
	uint64_t where[LOOK_BATCH], at[LOOK_BATCH];
	uint8_t head[LOOK_BATCH][16], ok[LOOK_BATCH];
	size_t found = 0;
	int err;

	for (size_t i = 0; i < p->n && found < LOOK_BATCH; i += k->tree->element) {
		uint64_t record = get64(p->data, i) & k->tree->pointer;

		if (!record || (found && where[found - 1] == record))
			continue;
		if (!je_mapped_all(k->j, record, record + RECORD_SIZE))
			return LOOK_WRONG;
		where[found] = record;
		at[found++] = (p->addr - p->table + i) / k->tree->element * JE_PAGE;
	}
	if (!found)
		return 0;
	err = reader_gather(&k->j->src->target->reader, where, found, sizeof(head[0]),
			    head, ok);
	for (size_t i = 0; !err && i < found; i++) {
		uint64_t start = get64(head[i], RECORD_ADDR);

		start -= start % JE_PAGE;
		if (!ok[i] || start % leaf_span(k->tree) != at[i] ||
		    !je_mapped(k->j, start) ||
		    (k->hits && !same_leaf(k, start, k->start)))
			continue;
		k->start = start;
		k->hits++;
	}
	return err ? err : k->hits >= HITS_MIN;
}

/* Shows @fn the resident pages of a window of a table that are not empty. */
static int look_at_window(struct look *k, page_fn fn, struct table_page *p,
			  const uint8_t *data, const uint8_t *present, size_t len)
{
	uint64_t page = k->j->src->target->reader.page_size,
		 at = p->addr - p->addr % page;
	uint64_t end = p->addr + p->n;
	int answer = 0;

	for (size_t i = 0; !answer && i < len / page && at < end; i++, at += page) {
		struct table_page q = { .table = p->table,
					.addr = at < p->addr ? p->addr : at };

		q.n = (at + page < end ? at + page : end) - q.addr;
		q.data = data + i * page + (q.addr - at);
		if (!page_is_resident(present[i]) || all_zero(&q))
			continue;
		if (!k->j->looks)
			return LOOK_WRONG;
		k->j->looks--;
		answer = fn(k, &q);
	}
	return answer;
}

/* Looks through a table of @size bytes until @fn has an answer. */
static int look_into(struct look *k, page_fn fn, uint64_t table, uint64_t size)
{
	struct reader *r = &k->j->src->target->reader;
	uint64_t at = table - table % r->page_size, end = table + size;
	uint8_t present[READER_WINDOW_PAGES];
	uint8_t *data = malloc(READER_WINDOW);
	int answer = data ? 0 : -ENOMEM;

	for (uint64_t len; !answer && at < end && k->j->looks; at += len) {
		struct table_page p = { .table = table, .addr = at < table ? table : at };
		ssize_t got;

		len = (end - at + r->page_size - 1) / r->page_size * r->page_size;
		len = len < READER_WINDOW ? len : READER_WINDOW;
		p.n = (at + len < end ? at + len : end) - p.addr;
		k->j->looks--;
		got = reader_window(r, at, len, data, present);
		if (got < 0)
			answer = (int)got;
		else if (got)
			answer = look_at_window(k, fn, &p, data, present, len);
	}
	free(data);
	return answer;
}

/* Tables lie in blocks of jemalloc's own, where other pointers hardly lead. */
static bool could_be_table(const struct look *k, uint64_t addr, uint64_t size)
{
	const struct block *b = je_block_of(k->j, addr);

	return b && addr % 64 == 0 && addr > b->start && addr + size <= b->used;
}

static int look_leaf(struct look *k, uint64_t leaf)
{
	uint64_t size = (uint64_t)k->tree->element << k->tree->bits;

	k->hits = 0;
	return could_be_table(k, leaf, size) ? look_into(k, count_hits, leaf, size)
					     : LOOK_WRONG;
}

/* The level between the root and the leaves: its elements lead to leaves. */
static int look_node(struct look *k, const struct table_page *p)
{
	for (size_t i = 0; i < p->n; i += sizeof(uint64_t)) {
		uint64_t leaf = get64(p->data, i), index = (p->addr - p->table + i) / 8;
		int answer = leaf ? look_leaf(k, leaf) : 0;

		if (answer == 1 &&
		    k->start / leaf_span(k->tree) % (1u << k->tree->bits) != index)
			answer = LOOK_WRONG;
		if (answer)
			return answer;
	}
	return 0;
}

/* Whether @table is what an element of a root points to. */
static int try_table(struct look *k, uint64_t table)
{
	uint64_t size = sizeof(uint64_t) << k->tree->bits;
	int answer = LOOK_WRONG;

	if (k->tree->levels == 2)
		answer = look_leaf(k, table);
	else if (could_be_table(k, table, size))
		answer = look_into(k, look_node, table, size);
	return answer == LOOK_WRONG ? 0 : answer;
}

/* Whether all of the root would lie in a file's data. */
static bool in_data(const struct jemalloc *j, uint64_t start, uint64_t end)
{
	const struct vma_list *l = j->src->vmas;

	while (start < end) {
		const struct vma *v = vma_find(l, start);

		if (!v || !(v->flags & VMA_WRITE))
			return false;
		start = v->end;
	}
	return true;
}

struct root_scan {
	struct data_scan scan;
	struct jemalloc *j;
	unsigned int tries;
	uint64_t vma_end; /* of the VMA that these were made in */
};

/* Takes the first root that @word is of. 1: it is of another one. */
static int try_word(struct jemalloc *j, uint64_t addr, uint64_t word)
{
	for (size_t i = 0; i < COUNT(tree_layouts); i++) {
		struct look k = { .j = j, .tree = &tree_layouts[i] };
		uint64_t size = sizeof(uint64_t) << k.tree->bits, root;
		int found = try_table(&k, word);

		if (found < 0)
			return found;
		if (!found)
			continue;
		root = addr - k.start /
				      (leaf_span(k.tree)
				       << k.tree->bits * (k.tree->levels - 2)) *
				      sizeof(uint64_t);
		if (root > addr || !in_data(j, root, root + size))
			continue;
		j->several = j->tree;
		if (j->several)
			return 1;
		j->root = root;
		j->tree = k.tree;
		return 0;
	}
	return 0;
}

/* Whether a word at @addr is of the root that was found. */
static bool in_root(const struct jemalloc *j, uint64_t addr)
{
	return j->tree && addr >= j->root &&
	       addr < j->root + (sizeof(uint64_t) << j->tree->bits);
}

static int scan_window(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct root_scan *r = (struct root_scan *)s;

	/* What looks like .bss may be jemalloc's own memory, put next to a library. */
	if (at >= r->vma_end) {
		r->vma_end = vma_find(r->j->src->vmas, at)->end;
		r->tries = 0;
	}
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = get64(buf, i);
		int ok;

		if (!word || word % 64 || !je_block_of(r->j, word) ||
		    je_block_of(r->j, at + i) || in_root(r->j, at + i))
			continue;
		if (++r->tries > TRIES_MAX)
			return 0;
		ok = try_word(r->j, at + i, word);
		s->useful |= in_root(r->j, at + i);
		if (ok)
			return ok;
	}
	return 0;
}

/* How well each layout explains the records. */
struct judge {
	struct tree_visitor visitor;
	struct jemalloc *j;
	size_t seen;
	size_t good[COUNT(record_layouts)][2];
};

/* A record that fits its size class closely, or whose bitmap agrees with its count. */
static bool fits_well(const struct class_table *c, const struct record *r)
{
	uint64_t size = r->end - r->start;

	if (r->slab)
		return size % c->size[r->szind] == 0 && r->nfree == je_free_regions(c, r);
	if (r->szind == c->n)
		return true;
	return size <= c->size[r->szind] + JE_PAGE;
}

/* The last page of an extent leads to its record too, which says where it begins. */
static bool is_end(const struct tree_entry *e)
{
	uint64_t start = get64(e->raw, RECORD_ADDR), size = get64(e->raw, RECORD_EXTENT);

	start -= start % JE_PAGE;
	return e->start > start && e->start - start < size;
}

static int judge_entry(struct tree_visitor *v, const struct tree_entry *e)
{
	struct judge *g = (struct judge *)v;
	struct block *b = je_block_of(g->j, e->record);

	if (!e->raw)
		return 0;
	if (b && b->arena == JE_ARENAS)
		b->arena = get64(e->raw, 0) % JE_ARENAS;
	if (is_end(e))
		return 0;
	for (size_t i = 0; i < COUNT(record_layouts); i++)
		for (int q = 0; q < 2; q++) {
			const struct class_table *c = &g->j->tables[q];
			struct record r;

			g->good[i][q] += je_decode(g->j, &record_layouts[i], c, e->raw,
						   e->start, &r) &&
					 fits_well(c, &r);
		}
	return ++g->seen == SAMPLE;
}

/* What large allocations there are, until it is clear. */
static int padding_entry(struct tree_visitor *v, const struct tree_entry *e)
{
	struct judge *g = (struct judge *)v;
	const struct jemalloc *j = g->j;
	enum je_padding found;
	struct record r;

	if (!e->raw || !je_decode(j, j->record, j->classes, e->raw, e->start, &r) ||
	    !je_is_large(j->classes, &r))
		return 0;
	found = je_padding_of(j, &r);
	return found == PADDING_UNKNOWN && ++g->seen == UNSHIFTED ? NOT_PADDED : found;
}

static bool judge_all(struct tree_visitor *v, const struct tree_entry *e, size_t n)
{
	(void)v;
	(void)e;
	(void)n;
	return true;
}

static int judge_absent(struct tree_visitor *v, uint64_t start, uint64_t end)
{
	(void)v;
	(void)start;
	(void)end;
	return 0;
}

/*
 * The layout that explains most. A record may have changed while it was read; a layout
 * that fails more than a quarter is another allocator's, or a later version's.
 */
int je_choose_layout(struct jemalloc *j)
{
	struct judge g = { { judge_all, judge_entry, judge_absent }, .j = j };
	int err = je_walk_tree(j, &g.visitor);
	size_t best = 0;

	if (err < 0 && err != -EPROTO)
		return err;
	for (size_t i = 0; i < COUNT(record_layouts); i++)
		for (int q = 0; q < 2; q++)
			if (g.good[i][q] > best) {
				best = g.good[i][q];
				j->record = &record_layouts[i];
				j->classes = &j->tables[q];
			}
	if (best < HITS_MIN || best < g.seen / 4 * 3)
		j->record = NULL;
	return 0;
}

/* Where little is there that could tell: jemalloc's default. */
int je_find_padding(struct jemalloc *j)
{
	struct judge g = { { judge_all, padding_entry, judge_absent }, .j = j };
	int found = je_walk_tree(j, &g.visitor);

	j->padding = found > 0 ? (enum je_padding)found : PADDED;
	return found < 0 && found != -EPROTO ? found : 0;
}

int je_find_root(struct jemalloc *j)
{
	struct root_scan scan = { .scan.window = scan_window, .j = j };
	int err;

	j->looks = LOOKS_MAX;
	err = data_scan(j->src, &scan.scan);
	return err < 0 ? err : j->tree != NULL;
}
