// SPDX-License-Identifier: GPL-2.0-or-later
/* The layouts of mimalloc 2.x, by the versions that have them; mimalloc/types.h. */
#include "heap/mimalloc_segment.h"

/* struct mi_page_s up to 2.1.2. */
#define PAGE_2_0                                                                         \
	.bytes = 80, .list = { 16, 32, 40 }, .used = 24, .capacity = 10, .reserved = 12, \
	.size = 28, .size_bytes = 4, .heap = 48

static const struct mi_page_layout page_2_0_3 = {
	PAGE_2_0, .huge = 1u << 30, .begins = MI_START_BEHIND_GAP,
	.gap = 128, /* MI_MAX_ALIGN_GUARANTEE */
};

static const struct mi_page_layout page_2_0_7 = {
	PAGE_2_0,
	.huge = 2u << 30,
	.begins = MI_START_BEHIND_GAP,
	.gap = 128,
};

static const struct mi_page_layout page_2_0_9 = {
	PAGE_2_0,
	.huge = 2u << 30,
	.begins = MI_START_BEHIND_GAP,
	.gap = 3 * 128,
};

static const struct mi_page_layout page_2_1_0 = {
	PAGE_2_0,
	.huge = 2u << 30,
	.begins = MI_START_BEHIND_BLOCKS,
};

/* types.h of CPython's, free-threaded: links and a goal of those that wait come last. */
static const struct mi_page_layout page_threaded = {
	.bytes = 96,
	.list = { 16, 32, 40 },
	.used = 24,
	.capacity = 10,
	.reserved = 12,
	.size = 28,
	.size_bytes = 4,
	.heap = 48,
	.begins = MI_START_BEHIND_BLOCKS,
};

static const struct mi_page_layout page_2_1_4 = {
	.bytes = 96,
	.list = { 16, 24, 56 },
	.used = 32,
	.capacity = 10,
	.reserved = 12,
	.size = 40,
	.size_bytes = 8,
	.heap = 64,
	.begins = MI_START_POINTER,
	.start = 48,
};

/* 2.0.3 to 2.0.7: what may be purged comes first. */
#define HEAD_2_0_3                                                                       \
	.most = 1024, .info = 2, .may_purge = 11, .expire = 16, .pending = 24,           \
	.used = 312, .cookie = 320, .slices = 328, .info_slices = 336, .kind = 344,      \
	.thread = 352, .entries = 360, .records = 368

/* What struct mi_segment_s of 2.0.9 to 2.1.7 has at the same places. */
#define HEAD_2_0                                                                         \
	.most = 512, .info = 1, .expire = 40, .pending = 48, .used = 208, .cookie = 216, \
	.slices = 224, .info_slices = 232, .kind = 240, .entries = 248, .thread = 256,   \
	.records = 264

/* 2.1.9 and newer: the sub-process comes before most, and two links later. */
#define HEAD_2_1_9                                                                       \
	.most = 512, .info = 1, .expire = 48, .pending = 56, .used = 216, .cookie = 224, \
	.slices = 248, .info_slices = 256, .kind = 264, .entries = 272, .thread = 280,   \
	.records = 288

/* mi_memid_t since 2.1.2: whether pinned, what kind; what may be purged follows. */
#define MEMID_2_1_2 .has_kind = true, .may_purge = 25

#define DECOMMITS                                                                        \
	.dues = true, .delay = MI_OPTION_DECOMMIT_DELAY,                                 \
	.extend = MI_OPTION_DECOMMIT_EXTEND
#define PURGES                                                                           \
	.dues = true, .delay = MI_OPTION_PURGE_DELAY, .extend = MI_OPTION_PURGE_EXTEND

/* struct mi_heap_s: the queues came last in 2.1.4, and had more before them since. */
#define HEAP_2_0       .queues = 1040, .delayed = 2840, .heap_cookie = 2864
#define HEAP_2_0_3     .queues = 1040, .delayed = 2840, .heap_cookie = 2856
#define HEAP_2_1_4(at) .queues = (at), .delayed = 8, .heap_cookie = 32

static const struct mi_segment_layout segment_2_0_3 = {
	HEAD_2_0_3,
	HEAP_2_0_3,
	.delay = MI_OPTION_DECOMMIT_DELAY,
	.thread_data = 8192,
};

static const struct mi_segment_layout segment_2_0_7 = {
	HEAD_2_0_3,
	HEAP_2_0,
	.delay = MI_OPTION_DECOMMIT_DELAY,
	.thread_data = 8192,
};

static const struct mi_segment_layout segment_2_0 = {
	HEAD_2_0, HEAP_2_0, DECOMMITS, .may_purge = 32, .thread_data = 8192,
};

static const struct mi_segment_layout segment_2_1_2 = {
	HEAD_2_0, HEAP_2_0, PURGES, MEMID_2_1_2, .thread_data = 8192,
};

/* CPython: the heaps of a thread are in its PyThreadState. */
static const struct mi_segment_layout segment_threaded = {
	HEAD_2_0, HEAP_2_0, PURGES, MEMID_2_1_2, .kept = true,
};

static const struct mi_segment_layout segment_2_1_4 = {
	HEAD_2_0,    HEAP_2_1_4(1264),	  PURGES,
	MEMID_2_1_2, .thread_data = 8192, .collects = true,
};

static const struct mi_segment_layout segment_2_1_9 = {
	HEAD_2_1_9,  HEAP_2_1_4(1264),	  PURGES,
	MEMID_2_1_2, .thread_data = 8192, .collects = true,
};

static const struct mi_segment_layout segment_2_2 = {
	HEAD_2_1_9,  HEAP_2_1_4(1280),	   PURGES,
	MEMID_2_1_2, .thread_data = 12288, .collects = true,
};

static const struct mi_segment_layout segment_2_3 = {
	HEAD_2_1_9,  HEAP_2_1_4(1288),	   PURGES,
	MEMID_2_1_2, .thread_data = 12288, .collects = true,
};

const struct mi_layout mi_segment_layouts[] = {
	{ "2.0.3-2.0.6", &page_2_0_3, NULL, &segment_2_0_3 },
	{ "2.0.7", &page_2_0_7, NULL, &segment_2_0_7 },
	{ "2.0.9", &page_2_0_9, NULL, &segment_2_0 },
	{ "2.1.0", &page_2_1_0, NULL, &segment_2_0 },
	{ "2.1.2", &page_2_1_0, NULL, &segment_2_1_2 },
	{ "2.1.2 of free-threaded CPython", &page_threaded, NULL, &segment_threaded },
	{ "2.1.4-2.1.7", &page_2_1_4, NULL, &segment_2_1_4 },
	{ "2.1.9", &page_2_1_4, NULL, &segment_2_1_9 },
	{ "2.2", &page_2_1_4, NULL, &segment_2_2 },
	{ "2.3-2.4", &page_2_1_4, NULL, &segment_2_3 },
};
const size_t mi_segment_layout_count =
	sizeof(mi_segment_layouts) / sizeof(mi_segment_layouts[0]);
