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
#define PIECE	    64u /* records are aligned to this, so that none straddles pages */
#define PIECES	    (RECORD_SIZE / PIECE)

struct tree_walk {
	struct jemalloc *j;
	struct tree_visitor *v;
	uint64_t page; /* bytes in a page */
	uint8_t *data[JE_LEVELS_MAX]; /* a page of each level's table */
	struct tree_entry *entries; /* of a page of a leaf */
	size_t n;
	uint64_t *pieces;
	uint8_t *raw, *ok;
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

static int gather_records(struct tree_walk *w)
{
	int err;

	for (size_t i = 0; i < w->n * PIECES; i++)
		w->pieces[i] = w->entries[i / PIECES].record + i % PIECES * PIECE;
	err = reader_gather(&w->j->src->target->reader, w->pieces, w->n * PIECES, PIECE,
			    w->raw, w->ok);
	for (size_t i = 0; !err && i < w->n; i++)
		if (!memchr(w->ok + i * PIECES, 0, PIECES))
			w->entries[i].raw = w->raw + i * RECORD_SIZE;
	return err;
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
			uint64_t to)
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
	return w->n ? gather_records(w) : 0;
}

static int walk_leaf(struct tree_walk *w, const struct table *t, uint64_t from,
		     uint64_t to)
{
	int err = read_entries(w, t, from, to);

	for (int i = 0; !err && i < RETRIES && w->retries; i++, w->retries--) {
		if (w->v->agree(w->v, w->entries, w->n))
			break;
		err = read_entries(w, t, from, to);
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
	w->pieces = malloc(n * PIECES * sizeof(*w->pieces));
	w->raw = malloc(n * RECORD_SIZE);
	w->ok = malloc(n * PIECES);
	return ok && w->entries && w->pieces && w->raw && w->ok;
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
	free(w.pieces);
	free(w.raw);
	free(w.ok);
	return err;
}
