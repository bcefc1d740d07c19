// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The harness of a heap decoder for libFuzzer: an input is a seed image (image.py) and
 * edits to it (image.h). The images are the files of the directory that the argument
 * --images=DIR names.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/recall.h"

#define DIR_ARG	   "--images="
#define HEAD_LEN   64u
#define HEAD_ALIGN (64u << 10)

struct seed *seeds;
size_t nseeds;

bool input_parse(const uint8_t *data, size_t size, struct input *in)
{
	if (size < INPUT_HEAD)
		return false;
	in->seed = &seeds[data[0] % nseeds];
	in->how.stop = data[1] & 1 ? 1ull << (data[1] >> 4) : 0;
	in->how.by_size = data[1] & 2;
	in->how.quick = data[1] & 4;
	in->how.recall = NULL;
	in->again = data[1] & 8;
	in->n = (size - INPUT_HEAD) / sizeof(struct edit);
	in->n = in->n < EDITS_MAX ? in->n : EDITS_MAX;
	memcpy(in->edits, data + INPUT_HEAD, in->n * sizeof(struct edit));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct look l;

	if (!input_parse(data, size, &in))
		return 0;
	if (in.again) {
		struct how first = { .recall = recall_new() };

		look(in.seed->image, &FUZZ_DECODER, NULL, 0, &first, &l);
		in.how.recall = first.recall;
	}
	look(in.seed->image, &FUZZ_DECODER, in.edits, in.n, &in.how, &l);
	recall_free(in.how.recall);
	return 0;
}

/* Numbers that lead somewhere or count something; not what blocks are filled with. */
static bool is_telling(const struct image *im, uint64_t word)
{
	if (word && word % 256 * 0x0101010101010101ull == word)
		return false;
	return word && (word < 1ull << 32 || vma_find(&im->vmas, word) ||
			word % IMAGE_PAGE == 0 || word >> 48);
}

/* Beside such a number, 0 may be one, too. */
static bool is_near_telling(const struct image *im, uint32_t place)
{
	return is_telling(im, image_word(im, place)) ||
	       (!image_word(im, place) && (is_telling(im, image_word(im, place - 2)) ||
					   is_telling(im, image_word(im, place + 2))));
}

bool is_data(const struct image *im, const struct vma *v)
{
	return v && (v->inode || (v > im->vmas.v && !v->name[0] && v[-1].inode &&
				  v[-1].end == v->start));
}

static void add_place(struct places *p, uint32_t place)
{
	if (!(p->n & (p->n - 1))) {
		p->at = realloc(p->at, (p->n ? 2 * p->n : 1) * sizeof(*p->at));
		if (!p->at)
			abort();
	}
	p->at[p->n++] = place;
}

static bool is_head(const struct vma *v, uint64_t addr)
{
	uint64_t page = addr - addr % IMAGE_PAGE;

	return addr - page < HEAD_LEN && (page == v->start || page % HEAD_ALIGN == 0);
}

static void find_places(struct seed *s)
{
	const struct image *im = s->image;

	for (size_t i = 0; i < im->npages; i++) {
		const struct vma *v = vma_find(&im->vmas, im->pages[i].addr);

		for (uint32_t at = 0; v && im->pages[i].reads && at < IMAGE_PAGE;
		     at += 8) {
			uint32_t place = (uint32_t)i << 10 | at / 4;

			if (is_head(v, im->pages[i].addr + at))
				add_place(&s->heads, place);
			else if (is_near_telling(im, place))
				add_place(is_data(im, v) ? &s->data : &s->words, place);
		}
	}
}

/*
 * What is known from a look before changes nothing. It makes most looks cheaper, and none
 * dearer than to look where something was, and then everywhere.
 */
static void check_recall(struct seed *s, const struct look *l)
{
	struct how how = { .recall = recall_new() };
	struct look known;

	for (int i = 0; i < 2; i++) {
		look(s->image, &FUZZ_DECODER, NULL, 0, &how, &known);
		if (known.digest == l->digest && known.calls <= 2 * l->calls)
			continue;
		fprintf(stderr, "%s: look %d by what is known: %u calls, not %u; %s\n",
			s->image->name, i, known.calls, l->calls,
			known.digest == l->digest ? "the same" : "tells something else");
		abort();
	}
	recall_free(how.recall);
}

static void add_seed(const char *path)
{
	struct seed *s;
	struct look l;

	seeds = realloc(seeds, (nseeds + 1) * sizeof(*seeds));
	if (!seeds)
		abort();
	s = &seeds[nseeds++];
	*s = (struct seed){ .image = image_load(path) };
	look(s->image, &FUZZ_DECODER, NULL, 0, NULL, &l);
	s->calls = l.calls;
	check_recall(s, &l);
	find_places(s);
}

static int is_image(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dir = NULL;
	struct dirent **names;
	int n;

	for (int i = 1; i < *argc; i++)
		if (!strncmp((*argv)[i], DIR_ARG, strlen(DIR_ARG)))
			dir = (*argv)[i] + strlen(DIR_ARG);
	n = dir ? scandir(dir, &names, is_image, alphasort) : 0;
	if (n <= 0) {
		fprintf(stderr, "%s: no images: " DIR_ARG "DIR\n", (*argv)[0]);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		add_seed(path);
		free(names[i]);
	}
	free(names);
	return 0;
}
