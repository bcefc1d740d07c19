// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds the segments of mimalloc 2.x without symbols. Each has a cookie, which is its
 * address XORed with a number that is the same in all of the process and lies in the
 * main heap's record: by that they are known. The heaps that own their pages have lists
 * of blocks that other threads freed.
 */
#include "heap/mimalloc_segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/data.h"

#define PLACES_MAX  (1u << 20) /* places that are looked at: 32 TiB of mappings */
#define BATCH	    64u
#define COOKIES_MAX 16u /* that are looked for */
#define SAMPLE	    256u /* pages that the layout is judged by */
#define HEAPS_MAX   16384u

/* struct mi_page_queue_s, of which a heap has a table. */
#define QUEUE_BYTES 24u
#define QUEUE_SIZE  16u /* of the blocks in its pages */
#define QUEUES_READ (3 * QUEUE_BYTES)

/* What is told of a place where a segment could begin; not 0 ends the search. */
typedef int (*place_fn)(struct mimalloc *m, uint64_t start, const uint8_t *head);

static int look_at(struct mimalloc *m, const uint64_t *place, size_t n, place_fn fn)
{
	uint8_t head[BATCH][HEAD_MAX], ok[BATCH];
	int err = reader_gather(&m->src->target->reader, place, n, HEAD_MAX, head, ok);

	for (size_t i = 0; !err && i < n; i++)
		if (ok[i])
			err = fn(m, place[i], head[i]);
	return err;
}

static int look_at_all(struct mimalloc *m, place_fn fn)
{
	const struct vma_list *l = m->src->vmas;
	uint64_t place[BATCH];
	size_t n = 0, looked = 0;
	int err = 0;

	for (size_t i = 0; !err && i < l->n; i++) {
		uint64_t at = (l->v[i].start + MI_SEGMENT - 1) / MI_SEGMENT * MI_SEGMENT;

		if (!vma_is_anon(&l->v[i]) || !l->v[i].st.rss)
			continue;
		for (; !err && at < l->v[i].end && looked < PLACES_MAX;
		     at += MI_SEGMENT) {
			place[n++] = at;
			looked++;
			if (n == BATCH) {
				err = look_at(m, place, n, fn);
				n = 0;
			}
		}
	}
	return err ? err : look_at(m, place, n, fn);
}

/* The main heap's record has the number that cookies are made with. */
struct cookie_scan {
	struct data_scan scan;
	const struct mi_segment_layout *layout;
	uint64_t cookie;
};

/* The first queues are of blocks of 8, 8 and 16 bytes. */
static bool are_queues(const uint8_t *queue)
{
	const uint8_t *size = queue + QUEUE_SIZE;

	return get64(size, 0) == 8 && get64(size, QUEUE_BYTES) == 8 &&
	       get64(size, 2 * QUEUE_BYTES) == 16;
}

static int scan_window(struct data_scan *scan, uint64_t addr, const uint8_t *buf,
		       size_t len)
{
	const struct cookie_scan *s = (struct cookie_scan *)scan;
	const struct mi_segment_layout *l = s->layout;
	size_t most = l->heap_cookie > l->queues ? l->heap_cookie : l->queues;

	(void)addr;
	for (size_t i = 0; i + most + QUEUES_READ <= len; i += 8)
		if (get64(buf, i + l->heap_cookie) == s->cookie &&
		    are_queues(buf + i + l->queues))
			return 1;
	return 0;
}

static int try_cookie(struct mimalloc *m, uint64_t start, const uint8_t *head)
{
	const struct mi_segment_layout *l = m->layout->segment;
	struct cookie_scan s = { .scan.window = scan_window,
				 .layout = l,
				 .cookie = get64(head, l->cookie) ^ start };
	int found = 0;

	if (!mi_head_holds(m, start, head))
		return 0;
	/* All segments have the same one, which is seen in the first of them. */
	if (s.cookie && s.cookie != start && m->cookies++ < COOKIES_MAX)
		found = data_scan(m->src, &s.scan);
	if (found > 0)
		m->cookie = s.cookie;
	return found;
}

static int add_segment(struct mimalloc *m, uint64_t start, const uint8_t *head)
{
	const struct mi_segment_layout *l = m->layout->segment;
	struct mi_piece p = { start, start + get64(head, l->slices) * MI_SLICE,
			      MI_PIECE_SEGMENT, start };

	if (!mi_head_holds(m, start, head) ||
	    (get64(head, l->cookie) ^ start) != m->cookie)
		return 0;
	return mi_add_piece(m, &p);
}

/* How well the layout explains the pages of a segment. */
struct judge {
	size_t good, bad;
};

static int judge_segment(struct mimalloc *m, uint64_t start, struct mi_segment *s,
			 struct judge *g)
{
	int err = mi_read_segment(m, start, s);

	g->bad += err == -EPROTO;
	if (err || mi_is_cached(s))
		return err == -ESRCH ? err : 0;
	for (uint32_t i = s->info; i < s->entries && g->good + g->bad < SAMPLE;
	     i += mi_span_of(s, i)) {
		struct mi_page p;
		int64_t live;

		if (!mi_slice_in_use(s, i))
			continue;
		if (!mi_page_of(m, s, i, &p) || !mi_fills_room(m, &p)) {
			g->bad++;
			continue;
		}
		live = mi_count_live(m, &p);
		if (live == -ESRCH)
			return -ESRCH;
		g->good += live >= 0;
		g->bad += live == -EPROTO;
	}
	return 0;
}

/* Whether the options, where names are known, are those of versions with this layout. */
static bool options_fit(const struct mimalloc *m, const struct mi_layout *l)
{
	bool purges = l->segment->delay == MI_OPTION_PURGE_DELAY, known = false;

	for (int i = 0; i < MI_OPTIONS; i++)
		known |= m->option_known[i];
	return !known || m->option_known[MI_OPTION_PURGE_DELAY] == purges;
}

/* Which layouts some head holds by: most processes have none. */
static int note_layouts(struct mimalloc *m, uint64_t start, const uint8_t *head)
{
	for (size_t i = 0; i < mi_segment_layout_count; i++) {
		m->layout = &mi_segment_layouts[i];
		if (mi_head_holds(m, start, head))
			m->layouts |= 1u << i;
	}
	return 0;
}

/*
 * By a cookie, and by what segments with it have in them: how well m->layout explains
 * that. Some of it may change while it is looked at. 1, 0, or -errno.
 */
static int try_layout(struct mimalloc *m, struct mi_segment *s, struct judge *g)
{
	int err;

	*g = (struct judge){ 0 };
	m->cookies = 0;
	m->npieces = 0;
	err = look_at_all(m, try_cookie);
	if (err > 0)
		err = look_at_all(m, add_segment);
	for (size_t i = 0; !err && i < m->npieces && g->good + g->bad < SAMPLE; i++)
		err = judge_segment(m, m->pieces[i].start, s, g);
	return err ? err : g->good && g->bad <= g->good / 4;
}

/* The best layout: versions have the same heads, and pages that differ if small. */
int mi_find_segments_root(struct mimalloc *m)
{
	struct mi_segment *s = malloc(sizeof(*s));
	const struct mi_layout *best = NULL;
	struct judge g, least = { .bad = SIZE_MAX };
	int found = s ? look_at_all(m, note_layouts) : -ENOMEM;

	for (size_t i = 0; found >= 0 && least.bad && i < mi_segment_layout_count; i++) {
		m->layout = &mi_segment_layouts[i];
		if (!(m->layouts >> i & 1) || !options_fit(m, m->layout))
			continue;
		found = try_layout(m, s, &g);
		if (found <= 0 || g.bad >= least.bad)
			continue;
		best = m->layout;
		least = g;
	}
	free(s);
	m->layout = found < 0 ? NULL : best;
	return found < 0 ? found : best != NULL;
}

/* In order, each once. Heaps are as many as threads, or few more. */
static int add_heap(struct mimalloc *m, uint64_t heap)
{
	size_t lo = 0, hi = m->nheaps;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->heaps[mid] == heap)
			return 0;
		if (m->heaps[mid] < heap)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (m->nheaps == HEAPS_MAX) {
		heap_incomplete(m->heap, "more than %u heaps own pages", HEAPS_MAX);
		return 0;
	}
	if (!grow(&m->heaps, &m->heaps_cap, m->nheaps, sizeof(*m->heaps)))
		return -ENOMEM;
	memmove(m->heaps + lo + 1, m->heaps + lo, (m->nheaps - lo) * sizeof(heap));
	m->heaps[lo] = heap;
	m->nheaps++;
	return 0;
}

/* The heaps that own pages of a segment. What makes no sense is told of in the walk. */
static int find_heaps(struct mimalloc *m, uint64_t start, struct mi_segment *s)
{
	int err = mi_read_segment(m, start, s);

	if (err || mi_is_cached(s))
		return err == -ESRCH ? err : 0;
	for (uint32_t i = s->info; !err && i < s->entries; i += mi_span_of(s, i)) {
		struct mi_page p;

		if (mi_slice_in_use(s, i) && mi_page_of(m, s, i, &p) && p.heap)
			err = add_heap(m, p.heap);
	}
	return err;
}

static const struct mi_piece *segment_of(const struct mimalloc *m, uint64_t addr)
{
	for (size_t lo = 0, hi = m->npieces; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->pieces[mid].end <= addr)
			lo = mid + 1;
		else if (m->pieces[mid].start > addr)
			hi = mid;
		else
			return &m->pieces[mid];
	}
	return NULL;
}

/*
 * Blocks of full pages that another thread freed: they are in a list of the heap's, one
 * or few of each page. It is no such list where it leads out of segments or is longer.
 */
static int follow_delayed(struct mimalloc *m, uint64_t heap)
{
	size_t most = m->ndelayed + m->npieces * MI_SEGMENT_SLICES;
	uint64_t at = 0;
	int err = mi_read(m, heap + m->layout->segment->delayed, &at, sizeof(at));

	while (!err && at && at % sizeof(at) == 0 && segment_of(m, at) &&
	       m->ndelayed < most) {
		if (!grow(&m->delayed, &m->delayed_cap, m->ndelayed, sizeof(at)))
			return -ENOMEM;
		m->delayed[m->ndelayed++] = at;
		err = mi_spend(m, 1);
		if (!err)
			err = mi_read(m, at, &at, sizeof(at));
	}
	if (err == -ESRCH)
		return err;
	if (err == -EFBIG)
		heap_incomplete(m->heap, "there are more records than memory could have");
	else if (err)
		heap_absent(m->heap);
	else if (at)
		heap_incomplete(m->heap, "the heap changed while it was read");
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* What a thread has its heap in: a mapping of its own. */
static int add_thread_data(struct mimalloc *m, uint64_t heap)
{
	struct mi_piece p = { heap, heap + m->layout->segment->thread_data, MI_PIECE_META,
			      heap };

	if (heap % m->src->target->reader.page_size || !mi_mapped(m, p.start, p.end))
		return 0;
	return mi_add_piece(m, &p);
}

int mi_find_segments(struct mimalloc *m)
{
	struct mi_segment *s = malloc(sizeof(*s));
	int err = s ? 0 : -ENOMEM;
	size_t n;

	m->npieces = 0;
	if (!err)
		err = look_at_all(m, add_segment);
	mi_sort_pieces(m);
	n = m->npieces;
	for (size_t i = 0; !err && i < n; i++)
		err = find_heaps(m, m->pieces[i].start, s);
	free(s);
	for (size_t i = 0; !err && i < m->nheaps; i++)
		err = follow_delayed(m, m->heaps[i]);
	for (size_t i = 0; !err && i < m->nheaps; i++)
		err = add_thread_data(m, m->heaps[i]);
	if (m->ndelayed)
		qsort(m->delayed, m->ndelayed, sizeof(*m->delayed), by_address);
	mi_sort_pieces(m);
	return err;
}
