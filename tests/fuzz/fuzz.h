/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fuzzing of one decoder: what its parts share. */
#ifndef FALLOW_FUZZ_FUZZ_H
#define FALLOW_FUZZ_FUZZ_H

#include "image.h"
#include "look.h"

/* The decoder: heap_NAME of heap/heap.h. */
extern const struct heap_ops FUZZ_DECODER;

/* An image, and what of it is worth being changed: places that a decoder looks at. */
struct places {
	uint32_t *at;
	size_t n;
};

struct seed {
	struct image *image;
	uint32_t calls; /* of the reader, in a look at the whole image */
	struct places data; /* in the data of files */
	struct places heads; /* where mappings, and what is aligned, begin */
	struct places words; /* elsewhere */
};

/* Whether a mapping is a file's writable data, or its .bss. */
bool is_data(const struct image *im, const struct vma *v);

/* Leaves pages out of the image, and of its file, that the decoder can do without. */
void seed_reduce(struct seed *s);

extern struct seed *seeds;
extern size_t nseeds;

/* An input: the number of the seed, how to look, and edits. */
#define INPUT_HEAD 2u
#define INPUT_MAX  (INPUT_HEAD + EDITS_MAX * sizeof(struct edit))

struct input {
	const struct seed *seed;
	struct how how;
	bool again; /* by what a look at the image as it is has found */
	struct edit edits[EDITS_MAX];
	size_t n;
};

/* Any bytes are an input, but for less than a head. */
bool input_parse(const uint8_t *data, size_t size, struct input *in);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
