// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks the radix tree from its root. A leaf has one element a page of address space;
 * it is read by the page, where it is resident, and the records that it leads to right
 * after it: the less passes in between, the less changes. A page whose records do not
 * agree with it is read again.
 */
#include "heap/jemalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRIES	    4
#define RETRIES_MAX 8192u /* pages that are read again, in all */
#define SLACK	    4096u /* pages that may have become resident since they were counted */
#define PIECE	    64u /* records and tables are aligned to this */
#define BATCH	    512u /* records that are read together */
#define KEPT	    8192u /* lines, 32 MiB: the records of some 4 GiB in small slabs */

/* What records lie in: many are neighbours. One may lie across two lines. */
struct lines {
	uint64_t addr[2 * BATCH];
	uint8_t ok[2 * BATCH];
	uint8_t data[2 * BATCH][PEEK_LINE];
	size_t n;
	/* Those that were read before; a slot is that of one place only. 0: empty. */
	uint64_t kept_addr[KEPT];
	uint8_t kept[KEPT][PEEK_LINE];
};

struct tree_walk {
	struct jemalloc *j;
	struct tree_visitor *v;
	uint64_t page; /* bytes in a page */
	uint8_t *data[JE_LEVELS_MAX]; /* a page of each level's table */
	struct tree_entry *entries; /* of a page of a leaf */
	size_t n;
	struct lines *lines;
	uint8_t *raw; /* RECORD_SIZE bytes an entry */
	uint64_t budget; /* tables, and pages of them, that may still be read */
	unsigned int retries; /* that are left */
};

/* A table of the tree: where it is, and the address space that it describes. */
struct table {
	unsigned int level;
	uint64_t addr;
	uint64_t start; /* of its first element */
};

static bool is_leaf(const struct tree_walk *w, const struct table *t)
{
	return t->level + 1 == w->j->tree->levels;
}

static uint64_t element_size(const struct tree_walk *w, const struct table *t)
{
	return is_leaf(w, t) ? w->j->tree->element : sizeof(uint64_t);
}

/* The address that the element at @at of a table stands for. */
static uint64_t start_of(const struct tree_walk *w, const struct table *t, uint64_t at)
{
	const struct tree_layout *l = w->j->tree;

	return t->start + ((at - t->addr) / element_size(w, t)
			   << l->bits * (l->levels - 1 - t->level)) *
				  JE_PAGE;
}

/* An element of a leaf. What is no record's address is nothing. */
static void take_element(struct tree_walk *w, uint64_t start, uint64_t word)
{
	uint64_t record = word & w->j->tree->pointer;
	struct tree_entry *last = w->n ? &w->entries[w->n - 1] : NULL;

	if (last && last->record == record)
		last->last = start;
	else if (je_mapped_all(w->j, record, record + RECORD_SIZE))
		w->entries[w->n++] = (struct tree_entry){ start, start, record, NULL };
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The lines of the @n entries that have no record yet, each once. */
static void list_lines(struct lines *l, const struct tree_entry *e, size_t n)
{
	size_t kept = 0;

	l->n = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t first = e[i].record - e[i].record % PEEK_LINE;

		if (e[i].raw)
			continue;
		l->addr[l->n++] = first;
		if (e[i].record + RECORD_SIZE > first + PEEK_LINE)
			l->addr[l->n++] = first + PEEK_LINE;
	}
	qsort(l->addr, l->n, sizeof(l->addr[0]), by_address);
	for (size_t i = 0; i < l->n; i++)
		if (!kept || l->addr[i] != l->addr[kept - 1])
			l->addr[kept++] = l->addr[i];
	l->n = kept;
}

static const uint8_t *kept_line(const struct lines *l, uint64_t line)
{
	size_t slot = line / PEEK_LINE % KEPT;

	return l->kept_addr[slot] == line ? l->kept[slot] : NULL;
}

static const uint8_t *read_line(const struct lines *l, uint64_t line)
{
	const uint64_t *at = bsearch(&line, l->addr, l->n, sizeof(line), by_address);

	return at && l->ok[at - l->addr] ? l->data[at - l->addr] : NULL;
}

static void keep_lines(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t slot = l->addr[i] / PEEK_LINE % KEPT;

		if (!l->ok[i])
			continue;
		l->kept_addr[slot] = l->addr[i];
		memcpy(l->kept[slot], l->data[i], PEEK_LINE);
	}
}

typedef const uint8_t *(*line_fn)(const struct lines *l, uint64_t line);

/* To each of @n entries its record, as far as @find has its lines. */
static void take_records(struct tree_walk *w, size_t first, size_t n, line_fn find)
{
	for (size_t i = first; i < first + n; i++) {
		struct tree_entry *e = &w->entries[i];
		size_t at = e->record % PEEK_LINE, left = PEEK_LINE - at;
		size_t len = left < RECORD_SIZE ? left : RECORD_SIZE;
		const uint8_t *line = e->raw ? NULL : find(w->lines, e->record - at);
		const uint8_t *next = line;
		uint8_t *to = w->raw + i * RECORD_SIZE;

		if (len < RECORD_SIZE)
			next = line ? find(w->lines, e->record + len) : NULL;
		if (!next)
			continue;
		memcpy(to, line + at, len);
		memcpy(to + len, next, RECORD_SIZE - len);
		e->raw = to;
	}
}

/* @again: what was kept made no sense. */
static int gather_records(struct tree_walk *w, bool again)
{
	struct reader *r = &w->j->src->target->reader;
	struct lines *l = w->lines;

	for (size_t i = 0, n; i < w->n; i += n) {
		int err;

		n = w->n - i < BATCH ? w->n - i : BATCH;
		if (!again)
			take_records(w, i, n, kept_line);
		list_lines(l, w->entries + i, n);
		if (!l->n)
			continue;
		err = reader_gather(r, l->addr, l->n, PEEK_LINE, l->data, l->ok);
		if (err)
			return err;
		take_records(w, i, n, read_line);
		keep_lines(l);
	}
	return 0;
}

/* The page at @at of a table to @w's buffer. 1 if it is resident, 0 if not, -errno. */
static int read_page(struct tree_walk *w, const struct table *t, uint64_t at)
{
	uint8_t present;
	ssize_t got = reader_window(&w->j->src->target->reader, at, w->page,
				    w->data[t->level], &present);

	return got < 0 ? (int)got : got == 1;
}

/* A page of a leaf, of which the table has [from, to), and what it leads to. */
static int read_entries(struct tree_walk *w, const struct table *t, uint64_t from,
			uint64_t to, bool again)
{
	uint64_t at = from - from % w->page;
	int err = read_page(w, t, at);

	w->n = 0;
	if (err <= 0)
		return err;
	for (uint64_t i = from; i < to; i += w->j->tree->element) {
		uint64_t word = get64(w->data[t->level], i - at);

		if (word)
			take_element(w, start_of(w, t, i), word);
	}
	return gather_records(w, again);
}

static int walk_leaf(struct tree_walk *w, const struct table *t, uint64_t from,
		     uint64_t to)
{
	int err = read_entries(w, t, from, to, false);

	for (int i = 0; !err && i < RETRIES && w->retries; i++, w->retries--) {
		if (w->v->agree(w->v, w->entries, w->n))
			break;
		err = read_entries(w, t, from, to, true);
	}
	for (size_t i = 0; !err && i < w->n; i++)
		err = w->v->entry(w->v, &w->entries[i]);
	return err;
}

static int walk_table(struct tree_walk *w, const struct table *t);

/* A page of a table between the root and the leaves. */
static int walk_node(struct tree_walk *w, const struct table *t, uint64_t from,
		     uint64_t to)
{
	uint64_t at = from - from % w->page;
	int err = read_page(w, t, at);

	if (err <= 0)
		return err;
	err = 0;
	for (uint64_t i = from; !err && i < to; i += sizeof(uint64_t)) {
		uint64_t word = get64(w->data[t->level], i - at);
		struct table next = { t->level + 1, word, start_of(w, t, i) };

		if (word)
			err = walk_table(w, &next);
	}
	return err;
}

static int walk_pages(struct tree_walk *w, const struct table *t, uint64_t at, size_t n,
		      uint64_t end)
{
	uint8_t present[READER_WINDOW_PAGES];
	int err = reader_presence(&w->j->src->target->reader, at, n, present);

	for (size_t i = 0; !err && i < n; i++, at += w->page) {
		uint64_t from = at < t->addr ? t->addr : at;
		uint64_t to = at + w->page < end ? at + w->page : end;

		if (present[i] == PAGE_SWAPPED)
			err = w->v->absent(w->v, start_of(w, t, from),
					   start_of(w, t, to));
		if (!page_is_resident(present[i]))
			continue;
		/* Tables that overlap are forged, and more than is resident. */
		if (!w->budget--)
			return -EPROTO;
		err = is_leaf(w, t) ? walk_leaf(w, t, from, to)
				    : walk_node(w, t, from, to);
	}
	return err;
}

/* A table that is not where it could be is nothing. */
static int walk_table(struct tree_walk *w, const struct table *t)
{
	uint64_t end = t->addr + (element_size(w, t) << w->j->tree->bits);
	uint64_t at = t->addr - t->addr % w->page;
	int err = 0;

	if (t->level && (t->addr % PIECE || !je_mapped_all(w->j, t->addr, end)))
		return 0;
	/* One without a resident page takes time, too. */
	if (!w->budget--)
		return -EPROTO;
	for (uint64_t n; !err && at < end; at += n * w->page) {
		n = (end - at + w->page - 1) / w->page;
		n = n < READER_WINDOW_PAGES ? n : READER_WINDOW_PAGES;
		err = walk_pages(w, t, at, n, end);
	}
	return err;
}

/* Room for one page of each level, and for all that a page of a leaf can lead to. */
static bool make_room(struct tree_walk *w)
{
	size_t n = w->page / sizeof(uint64_t);
	bool ok = true;

	for (unsigned int i = 0; i < w->j->tree->levels; i++) {
		w->data[i] = malloc(w->page);
		ok = ok && w->data[i];
	}
	w->entries = malloc(n * sizeof(*w->entries));
	w->lines = calloc(1, sizeof(*w->lines));
	w->raw = malloc(n * RECORD_SIZE);
	return ok && w->entries && w->lines && w->raw;
}

int je_walk_tree(struct jemalloc *j, struct tree_visitor *v)
{
	struct tree_walk w = { .j = j,
			       .v = v,
			       .page = j->src->target->reader.page_size,
			       .budget = SLACK,
			       .retries = RETRIES_MAX };
	struct table root = { 0, j->root, 0 };
	int err;

	for (size_t i = 0; i < j->src->vmas->n; i++)
		w.budget += j->src->vmas->v[i].st.rss / JE_PAGE;
	err = make_room(&w) ? walk_table(&w, &root) : -ENOMEM;
	for (unsigned int i = 0; i < JE_LEVELS_MAX; i++)
		free(w.data[i]);
	free(w.entries);
	free(w.lines);
	free(w.raw);
	return err;
}
