// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images made smaller: most of what files' data holds is looked through and leads to
 * nothing, each time. What a decoder's answer does not depend on is left out.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* Of what is no file's, not as little is tried: it may be a heap behind a file. */
#define PAGES_MIN 16

static void set_presence(struct image *im, size_t from, size_t to, uint8_t presence)
{
	for (size_t i = from; i < to; i++)
		im->pages[i].presence = presence;
}

/* Leaves out what can be of [from, to), pages of one presence each in a file's data. */
static void reduce(struct image *im, size_t from, size_t to, size_t min, uint64_t digest)
{
	uint8_t presence = im->pages[from].presence;
	struct look l;

	set_presence(im, from, to, PAGE_ABSENT);
	look(im, &FUZZ_DECODER, NULL, 0, NULL, &l);
	if (l.digest == digest)
		return;
	set_presence(im, from, to, presence);
	if (to - from > min) {
		size_t half = from + (to - from) / 2;

		reduce(im, from, half, min, digest);
		reduce(im, half, to, min, digest);
	}
}

/* Leaves out mapping number @i, if that can be. */
static bool reduce_vma(struct image *im, size_t i, uint64_t digest)
{
	struct vma *v = im->vmas.v, was = v[i];
	struct look l;

	im->vmas.n--;
	memmove(v + i, v + i + 1, (im->vmas.n - i) * sizeof(*v));
	look(im, &FUZZ_DECODER, NULL, 0, NULL, &l);
	if (l.digest == digest) {
		free(was.name);
		return true;
	}
	memmove(v + i + 1, v + i, (im->vmas.n++ - i) * sizeof(*v));
	v[i] = was;
	return false;
}

/* Leaves out what was not looked at, if it need not be there for that. */
static void reduce_unread(struct image *im, uint64_t digest)
{
	struct look l;

	for (size_t i = 0; i < im->npages; i++) {
		im->pages[i].was = im->pages[i].presence;
		if (!im->pages[i].reads)
			im->pages[i].presence = PAGE_ABSENT;
	}
	look(im, &FUZZ_DECODER, NULL, 0, NULL, &l);
	for (size_t i = 0; l.digest != digest && i < im->npages; i++)
		im->pages[i].presence = im->pages[i].was;
}

void seed_reduce(struct seed *s)
{
	struct image *im = s->image;
	struct look l;

	look(im, &FUZZ_DECODER, NULL, 0, NULL, &l);
	reduce_unread(im, l.digest);
	for (size_t i = 0; i < im->vmas.n;)
		if (!reduce_vma(im, i, l.digest))
			i++;
	for (size_t i = 0, end; i < im->npages; i = end) {
		const struct vma *v = vma_find(&im->vmas, im->pages[i].addr);
		uint8_t presence = im->pages[i].presence;

		for (end = i + 1; v && end < im->npages && im->pages[end].addr < v->end &&
				  im->pages[end].presence == presence;
		     end++)
			;
		if (!v)
			im->pages[i].presence = PAGE_ABSENT;
		else if (is_data(im, v))
			reduce(im, i, end, v->inode ? 1 : PAGES_MIN, l.digest);
	}
	image_save(im);
}
