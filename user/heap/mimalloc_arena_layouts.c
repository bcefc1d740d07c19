// SPDX-License-Identifier: GPL-2.0-or-later
/* The layouts of mimalloc 3.x, by the versions that have them; mimalloc/types.h, arena.c. */
#include "heap/mimalloc.h"

/* What struct mi_page_s has at the same places in all but 3.6. */
#define PAGE_3_0                                                                         \
	.list = { 8, 24, 32 }, .used = 16, .capacity = 18, .reserved = 20, .size = 40,   \
	.size_bytes = 8, .start = 48, .thread = 0

static const struct mi_page_layout page_3_0 = {
	PAGE_3_0, .bytes = 120, .heap = 64, .begins = MI_START_POINTER, .memid = 96,
};

/* Builds that are hardened or for debugging: the keys of lists come before the heap. */
static const struct mi_page_layout page_3_0_keys = {
	PAGE_3_0,     .bytes = 136, .keys = 64, .heap = 80, .begins = MI_START_POINTER,
	.memid = 112,
};

/* The heap of a thread, which is what collects, and the one that it is of, behind. */
static const struct mi_page_layout page_3_2 = {
	PAGE_3_0, .bytes = 120, .heap = 56, .begins = MI_START_POINTER, .memid = 96,
};

static const struct mi_page_layout page_3_2_keys = {
	PAGE_3_0,     .bytes = 136, .keys = 56, .heap = 72, .begins = MI_START_POINTER,
	.memid = 112,
};

static const struct mi_page_layout page_3_4 = {
	PAGE_3_0, .bytes = 112, .heap = 56, .begins = MI_START_WORDS, .memid = 88,
};

static const struct mi_page_layout page_3_4_keys = {
	PAGE_3_0,     .bytes = 128, .keys = 56, .heap = 72, .begins = MI_START_WORDS,
	.memid = 104,
};

/* No source of it was at hand: offsets by looks at processes, checked by their books. */
static const struct mi_page_layout page_3_6 = {
	.bytes = 128,
	.list = { 16, 24, 64 },
	.used = 40,
	.capacity = 56,
	.reserved = 58,
	.size = 32,
	.size_bytes = 8,
	.heap = 72,
	.begins = MI_START_OFFSET,
	.start = 48,
	.thread = 8,
	.memid = 104,
};

static const struct mi_arena_layout arena_3_0 = {
	.slices = 32,
	.info_slices = 40,
	.bitmaps = 64,
	.pages = 96,
	.kind_mapped = 4,
	.kind_arena = 7,
};

/* A function that commits comes before the bitmaps. */
static const struct mi_arena_layout arena_3_1 = {
	.slices = 32,
	.info_slices = 40,
	.bitmaps = 80,
	.pages = 112,
	.kind_mapped = 4,
	.kind_arena = 7,
};

/* Only pages of the main heap are in the bitmap of pages. */
static const struct mi_arena_layout arena_3_2 = {
	.slices = 40,
	.info_slices = 48,
	.bitmaps = 88,
	.pages = 120,
	.kind_mapped = 4,
	.kind_arena = 7,
	.heaps = true,
};

static const struct mi_arena_layout arena_3_3 = {
	.slices = 40,
	.info_slices = 48,
	.bitmaps = 104,
	.pages = 144,
	.records = 136,
	.kind_mapped = 4,
	.kind_arena = 7,
	.heaps = true,
};

static const struct mi_arena_layout arena_3_6 = {
	.at = 8 * MI_SLICE,
	.slices = 48,
	.info_slices = 56,
	.bitmaps = 112,
	.kind_mapped = 3,
	.kind_arena = 6,
	.region = 4096,
	.map_head = 80,
};

/*
 * Those of arenas in an order in which each differs from all before: a newer one has what
 * an older one ends with, where it begins.
 */
const struct mi_layout mi_arena_layouts[] = {
	{ "3.0", &page_3_0, &arena_3_0, NULL },
	{ "3.0, hardened", &page_3_0_keys, &arena_3_0, NULL },
	{ "3.0.3-3.1", &page_3_0, &arena_3_1, NULL },
	{ "3.0.3-3.1, hardened", &page_3_0_keys, &arena_3_1, NULL },
	{ "3.2", &page_3_2, &arena_3_2, NULL },
	{ "3.2, hardened", &page_3_2_keys, &arena_3_2, NULL },
	{ "3.3", &page_3_2, &arena_3_3, NULL },
	{ "3.3, hardened", &page_3_2_keys, &arena_3_3, NULL },
	{ "3.4", &page_3_4, &arena_3_3, NULL },
	{ "3.4, hardened", &page_3_4_keys, &arena_3_3, NULL },
	{ "3.6", &page_3_6, &arena_3_6, NULL },
};
const size_t mi_arena_layout_count =
	sizeof(mi_arena_layouts) / sizeof(mi_arena_layouts[0]);
