// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds tcmalloc's tables of size classes and of central caches, in the data that the
 * page map is in: the one by its numbers, the other by lists that are empty, which lead
 * to themselves.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/data.h"

#define WORD sizeof(uint64_t)

/* For which gp_find_caches() has the last word. */
const struct gp_layout gp_layouts[GP_LAYOUTS] = {
	{ "2.8-2.10", false, 4144 },
	{ "2.11-2.15", true, 4144 },
	{ "2.16-2.18", true, 4128 },
};

/* Looks for the tables, once each. */
struct table_scan {
	struct data_scan scan;
	struct gperftools *g;
};

/* common.h: SizeMap. Bytes from class_to_size_ to what is before and behind it. */
#define SIZES_LENGTH  (GP_CLASSES_MAX * sizeof(uint32_t))
#define PAGES_LENGTH  (GP_CLASSES_MAX * sizeof(uint64_t))
#define SIZES_BEFORE  SIZES_LENGTH /* num_objects_to_move_ */
#define SIZES_BEHIND  (SIZES_LENGTH + WORD + PAGES_LENGTH + 2 * WORD)
#define OBJECTS_PAGES 1024u /* of tcmalloc's, more than any class' span has */

/* class_to_size_: 0, 8, 16, and on to kMaxSize. How many there are; 0: is none. */
static uint32_t count_classes(const uint8_t *sizes)
{
	uint32_t n = 1;

	if (get32(sizes, 0) || get32(sizes, 4) != 8 || get32(sizes, 8) != 16)
		return 0;
	for (; n < GP_CLASSES_MAX && get32(sizes, n * 4); n++)
		if (get32(sizes, n * 4) <= get32(sizes, n * 4 - 4) ||
		    get32(sizes, n * 4) % 8)
			return 0;
	if (get32(sizes, n * 4 - 4) != GP_SIZE_MAX)
		return 0;
	for (uint32_t i = n; i < GP_CLASSES_MAX; i++)
		if (get32(sizes, i * 4))
			return 0;
	return n;
}

/* Every class has as many pages as hold an object, and not many more. */
static bool pages_hold(const struct gperftools *g, const uint8_t *sizes,
		       const uint8_t *pages, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint64_t count = get64(pages, i * WORD);

		if (!count || count > OBJECTS_PAGES ||
		    count << g->map.shift < get32(sizes, i * 4) ||
		    (count << g->map.shift) / get32(sizes, i * 4) > GP_OBJECTS_MAX)
			return false;
	}
	for (uint32_t i = n; i < GP_CLASSES_MAX; i++)
		if (get64(pages, i * WORD))
			return false;
	return !get64(pages, 0);
}

/* Whether @sizes, which is at @addr, is class_to_size_; takes it. */
static bool take_sizes(struct gperftools *g, uint64_t addr, const uint8_t *sizes)
{
	uint32_t n = count_classes(sizes);
	const uint8_t *pages = sizes + SIZES_LENGTH + (addr + SIZES_LENGTH) % WORD;
	const uint8_t *behind = pages + PAGES_LENGTH;

	if (!n || !pages_hold(g, sizes, pages, n))
		return false;
	if (get64(behind, 0) == n)
		g->min_span = false;
	else if (get64(behind, WORD) == n && get64(behind, 0))
		g->min_span = true;
	else
		return false;
	g->nclasses = n;
	for (uint32_t i = 1; i < n; i++) {
		g->size[i] = get32(sizes, i * 4);
		g->pages[i] = (uint32_t)get64(pages, i * WORD);
		g->batch[i] = get32(sizes - SIZES_BEFORE, i * 4);
	}
	return true;
}

static bool in_data(const struct gperftools *g, uint64_t addr)
{
	return addr >= g->data.start && addr < g->data.end;
}

static int scan_sizes(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct gperftools *g = ((struct table_scan *)s)->g;

	for (size_t i = SIZES_BEFORE; i + SIZES_BEHIND <= len; i += 4)
		if (in_data(g, at + i) && take_sizes(g, at + i, buf + i))
			return 1;
	return 0;
}

static bool is_empty_list(const uint8_t *b, uint64_t list, uint64_t addr)
{
	return get64(b, list + SPAN_NEXT) == addr + list &&
	       get64(b, list + SPAN_NEXT + WORD) == addr + list;
}

/* Class 0 has no objects: its lists are empty. */
static bool is_first_central(const uint8_t *b, uint64_t addr)
{
	return !get64(b, CENTRAL_CLASS) && is_empty_list(b, CENTRAL_EMPTY, addr) &&
	       is_empty_list(b, CENTRAL_NONEMPTY, addr) && !get64(b, CENTRAL_SPANS) &&
	       !get64(b, CENTRAL_COUNTER);
}

bool gp_central_holds(const uint8_t *b, uint32_t class)
{
	uint32_t used = get32(b, CENTRAL_USED), size = get32(b, CENTRAL_USED + 4),
		 max = get32(b, CENTRAL_USED + 8);

	return get64(b, CENTRAL_CLASS) == class && used <= size && size <= max &&
	       max <= CENTRAL_SLOTS;
}

/* Whether those of all classes follow. 1, 0 or -errno. */
static int try_central(struct gperftools *g, uint64_t addr)
{
	uint8_t b[CENTRAL_END];

	for (uint32_t i = 0; i < g->nclasses; i++) {
		uint64_t at = addr + (uint64_t)i * CENTRAL_SIZE;
		int err;

		if (at < g->data.start || at > g->data.end - CENTRAL_SIZE)
			return 0;
		err = peek_read(&g->peek, at, b, sizeof(b));
		if (err)
			return err == -ESRCH || err == -EPERM ? err : 0;
		if (!gp_central_holds(b, i))
			return 0;
	}
	g->central = addr;
	return 1;
}

static int scan_central(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct gperftools *g = ((struct table_scan *)s)->g;

	for (size_t i = 0; i + CENTRAL_SIZE <= len; i += WORD) {
		int found = 0;

		if (in_data(g, at + i) && is_first_central(buf + i, at + i))
			found = try_central(g, at + i);
		if (found)
			return found;
	}
	return 0;
}

int gp_find_tables(struct gperftools *g)
{
	struct table_scan sizes = { .scan.window = scan_sizes, .g = g };
	struct table_scan central = { .scan.window = scan_central, .g = g };
	int found = data_scan(g->src, &sizes.scan);

	if (found <= 0)
		return found;
	found = data_scan(g->src, &central.scan);
	return found < 0 ? found : 1;
}
