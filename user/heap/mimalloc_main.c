// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The first thread's heap of mimalloc of any version, also of one that is not decoded:
 * it is in data, and has a table of queues of pages, one for each size of blocks.
 */
#include "heap/data.h"
#include "heap/mimalloc.h"

/* struct mi_page_queue_s: the first page, the last, since 3.1 how many, blocks' size. */
static const uint32_t strides[] = { 24, 32 };

/* MI_PAGE_QUEUES_EMPTY: what such a table begins with. */
static const uint64_t sizes[] = { 8, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128 };

#define SIZES	   (sizeof(sizes) / sizeof(sizes[0]))
#define QUEUES_MAX 75u /* MI_BIN_FULL + 1 */

static uint64_t size_of(const uint8_t *queue, uint32_t stride)
{
	return get64(queue, stride - sizeof(uint64_t));
}

static bool are_queues(const uint8_t *buf, size_t len, uint32_t stride)
{
	if (len < SIZES * stride)
		return false;
	for (size_t i = 0; i < SIZES; i++)
		if (size_of(buf + i * stride, stride) != sizes[i])
			return false;
	return true;
}

/* Sizes rise to the last queue, behind which anything may be. */
static bool has_page(const uint8_t *buf, size_t len, uint32_t stride)
{
	uint64_t last = 0;

	for (size_t i = 0; i < QUEUES_MAX && (i + 1) * stride <= len; i++) {
		const uint8_t *queue = buf + i * stride;

		if (size_of(queue, stride) < last)
			break;
		if (get64(queue, 0))
			return true;
		last = size_of(queue, stride);
	}
	return false;
}

static int scan_window(struct data_scan *s, uint64_t addr, const uint8_t *buf, size_t len)
{
	(void)addr;
	for (size_t i = 0; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t))
		for (size_t n = 0; n < sizeof(strides) / sizeof(strides[0]); n++) {
			if (!are_queues(buf + i, len - i, strides[n]))
				continue;
			s->useful = true;
			if (has_page(buf + i, len - i, strides[n]))
				return 1;
		}
	return 0;
}

int mi_main_heap_is_used(const struct mimalloc *m)
{
	struct data_scan s = { .window = scan_window };

	return data_scan(m->src, &s);
}
