// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Thread caches of a jemalloc that was built without statistics, as Rust programs mostly
 * have it: no ring leads to them. They lie in thread-local memory, which is looked
 * through: the rooms of a cache's bins follow each other in one block (tcache_init() in
 * tcache.c), which is unmistakable where all bins of small regions say so.
 */
#include "heap/jemalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/emit.h"

#define RANGES_MAX (1u << 20) /* what is beyond is not looked through */
#define SCAN_MAX   (1ull << 30) /* bytes that are looked through: stacks take less */
#define ROOM_MAX   (UINT16_MAX + 1ull) /* of a bin, in bytes */
#define APART	   1024u /* up to 5.2: from small bins to large ones */
#define OVERLAP	   4096u /* of windows: a cache is smaller */

struct range {
	uint64_t start, end;
};

/* What the tree describes: it is jemalloc's, and no thread-local memory. */
struct ranges {
	struct tree_visitor visitor;
	struct jemalloc *j;
	struct range *r; /* by address */
	size_t n, cap;
};

static bool agree(struct tree_visitor *v, const struct tree_entry *e, size_t n)
{
	(void)v;
	(void)e;
	(void)n;
	return true;
}

static int add_range(struct tree_visitor *v, uint64_t start, uint64_t end)
{
	struct ranges *k = (struct ranges *)v;
	struct range *last = k->n ? &k->r[k->n - 1] : NULL;

	if (last && (start <= last->end || k->n == RANGES_MAX)) {
		last->end = end > last->end ? end : last->end;
		return 0;
	}
	if (!grow(&k->r, &k->cap, k->n, sizeof(*k->r)))
		return -ENOMEM;
	k->r[k->n++] = (struct range){ start, end };
	return 0;
}

static int add_entry(struct tree_visitor *v, const struct tree_entry *e)
{
	struct jemalloc *j = ((struct ranges *)v)->j;
	struct record r;

	if (e->raw && je_decode(j, j->record, j->classes, e->raw, e->start, &r))
		return add_range(v, r.start, r.end);
	return add_range(v, e->start, e->last + JE_PAGE);
}

/* Whether the room of @next follows that of @bin. */
static bool follows(const struct jemalloc *j, const struct je_bin *bin,
		    const struct je_bin *next)
{
	if (!j->record->split_bins)
		return next->start == bin->end && next->start < next->end;
	return next->start >= bin->end && next->end > bin->end &&
	       next->end - bin->end < ROOM_MAX;
}

/* Whether a thread cache's small bins are at @b, of which @len bytes are there. */
static bool is_cache(const struct jemalloc *j, const uint8_t *b, size_t len,
		     struct je_bin *last)
{
	if (len < j->classes->nsmall * JE_BIN || !je_bin_of(j, b, last))
		return false;
	for (unsigned int i = 1; i < j->classes->nsmall; i++) {
		struct je_bin next;

		if (!je_bin_of(j, b + i * JE_BIN, &next) || !follows(j, last, &next))
			return false;
		*last = next;
	}
	return true;
}

/* Up to 5.2: where the large bins are, somewhat behind the small ones at @b. 0: nowhere. */
static uint64_t find_large(const struct jemalloc *j, const uint8_t *b, size_t len,
			   uint64_t addr, const struct je_bin *last)
{
	struct je_bin next;

	for (size_t i = j->classes->nsmall * JE_BIN;
	     i + JE_BIN <= len && i < j->classes->nsmall * JE_BIN + APART; i += 8)
		if (je_bin_of(j, b + i, &next) && follows(j, last, &next))
			return addr + i;
	return 0;
}

static int scan_window(struct jemalloc *j, uint64_t addr, const uint8_t *buf, size_t len,
		       size_t upto)
{
	struct je_bin last;
	int err = 0;

	for (size_t i = 0; !err && i < upto; i += 8) {
		if (!is_cache(j, buf + i, len - i, &last))
			continue;
		err = je_take_cache(j, addr + i,
				    find_large(j, buf + i, len - i, addr + i, &last));
		i += (j->classes->nsmall - 1) * JE_BIN;
	}
	return err;
}

static int scan_range(struct jemalloc *j, uint64_t start, uint64_t end, uint8_t *buf,
		      uint64_t *left)
{
	struct reader *r = &j->src->target->reader;
	uint8_t present[READER_WINDOW_PAGES];
	uint64_t overlap = r->page_size > OVERLAP ? r->page_size : OVERLAP;
	int err = 0;

	for (uint64_t at = start, len, cost; !err && at < end; at += len) {
		size_t size = end - at < READER_WINDOW ? end - at : READER_WINDOW;
		ssize_t got = reader_window(r, at, size, buf, present);

		/* What begins in the overlap is seen whole in the next window. */
		len = end - at > size ? size - overlap : size;
		if (got < 0)
			return (int)got;
		/* What is empty takes time as well. */
		cost = (uint64_t)(got ? got : 1) * r->page_size;
		if (*left < cost) {
			heap_incomplete(j->heap,
					"thread caches were not looked for everywhere: "
					"what they hold may be counted as in use");
			return 0;
		}
		*left -= cost;
		if (got)
			err = scan_window(j, at, buf, size, len);
	}
	return err;
}

/* What of @v is not in ranges, of which *@at is the first that ends above it. */
static int scan_vma(struct jemalloc *j, const struct vma *v, const struct ranges *k,
		    size_t *at, uint8_t *buf, uint64_t *left)
{
	uint64_t from = v->start;
	int err = 0;

	while (*at < k->n && k->r[*at].end <= from)
		++*at;
	for (size_t i = *at; !err && from < v->end; i++) {
		bool last = i == k->n || k->r[i].start >= v->end;
		uint64_t to = last ? v->end : k->r[i].start;

		if (from < to)
			err = scan_range(j, from, to, buf, left);
		if (last)
			break;
		from = k->r[i].end;
	}
	return err;
}

static bool may_hold_caches(const struct vma *v)
{
	const uint32_t rw = VMA_READ | VMA_WRITE;

	return vma_is_anon(v) && (v->flags & rw) == rw && v->st.rss;
}

int je_scan_caches(struct jemalloc *j)
{
	struct ranges k = { { agree, add_entry, add_range }, .j = j };
	const struct vma_list *l = j->src->vmas;
	uint8_t *buf = malloc(READER_WINDOW);
	uint64_t left = SCAN_MAX;
	size_t at = 0;
	int err = buf ? je_walk_tree(j, &k.visitor) : -ENOMEM;

	/* A tree without an end is told of later. */
	if (err == -EPROTO)
		err = 0;
	for (size_t i = 0; !err && i < l->n; i++)
		if (may_hold_caches(&l->v[i]))
			err = scan_vma(j, &l->v[i], &k, &at, buf, &left);
	free(k.r);
	free(buf);
	return err;
}
