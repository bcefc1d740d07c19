/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a process that once was, read from a file that image.py made: what a
 * heap decoder looks at in place of a live one. Edits change it for the time of one
 * look, some of them in the middle of it, as a process that runs would.
 */
#ifndef FALLOW_FUZZ_IMAGE_H
#define FALLOW_FUZZ_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/target.h"
#include "target/vma.h"

#define IMAGE_PAGE 4096u
/* Where the kernel's part of the address space begins: pagemap ends there. */
#define IMAGE_USER_END 0x7ffffffff000ull

/* A page that is not among them is absent. */
struct image_page {
	uint64_t addr;
	const uint8_t *data; /* IMAGE_PAGE bytes; pages may share them */
	uint8_t *own; /* the same, once written to; else NULL */
	uint8_t presence, was; /* enum page_presence */
	bool readable; /* by its mapping's permissions */
	bool saved; /* as it was before the edits */
	uint32_t reads; /* times that it was looked at */
};

enum edit_op {
	EDIT_SET8, /* eight bytes of memory become @value */
	EDIT_SET4, /* four of them */
	EDIT_SET2,
	EDIT_COPY, /* 8 << @arg bytes, within a page, become those at the place @value */
	EDIT_ABSENT, /* the page is given back */
	EDIT_SWAPPED,
	EDIT_SHARED,
	EDIT_PAGE, /* the page's content becomes that of the page that has @value */
	/*
	 * The mapping number @place, in the list of them and, where @arg is odd, in memory;
	 * @value: pages of it, from its start.
	 */
	EDIT_CUT, /* ends there */
	EDIT_HOLE, /* has none there */
	EDIT_SPLIT, /* is two from there on */
	EDIT_PERMS, /* has those of VMA_READ, VMA_WRITE, VMA_EXEC that @value has */
	EDIT_GONE, /* the process is; or, where @arg is odd, may not be looked at */
	EDIT_OPS
};

/* As it is in the fuzzer's inputs. */
struct edit {
	uint8_t op; /* enum edit_op, modulo EDIT_OPS */
	uint8_t arg;
	uint16_t when; /* before the how manieth reading call; 0: before the look */
	uint32_t place; /* in memory: number of the page << 10 | offset in it / 4 */
	uint64_t value;
};

#define EDITS_MAX 64

struct image_undo {
	size_t page;
	struct image_page was;
};

struct image {
	char *name; /* of the file */
	struct vma_list vmas; /* as they were */
	struct image_page *pages; /* by address */
	size_t npages;
	uint8_t *file; /* all of its bytes, in which are: */
	const uint8_t *text; /* of the mappings */
	const uint8_t *contents; /* of pages */
	size_t ncontents;

	/* During a look. */
	struct vma_list seen; /* the mappings as edited; names are those of vmas */
	struct edit edits[EDITS_MAX]; /* that are still to come, by when */
	size_t nedits, next;
	struct image_undo *undo; /* as many as there are pages */
	size_t nundo;
	uint32_t calls; /* reading calls so far */
	int gone; /* what they answer from now on: -errno; 0: what is there */
	struct target target;
};

/* Reads a file. It is our own: what is wrong with it ends the program. */
struct image *image_load(const char *path);
void image_free(struct image *im);
/* Writes the file anew, without the mappings that are not in vmas, and pages that are absent. */
void image_save(const struct image *im);

/* Begins a look, with @n edits, and ends it: all is as it was. */
void image_begin(struct image *im, const struct edit *edits, size_t n);
void image_end(struct image *im);

/* Edits that are due: called by each reading call. -errno if the process is gone. */
int image_call(struct image *im);

/* The page at @addr, or the first one above it, which may be the end of pages. */
struct image_page *image_page_above(const struct image *im, uint64_t addr);

/* The eight bytes at a place, and its address. */
uint64_t image_word(const struct image *im, uint32_t place);
uint64_t image_addr(const struct image *im, uint32_t place);

#endif
