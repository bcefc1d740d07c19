// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The physical walk: from chunk to chunk by their sizes, through windows of
 * resident memory. Where the chain breaks, because the target changes it or its
 * memory is swapped out, the window is read again, and then the walk goes on at
 * the next chunk that a bin knows.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRIES	 3
#define PATIENCE 16384u /* further looks in all: where all is broken, none helps */
#define WINDOW_SMALL                                                                     \
	(16u                                                                             \
	 << 10) /* or a page: after a jump, a chunk's head may be all that is wanted */

struct walk_window {
	uint64_t start, end; /* empty: nothing read */
	uint64_t near, near_len; /* the part of it that was looked at last: resident */
	size_t next_len;
	unsigned int patience; /* further looks that are left */
	unsigned int ends; /* the same, of end_of_free(), which needs few */
	uint8_t present[READER_WINDOW_PAGES];
	uint8_t data[READER_WINDOW];
};

#define TRAIL	    256u /* chunk starts behind the walk that are remembered */
#define TRAIL_STEPS 4096u /* how far a new attempt may walk to catch up */
#define MILE	    64u /* every so many chunk starts are remembered for longer */
#define MILES	    64u

struct walk {
	struct glibc *g;
	struct walk_window *w;
	const struct segment *s;
	struct chunk_visitor *v;
	uint64_t trail[TRAIL], miles[MILES]; /* rings */
	size_t ntrail;
	/*
	 * Of the last step that failed: the size that the end of what looked like a free
	 * chunk has for it, and that end; else 0.
	 */
	uint64_t foot, foot_at;
	/* A free chunk ahead, as its end told it. */
	uint64_t free_start, free_end;
	uint64_t front; /* where a free chunk was last seen to be taken from */
};

struct walk_window *walk_window_new(void)
{
	struct walk_window *w = calloc(1, sizeof(*w));

	if (w)
		w->patience = w->ends = PATIENCE;
	return w;
}

void walk_window_free(struct walk_window *w)
{
	free(w);
}

static void forget(struct walk_window *w)
{
	w->start = w->end = w->near_len = 0;
}

/* Brings the page of @addr, and what follows, into the window. */
static int fill(struct walk *k, uint64_t addr)
{
	struct walk_window *w = k->w;
	uint64_t page = k->g->page, start = addr - addr % page;
	uint64_t left = (k->s->end - start + page - 1) / page * page;
	size_t len = start == w->end	   ? 2 * w->next_len
		     : page > WINDOW_SMALL ? page
					   : WINDOW_SMALL;
	ssize_t got;

	if (len > READER_WINDOW)
		len = READER_WINDOW;
	w->next_len = len;
	if (len > left)
		len = left;
	forget(w);
	got = reader_window(&k->g->src->target->reader, start, len, w->data, w->present);
	if (got < 0)
		return (int)got;
	w->start = start;
	w->end = start + len;
	return 0;
}

/* Of the pages around @addr, which is in the window, those that are resident. */
static void note_near(struct walk *k, uint64_t addr)
{
	struct walk_window *w = k->w;
	size_t first = (addr - w->start) / k->g->page, end = first + 1;
	size_t pages = (w->end - w->start) / k->g->page;

	while (end < pages && page_is_resident(w->present[end]))
		end++;
	w->near = w->start + first * k->g->page;
	w->near_len = (end - first) * k->g->page;
}

/* The head at @addr, if that was read a moment ago; else NULL. */
static inline const uint8_t *head_near(const struct walk_window *w, uint64_t addr)
{
	return addr - w->near < w->near_len ? w->data + (addr - w->start) : NULL;
}

/*
 * The head at @addr. -ENODATA if its page is not resident. A head is aligned to
 * its own size and thus lies within a page.
 */
static int head_at(struct walk *k, uint64_t addr, struct chunk_head *h)
{
	struct walk_window *w = k->w;

	if (addr < w->start || addr >= w->end) {
		int err = fill(k, addr);

		if (err)
			return err;
	}
	if (!page_is_resident(w->present[(addr - w->start) / k->g->page]))
		return -ENODATA;
	note_near(k, addr);
	memcpy(h, w->data + (addr - w->start), sizeof(*h));
	return 0;
}

static int visit(struct walk *k, enum chunk_kind kind, uint64_t start, uint64_t end,
		 enum break_cause cause)
{
	return start < end ? k->v->chunk(k->v, k->s, kind, start, end, cause) : 0;
}

/* A head of size 16 is none of a chunk's; one of size 0 ends a thread's heap. */
static bool is_post(uint64_t size)
{
	return (size & PREV_INUSE) && size <= (16 | PREV_INUSE);
}

#define POSTS_MAX 3

/*
 * Fence posts end a piece of heap that could not be extended: two heads, or
 * three if what was left of its top was too small for a chunk (sysmalloc()).
 * @size: of the first.
 */
static int fence_posts(struct walk *k, uint64_t p, uint64_t size, uint64_t *end)
{
	unsigned int n = 1;

	while (n < POSTS_MAX && k->s->end - p > 16 * n && size == 16) {
		struct chunk_head next;
		int err = head_at(k, p + 16 * n, &next);

		if (err)
			return err;
		if (!is_post(next.size))
			break;
		n++;
	}
	*end = p + 16 * n;
	return n > 1 || *end == k->s->end ? 0 : -EPROTO;
}

/* Whether the chunk at @p, whose head has @size, can be one, with another behind it. */
static inline bool is_plain(const struct walk *k, uint64_t p, uint64_t size)
{
	uint64_t bytes = size & ~(uint64_t)SIZE_FLAGS, room = k->s->end - p;

	return bytes >= CHUNK_MIN && bytes % CHUNK_ALIGN == 0 && !(size & IS_MMAPPED) &&
	       bytes <= room && room - bytes >= sizeof(struct chunk_head);
}

/*
 * A step from the chunk at @p: its end and kind. -ENODATA: not resident;
 * -EPROTO: what is there is no chunk.
 */
static int step(struct walk *k, uint64_t p, uint64_t *end, enum chunk_kind *kind)
{
	const struct arena *a = &k->g->arenas[k->s->arena];
	struct chunk_head h, next;
	uint64_t size;
	int err = head_at(k, p, &h);

	k->foot = 0;
	if (err)
		return err;
	size = h.size & ~(uint64_t)SIZE_FLAGS;
	if (p == a->top) {
		*kind = CHUNK_TOP;
		/* Elsewhere a segment ends with its top; this one may be several. */
		*end = k->s->kind == SEGMENT_MORECORE ? p + size : k->s->end;
		return *end > p && *end <= k->s->end ? 0 : -EPROTO;
	}
	if (size <= 16 && !(h.size & IS_MMAPPED)) {
		*kind = CHUNK_META;
		return fence_posts(k, p, size, end);
	}
	if (!is_plain(k, p, h.size))
		return -EPROTO;
	*end = p + size;
	err = head_at(k, *end, &next);
	if (err == -ENODATA) {
		/* Its state is not to be known, its extent is. */
		*kind = CHUNK_BROKEN;
		return 0;
	}
	if (err)
		return err;
	*kind = next.size & PREV_INUSE ? CHUNK_INUSE : CHUNK_FREE;
	if (*kind == CHUNK_INUSE || next.prev_size == size)
		return 0;
	k->foot = next.prev_size;
	k->foot_at = *end;
	return -EPROTO;
}

/*
 * After a step that failed: whether that is because the target takes from the front of a
 * free chunk, or frees what is before it, while its head and its end are read, one after
 * the other. The end stays where it is, and tells by itself where the chunk begins.
 */
static bool is_free_until(const struct walk *k, uint64_t *start, uint64_t *end)
{
	if (k->foot < CHUNK_MIN || k->foot % CHUNK_ALIGN ||
	    k->foot > k->foot_at - k->s->first)
		return false;
	*start = k->foot_at - k->foot;
	*end = k->foot_at;
	return true;
}

/* step(), with another look at memory that made no sense. */
static int step_patiently(struct walk *k, uint64_t p, uint64_t *end,
			  enum chunk_kind *kind)
{
	int err = step(k, p, end, kind);

	for (int i = 0; err == -EPROTO && i < RETRIES && k->w->patience; i++) {
		k->w->patience--;
		forget(k->w);
		err = step(k, p, end, kind);
	}
	return err;
}

/*
 * Walks from @from, on fresh memory, to the first chunk at or above @p; 0 if that
 * fails. @kind: of the chunk before it, in which @p lies if it does not begin one.
 */
static uint64_t catch_up(struct walk *k, uint64_t from, uint64_t p, enum chunk_kind *kind)
{
	enum chunk_kind next;
	uint64_t start, end;

	if (!k->w->patience)
		return 0;
	k->w->patience--;
	forget(k->w);
	for (unsigned int n = 0; from < p; n++) {
		int err = n < TRAIL_STEPS ? step_patiently(k, from, &end, kind) : -EPROTO;

		if (err == -EPROTO && is_free_until(k, &start, &end) && start <= p) {
			*kind = CHUNK_FREE;
			err = 0;
		}
		if (err || *kind == CHUNK_META)
			return 0;
		from = end;
	}
	return from < k->s->end && !step(k, from, &end, &next) ? from : 0;
}

/* How many of the chunks that bins know begin at @p or before. */
static size_t known_until(const struct arena *a, uint64_t p)
{
	size_t lo = 0, hi = a->nknown;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->known[mid] <= p)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * The end of the free chunk in which @p lies: of the one that bins know at @start. What
 * is behind it tells its size, and that at one time, though it shrinks or grows at its
 * front all the while. 0: it does not have @p.
 */
static uint64_t end_of_free(struct walk *k, uint64_t start, uint64_t p)
{
	struct chunk_head h, behind;
	enum chunk_kind kind;
	uint64_t end;

	if (!k->w->ends)
		return 0;
	k->w->ends--;
	/* As it was when it was met in its bin, most likely. */
	if (peek_read(&k->g->peek, start, &h, sizeof(h)) || !is_plain(k, start, h.size))
		return 0;
	end = start + (h.size & ~(uint64_t)SIZE_FLAGS);
	forget(k->w);
	if (end <= p || step(k, end, &start, &kind) || head_at(k, end, &behind))
		return 0;
	return !(behind.size & PREV_INUSE) && behind.prev_size <= end - k->s->first &&
			       end - behind.prev_size <= p
		       ? end
		       : 0;
}

/* Starts again further and further behind. */
static uint64_t retrace_trail(struct walk *k, uint64_t p, enum chunk_kind *kind)
{
	uint64_t next = 0;

	for (size_t back = 1; !next && back <= TRAIL && back <= k->ntrail; back *= 2)
		next = catch_up(k, k->trail[(k->ntrail - back) % TRAIL], p, kind);
	for (size_t back = TRAIL / MILE;
	     !next && back <= MILES && back * MILE <= k->ntrail; back *= 2)
		next = catch_up(k, k->miles[(k->ntrail / MILE - back) % MILES], p, kind);
	return next;
}

/*
 * The target merged or split chunks behind the walk's back, so that @p is not,
 * or no longer, the start of one. Where the trail is gone, the chunk before @p that is
 * free by now may be what it was merged into; if all before @p is taken again, so is
 * the trail. @next: where to go on, or 0; @kind: what all before that is by now.
 */
static int retrace(struct walk *k, uint64_t p, uint64_t *next, enum chunk_kind *kind)
{
	struct arena *a = &k->g->arenas[k->s->arena];
	uint64_t start;
	size_t n;
	int err;

	*next = retrace_trail(k, p, kind);
	if (*next)
		return 0;
	err = glibc_renew_bins(k->g, a);
	n = known_until(a, p);
	if (err)
		return err;
	start = n ? a->known[n - 1] : 0;
	if (start >= k->s->first && start < p) {
		*kind = CHUNK_FREE;
		*next = end_of_free(k, start, p);
		if (!*next)
			*next = catch_up(k, start, p, kind);
	}
	if (!*next)
		*next = retrace_trail(k, p, kind);
	return 0;
}

/* The next place above @p where a chunk is known to begin; 0 if there is none. */
static int next_known(struct walk *k, uint64_t p, uint64_t *next)
{
	struct arena *a = &k->g->arenas[k->s->arena];
	int err = glibc_collect_bins(k->g, a);
	size_t lo;

	if (err)
		return err;
	lo = known_until(a, p);
	*next = 0;
	if (lo < a->nknown && a->known[lo] < k->s->end)
		*next = a->known[lo];
	if (a->top > p && a->top < k->s->end && (!*next || a->top < *next))
		*next = a->top;
	return 0;
}

/*
 * Tells what [p, …) is up to where the walk can go on, which goes to *@p: broken, if
 * that is not to be known.
 */
static int skip_broken(struct walk *k, uint64_t *p, enum break_cause cause)
{
	enum chunk_kind kind = CHUNK_BROKEN;
	uint64_t next = 0;
	int err = cause == BREAK_TORN ? retrace(k, *p, &next, &kind) : 0;

	if (!err && !next) {
		kind = CHUNK_BROKEN;
		k->free_start = 0;
		err = next_known(k, *p, &next);
	}
	if (err)
		return err;
	if (!next)
		next = k->s->end;
	/* What is in caches and fastbins begins a chunk as well, and did not move. */
	if (cause == BREAK_FOREIGN) {
		uint64_t mark = glibc_next_mark(k->g, *p, next);

		next = mark ? mark : next;
	}
	err = visit(k, kind, *p, next, cause);
	*p = next;
	return err;
}

/*
 * Behind fence posts the brk heap may go on, where somebody else called sbrk:
 * what lies between is theirs, but its end is not written anywhere. What
 * replaced brk may be several mappings that the kernel merged, with and without
 * other people's: it goes on as long as there are chunks.
 */
static int behind_end(struct walk *k, uint64_t *p)
{
	enum chunk_kind kind;
	uint64_t end;

	if (*p >= k->s->end)
		return 0;
	if (k->s->kind == SEGMENT_BRK)
		return skip_broken(k, p, BREAK_FOREIGN);
	if (k->s->kind != SEGMENT_MORECORE || step(k, *p, &end, &kind))
		*p = k->s->end;
	return 0;
}

static void leave_trail(struct walk *k, uint64_t p)
{
	if (k->ntrail % MILE == 0)
		k->miles[k->ntrail / MILE % MILES] = p;
	k->trail[k->ntrail++ % TRAIL] = p;
}

/*
 * The target takes from the front of the free chunk at @p: what is left of it, as its
 * end has it, is met again when the walk has come to there. False if it is not so.
 */
static bool note_front(struct walk *k, uint64_t p)
{
	uint64_t start, end;

	if (p == k->front || !is_free_until(k, &start, &end) || start <= p)
		return false;
	forget(k->w);
	k->front = p;
	k->free_start = start;
	k->free_end = end;
	return true;
}

/* From *@at on, chunks that step() would find, as long as their heads were read. */
static int stride(struct walk *k, uint64_t *at)
{
	const struct walk_window *w = k->w;
	uint64_t top = k->g->arenas[k->s->arena].top, p = *at;
	const uint8_t *head = head_near(w, p), *next;
	int err = 0;

	for (; !err && head && p != top && p != k->free_start; head = next) {
		uint64_t size = get64(head, 8), behind;
		enum chunk_kind kind;

		if (!is_plain(k, p, size))
			break;
		size &= ~(uint64_t)SIZE_FLAGS;
		next = head_near(w, p + size);
		if (!next)
			break;
		behind = get64(next, 8);
		kind = behind & PREV_INUSE ? CHUNK_INUSE : CHUNK_FREE;
		if (kind == CHUNK_FREE && get64(next, 0) != size)
			break;
		err = k->v->chunk(k->v, k->s, kind, p, p + size, BREAK_NONE);
		leave_trail(k, p);
		p += size;
	}
	*at = p;
	return err;
}

int glibc_walk_segment(struct glibc *g, struct walk_window *w, const struct segment *s,
		       struct chunk_visitor *v)
{
	struct walk k = { .g = g, .w = w, .s = s, .v = v };
	uint64_t p = s->first;
	int err = visit(&k, CHUNK_META, s->start, s->first, BREAK_NONE);

	forget(w);
	while (!err && p < s->end) {
		enum chunk_kind kind;
		uint64_t end;

		err = stride(&k, &p);
		if (err || p >= s->end)
			break;
		if (p == k.free_start) {
			leave_trail(&k, p);
			err = visit(&k, CHUNK_FREE, p, k.free_end, BREAK_NONE);
			p = k.free_end;
			continue;
		}
		err = step_patiently(&k, p, &end, &kind);
		if (err == -EPROTO && note_front(&k, p)) {
			err = 0;
			continue;
		}
		if (err == -ENODATA || err == -EPROTO) {
			err = skip_broken(&k, &p,
					  err == -EPROTO ? BREAK_TORN : BREAK_ABSENT);
			continue;
		}
		if (!err)
			err = visit(&k, kind, p, end,
				    kind == CHUNK_BROKEN ? BREAK_ABSENT : BREAK_NONE);
		leave_trail(&k, p);
		p = end;
		if (!err && (kind == CHUNK_META || kind == CHUNK_TOP))
			err = behind_end(&k, &p);
	}
	return err;
}
