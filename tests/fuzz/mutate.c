// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What libFuzzer tries next: edits of words that a decoder looks at, to values that
 * could be there: pointers to elsewhere in the image, sizes, near misses.
 */
#include <string.h>

#include "fuzz.h"

/* xorshift64 */
static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t below(uint64_t *s, uint64_t n)
{
	return n ? (rnd(s) >> 11) % n : 0;
}

/* Small numbers are likelier. */
static uint64_t small(uint64_t *s, unsigned int bits)
{
	return below(s, 1ull << (1 + below(s, bits)));
}

static uint32_t any_place(const struct seed *s, uint64_t *r)
{
	const struct places *const of[] = { &s->heads, &s->data, &s->words, &s->words };
	const struct places *p = of[below(r, 4)];

	if (p->n)
		return p->at[below(r, p->n)];
	return (uint32_t)(below(r, s->image->npages) << 10 | below(r, 1024));
}

/* Often near what is edited already: records are of several words. */
static uint32_t pick_place(const struct input *in, uint64_t *r)
{
	if (in->n && below(r, 2)) {
		uint32_t near = in->edits[below(r, in->n)].place;

		return near + (uint32_t)small(r, 6) * 2 - (uint32_t)small(r, 6) * 2;
	}
	return any_place(in->seed, r);
}

static uint64_t border(const struct image *im, uint64_t *r)
{
	const struct vma *v = &im->vmas.v[below(r, im->vmas.n)];

	return (below(r, 2) ? v->start : v->end) + small(r, 13) - small(r, 13);
}

/* Where addresses and sizes come to their ends. */
static uint64_t edge(uint64_t *r)
{
	static const uint64_t edges[] = { 0,	      1ull << 31,
					  1ull << 32, IMAGE_USER_END,
					  1ull << 47, 1ull << 48,
					  1ull << 63, UINT32_MAX };

	return edges[below(r, sizeof(edges) / sizeof(edges[0]))] + small(r, 13) -
	       small(r, 13);
}

static uint64_t pick_value(const struct seed *s, uint32_t place, uint64_t *r)
{
	const struct image *im = s->image;
	uint64_t now = image_word(im, place);

	switch (below(r, 12)) {
	case 0:
		return image_word(im, any_place(s, r));
	case 1:
		return image_addr(im, any_place(s, r)) - below(r, 4) * 16;
	case 2:
		return now + small(r, 5) * 8 - small(r, 5) * 8;
	case 3:
		return now + small(r, 20) * IMAGE_PAGE - small(r, 20) * IMAGE_PAGE;
	case 4:
		return now ^ 1ull << below(r, 64);
	case 5:
		return border(im, r);
	case 6:
		return edge(r);
	case 7:
		return small(r, 16) * 16 + below(r, 8);
	case 8:
		return image_addr(im, place) + small(r, 8) * 8 - small(r, 8) * 8;
	case 9:
		return below(r, 2) ? now << below(r, 16) : now >> below(r, 16);
	case 10:
		return small(r, 32);
	default:
		return rnd(r) >> below(r, 64);
	}
}

static uint8_t pick_op(uint64_t *r)
{
	static const uint8_t memory[] = { EDIT_SET8, EDIT_SET8, EDIT_SET8, EDIT_SET8,
					  EDIT_SET4, EDIT_SET4, EDIT_SET2, EDIT_COPY };

	if (below(r, 5))
		return memory[below(r, sizeof(memory))];
	return (uint8_t)below(r, EDIT_OPS);
}

static void fill(const struct input *in, struct edit *e, uint64_t *r)
{
	e->op = pick_op(r);
	e->arg = (uint8_t)rnd(r);
	e->place = pick_place(in, r);
	e->value = e->op == EDIT_COPY || e->op == EDIT_PAGE
			   ? any_place(in->seed, r)
			   : pick_value(in->seed, e->place, r);
	/* In the middle of a look, where it re-reads what it has checked. */
	e->when = below(r, 4) ? 0 : (uint16_t)(1 + below(r, in->seed->calls));
}

static void mutate(struct input *in, uint64_t *r)
{
	uint64_t what = in->n ? below(r, 8) : 0;
	struct edit *e;

	if (what < 4 && in->n < EDITS_MAX) {
		fill(in, &in->edits[in->n], r);
		in->n++;
		return;
	}
	if (!in->n)
		return;
	e = &in->edits[below(r, in->n)];
	switch (what) {
	case 4:
		*e = in->edits[--in->n];
		return;
	case 5:
		e->value = pick_value(in->seed, e->place, r);
		return;
	case 6:
		e->place += (uint32_t)small(r, 4) * 2 - (uint32_t)small(r, 4) * 2;
		return;
	default:
		e->when = (uint16_t)below(r, in->seed->calls + 1);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	uint64_t r = (seed + 1) * 0x9e3779b97f4a7c15ull;
	struct input in;

	if (max < INPUT_HEAD + sizeof(struct edit))
		return 0;
	if (size < INPUT_HEAD) {
		memset(data, 0, INPUT_HEAD);
		data[0] = (uint8_t)rnd(&r);
		size = INPUT_HEAD;
	}
	if (!below(&r, 32))
		data[1] = (uint8_t)rnd(&r);
	input_parse(data, size, &in);
	for (uint64_t n = 1 + below(&r, 4); n; n--)
		mutate(&in, &r);
	while (INPUT_HEAD + in.n * sizeof(struct edit) > max)
		in.n--;
	memcpy(data + INPUT_HEAD, in.edits, in.n * sizeof(struct edit));
	return INPUT_HEAD + in.n * sizeof(struct edit);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
				 uint8_t *out, size_t max, unsigned int seed);

/* Places are of an image: the edits of two inputs go together if that is the same. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
				 uint8_t *out, size_t max, unsigned int seed)
{
	uint64_t r = (seed + 1) * 0x9e3779b97f4a7c15ull;
	struct input x, y;

	if (!input_parse(a, na, &x) || !input_parse(b, nb, &y) || x.seed != y.seed)
		return 0;
	for (size_t i = 0; i < y.n && x.n < EDITS_MAX; i++)
		if (below(&r, 2))
			x.edits[x.n++] = y.edits[i];
	while (x.n && INPUT_HEAD + x.n * sizeof(struct edit) > max)
		x.n--;
	if (max < INPUT_HEAD)
		return 0;
	memcpy(out, a, INPUT_HEAD);
	memcpy(out + INPUT_HEAD, x.edits, x.n * sizeof(struct edit));
	return INPUT_HEAD + x.n * sizeof(struct edit);
}
