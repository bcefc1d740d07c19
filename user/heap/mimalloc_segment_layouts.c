// SPDX-License-Identifier: GPL-2.0-or-later
/* The layouts of mimalloc 2.x, by the versions that have them; mimalloc/types.h. */
#include "heap/mimalloc_segment.h"

static const struct mi_page_layout page_2_0 = {
	.bytes = 80,
	.list = { 16, 32, 40 },
	.used = 24,
	.capacity = 10,
	.reserved = 12,
	.size = 28,
	.size_bytes = 4,
	.heap = 48,
	.begins = MI_START_BEHIND_GAP,
};

static const struct mi_page_layout page_2_1_0 = {
	.bytes = 80,
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

/* What struct mi_segment_s of 2.0.9 to 2.1.7 has at the same places. */
#define HEAD_2_0                                                                         \
	.expire = 40, .pending = 48, .used = 208, .cookie = 216, .slices = 224,          \
	.info_slices = 232, .kind = 240, .entries = 248, .thread = 256, .records = 264

/* 2.1.9 and newer: the sub-process comes before most, and two links later. */
#define HEAD_2_1_9                                                                       \
	.expire = 48, .pending = 56, .used = 216, .cookie = 224, .slices = 248,          \
	.info_slices = 256, .kind = 264, .entries = 272, .thread = 280, .records = 288

/* mi_memid_t since 2.1.2: whether pinned, what kind; what may be purged follows. */
#define MEMID_2_1_2 .has_kind = true, .may_purge = 25

#define DECOMMITS .delay = MI_OPTION_DECOMMIT_DELAY, .extend = MI_OPTION_DECOMMIT_EXTEND
#define PURGES	  .delay = MI_OPTION_PURGE_DELAY, .extend = MI_OPTION_PURGE_EXTEND

/* struct mi_heap_s: the queues came last in 2.1.4, and had more before them since. */
#define HEAP_2_0       .queues = 1040, .delayed = 2840, .heap_cookie = 2864
#define HEAP_2_1_4(at) .queues = (at), .delayed = 8, .heap_cookie = 32

static const struct mi_segment_layout segment_2_0 = {
	HEAD_2_0, HEAP_2_0, DECOMMITS, .may_purge = 32, .thread_data = 8192,
};

static const struct mi_segment_layout segment_2_1_2 = {
	HEAD_2_0, HEAP_2_0, PURGES, MEMID_2_1_2, .thread_data = 8192,
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
	{ "2.0", &page_2_0, NULL, &segment_2_0 },
	{ "2.1.0", &page_2_1_0, NULL, &segment_2_0 },
	{ "2.1.2", &page_2_1_0, NULL, &segment_2_1_2 },
	{ "2.1.4-2.1.7", &page_2_1_4, NULL, &segment_2_1_4 },
	{ "2.1.9", &page_2_1_4, NULL, &segment_2_1_9 },
	{ "2.2", &page_2_1_4, NULL, &segment_2_2 },
	{ "2.3-2.4", &page_2_1_4, NULL, &segment_2_3 },
};
const size_t mi_segment_layout_count =
	sizeof(mi_segment_layouts) / sizeof(mi_segment_layouts[0]);
