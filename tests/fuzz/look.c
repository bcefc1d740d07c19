// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs a decoder and holds it to what heap/heap.h says; see the header. */
#include "look.h"

#include "heap/recall.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SINK_ANSWER 1000 /* no error's number */
#define ARENAS_MAX  65537u /* more than any decoder has */

struct check {
	struct extent_sink sink; /* first: the decoder hands it back */
	struct look *look;
	const struct heap *heap;
	const struct vma_list *vmas;
	size_t vma; /* the first that ends above the last extent's start */
	struct extent last;
	struct unit unit; /* the last one */
	uint64_t told; /* extents and units */
	uint64_t stop;
	bool stopped;
	uint64_t (*bytes)[EXTENT_KINDS]; /* by arena */
	size_t narenas;
};

static void broken(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void broken(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "contract: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	abort();
}

/* FNV-1a. */
static void digest(struct look *l, const void *data, size_t len)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < len; i++)
		l->digest = (l->digest ^ b[i]) * 0x100000001b3ull;
}

static void check_mapped(struct check *c, const struct extent *x)
{
	const struct vma_list *l = c->vmas;
	uint64_t at = x->start;

	while (c->vma < l->n && l->v[c->vma].end <= at)
		c->vma++;
	for (size_t i = c->vma; at < x->end; i++) {
		if (i == l->n || l->v[i].start > at)
			broken("[%lx, %lx) of kind %d: nothing is mapped at %lx",
			       x->start, x->end, x->kind, at);
		at = l->v[i].end;
	}
}

static void check_extent(const struct check *c, const struct extent *x)
{
	const struct extent *last = &c->last;

	if (x->start >= x->end || x->start < last->end)
		broken("[%lx, %lx) after [%lx, %lx)", x->start, x->end, last->start,
		       last->end);
	if ((unsigned int)x->kind >= EXTENT_KINDS || x->arena >= c->heap->narenas)
		broken("[%lx, %lx) of kind %d in arena %u of %zu", x->start, x->end,
		       x->kind, x->arena, c->heap->narenas);
	if (x->kind == EXTENT_RETURNABLE && (x->start | x->end) % IMAGE_PAGE)
		broken("[%lx, %lx) is returnable, but not of whole pages", x->start,
		       x->end);
	/* Those of a unit are apart from what was before it. */
	if (last->end == x->start && last->kind == x->kind && last->arena == x->arena &&
	    last->size == x->size && c->unit.start < last->end)
		broken("[%lx, %lx) could have been one with the extent before it",
		       x->start, x->end);
}

static void count(struct check *c, const struct extent *x)
{
	if (x->arena >= c->narenas) {
		size_t n = 2 * (size_t)x->arena + 16;

		c->bytes = realloc(c->bytes, n * sizeof(*c->bytes));
		if (!c->bytes)
			abort();
		memset(c->bytes + c->narenas, 0, (n - c->narenas) * sizeof(*c->bytes));
		c->narenas = n;
	}
	c->bytes[x->arena][x->kind] += x->end - x->start;
	c->look->bytes[x->kind] += x->end - x->start;
}

static int take(struct extent_sink *sink, const struct extent *x)
{
	struct check *c = (struct check *)sink;

	if (c->stopped)
		broken("an extent after the sink's answer");
	check_extent(c, x);
	check_mapped(c, x);
	count(c, x);
	digest(c->look, &x->start, sizeof(x->start));
	digest(c->look, &x->end, sizeof(x->end));
	digest(c->look, &x->kind, sizeof(x->kind));
	c->last = *x;
	c->look->extents++;
	c->stopped = ++c->told == c->stop;
	return c->stopped ? SINK_ANSWER : 0;
}

static int take_unit(struct extent_sink *sink, const struct unit *u)
{
	struct check *c = (struct check *)sink;

	if (c->stopped)
		broken("a unit after the sink's answer");
	if (u->start >= u->end || (u->start | u->end) % IMAGE_PAGE ||
	    u->arena >= c->heap->narenas)
		broken("[%lx, %lx) is no unit of arena %u", u->start, u->end, u->arena);
	if (u->start < c->last.end || u->start < c->unit.end)
		broken("unit [%lx, %lx) after [%lx, %lx)", u->start, u->end,
		       c->unit.start, c->unit.end);
	c->unit = *u;
	c->stopped = ++c->told == c->stop;
	return c->stopped ? SINK_ANSWER : 0;
}

static void check_arenas(const struct check *c)
{
	const struct heap *h = c->heap;

	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];
		uint64_t sum = 0;

		for (int k = 0; k < EXTENT_KINDS; k++) {
			uint64_t seen = i < c->narenas ? c->bytes[i][k] : 0;

			if (a->bytes[k] != seen)
				broken("arena %zu: %lu bytes of kind %d, %lu were told",
				       i, a->bytes[k], k, seen);
			sum += seen;
		}
		if (a->mapped != sum)
			broken("arena %zu: %lu bytes mapped, %lu were told", i, a->mapped,
			       sum);
	}
}

static void check_heap(const struct heap *h, const struct heap_ops *ops)
{
	if (h->ops != ops || (h->narenas && !h->arenas) || h->narenas > ARENAS_MAX ||
	    (h->nsettings && !h->settings))
		broken("what detect() answers is not whole");
	if ((unsigned int)h->status > HEAP_UNSUPPORTED)
		broken("status %d", h->status);
	if (!memchr(h->version, 0, sizeof(h->version)) ||
	    !memchr(h->reason, 0, sizeof(h->reason)))
		broken("a text without an end");
	if ((h->status == HEAP_EXACT) != !h->reason[0])
		broken("status %d, reason \"%s\"", h->status, h->reason);
	for (size_t i = 0; i < h->nsettings; i++)
		if (!h->settings[i].name || !h->settings[i].name[0])
			broken("setting %zu has no name", i);
}

static void check_walked(const struct check *c)
{
	const struct heap *h = c->heap;

	check_arenas(c);
	if (h->status == HEAP_EXACT && (h->torn || c->look->bytes[EXTENT_UNREAD]))
		broken("exact, with %lu bytes torn, %lu unread", h->torn,
		       c->look->bytes[EXTENT_UNREAD]);
	if (h->status == HEAP_UNSUPPORTED && c->look->extents)
		broken("unsupported, with extents");
}

/* That a look failed is true only if the process is gone. */
static void check_failed(const struct image *im, int answer, const struct error *e)
{
	if (answer != -1 || !im->gone)
		broken("answer %d, status %d, though the process is there: %s", answer,
		       e->status, e->text);
	if (!e->text[0] || !memchr(e->text, 0, sizeof(e->text)))
		broken("failed, and no reason given");
}

static void walk(struct image *im, struct heap *h, const struct heap_source *src,
		 uint64_t stop, struct look *l)
{
	struct check c = { .sink = { take, take_unit },
			   .look = l,
			   .heap = h,
			   .vmas = src->vmas,
			   .stop = stop };
	struct error e = { .status = EXIT_DONE };
	int answer = h->ops->walk(h, src, &c.sink, &e);

	if (c.stopped) {
		if (answer != SINK_ANSWER || e.text[0])
			broken("the sink's answer became %d: %s", answer, e.text);
	} else if (answer) {
		check_failed(im, answer, &e);
	} else {
		check_heap(h, h->ops);
		check_walked(&c);
	}
	free(c.bytes);
}

void look(struct image *im, const struct heap_ops *ops, const struct edit *edits,
	  size_t n, const struct how *how, struct look *l)
{
	struct heap_source src = { .target = &im->target,
				   .vmas = &im->seen,
				   .by_size = how && how->by_size,
				   .quick = how && how->quick,
				   .recall = how ? how->recall : NULL };
	struct error e = { .status = EXIT_DONE };
	struct heap *h = NULL;
	int answer;

	*l = (struct look){ .digest = 0xcbf29ce484222325ull };
	image_begin(im, edits, n);
	recall_begin(src.recall, src.vmas);
	answer = ops->detect(&src, &h, &e);
	if (answer)
		check_failed(im, answer, &e);
	l->found = !answer && h;
	if (l->found) {
		check_heap(h, ops);
		/* As the model does: model/sweep.c. */
		if (h->status != HEAP_UNSUPPORTED)
			walk(im, h, &src, how ? how->stop : 0, l);
		l->status = h->status;
		l->own_free = h->own_free;
		memcpy(l->version, h->version, sizeof(l->version));
		memcpy(l->reason, h->reason, sizeof(l->reason));
		digest(l, &l->status, sizeof(l->status));
		digest(l, &l->own_free, sizeof(l->own_free));
		digest(l, l->version, strlen(l->version));
		ops->free(h);
	}
	l->calls = im->calls;
	recall_missed(src.recall, 0);
	image_end(im);
}
