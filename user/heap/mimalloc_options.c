// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What mimalloc of any version has in its data: the table of options (options.c), whose
 * elements have their own index and a name.
 */
#include "heap/mimalloc.h"

#include <errno.h>
#include <string.h>

#include "heap/data.h"

/* struct mi_os_mem_config_s (prim.h). */
#define OS_PAGE	       0u
#define OS_LARGE       8u
#define OS_GRANULARITY 16u
#define OS_ADDRESS     32u /* bits of an address */
#define OS_FLAGS       40u /* four bytes */
#define OS_THP	       43u
#define OS_BYTES       48u
#define LARGE_PAGE     (2u << 20)

/* struct mi_option_desc_s. */
#define OPTION_VALUE 0u
#define OPTION_INIT  8u /* enum mi_init_e; 0: it was not asked for yet */
#define INITS	     3u
#define OPTION_INDEX 12u
#define OPTION_NAME  16u
#define OPTION_BYTES 24u /* up to there; since 1.7 another name follows */
#define OPTIONS_MIN  12u /* that all versions have */
#define OPTIONS_MAX  128u
#define NAME_BYTES   32u

static const uint32_t strides[] = { 24, 32 };
static const char first_name[] = "show_errors";

static const char *const names[MI_OPTIONS] = {
	[MI_OPTION_DECOMMIT_DELAY] = "decommit_delay",
	[MI_OPTION_DECOMMIT_EXTEND] = "decommit_extend_delay",
	[MI_OPTION_SEGMENT_DECOMMIT_DELAY] = "segment_decommit_delay",
	[MI_OPTION_PURGE_DELAY] = "purge_delay",
	[MI_OPTION_PURGE_EXTEND] = "purge_extend_delay",
	[MI_OPTION_PURGE_MULT] = "arena_purge_mult",
	[MI_OPTION_PURGE_DECOMMITS] = "purge_decommits",
	[MI_OPTION_PURGE_MIN_SIZE] = "arena_purge_min_size",
	[MI_OPTION_MINIMAL_PURGE] = "minimal_purge_size",
	[MI_OPTION_ALLOW_THP] = "allow_thp",
	[MI_OPTION_NUMA_LOCAL] = "arena_is_numa_local",
};

struct option_scan {
	struct data_scan scan;
	struct mimalloc *m;
	uint64_t options; /* address of the table; 0: not found */
	uint32_t stride;
};

/* How many options there are from the one at @buf on, @stride bytes apart. */
static uint32_t count_options(const uint8_t *buf, size_t len, uint32_t stride)
{
	uint32_t n = 0;

	for (; n < OPTIONS_MAX && n * stride + OPTION_BYTES <= len; n++, buf += stride)
		if (get32(buf, OPTION_INDEX) != n || get32(buf, OPTION_INIT) >= INITS ||
		    !get64(buf, OPTION_NAME))
			break;
	return n;
}

static bool read_name(struct mimalloc *m, const uint8_t *option, char name[NAME_BYTES])
{
	uint64_t at = get64(option, OPTION_NAME), last = at + NAME_BYTES - 1;

	return last > at && vma_find(m->src->vmas, at) && vma_find(m->src->vmas, last) &&
	       !peek_read(&m->peek, at, name, NAME_BYTES);
}

static int scan_window(struct data_scan *s, uint64_t addr, const uint8_t *buf, size_t len)
{
	struct option_scan *k = (struct option_scan *)s;
	char name[NAME_BYTES];

	for (size_t i = 0; i + 8 <= len; i += 8)
		for (size_t n = 0; n < sizeof(strides) / sizeof(strides[0]); n++) {
			if (count_options(buf + i, len - i, strides[n]) < OPTIONS_MIN ||
			    !read_name(k->m, buf + i, name) ||
			    memcmp(name, first_name, sizeof(first_name)) != 0)
				continue;
			k->options = addr + i;
			k->stride = strides[n];
			return 1;
		}
	return 0;
}

static void take_option(struct mimalloc *m, const uint8_t *raw)
{
	char name[NAME_BYTES];

	m->loaded |= get32(raw, OPTION_INIT) != 0;
	if (!read_name(m, raw, name))
		return;
	for (int i = 0; i < MI_OPTIONS; i++)
		if (!strncmp(name, names[i], sizeof(name))) {
			m->option[i] = (int64_t)get64(raw, OPTION_VALUE);
			m->option_known[i] = true;
		}
}

int mi_find_options(struct mimalloc *m)
{
	struct option_scan s = { .scan.window = scan_window, .m = m };
	uint8_t raw[OPTION_BYTES];
	int err = data_scan(m->src, &s.scan);

	if (err < 0 || !s.options)
		return err;
	for (uint32_t i = 0; i < OPTIONS_MAX; i++) {
		err = mi_read(m, s.options + (uint64_t)i * s.stride, raw, sizeof(raw));
		if (err || get32(raw, OPTION_INDEX) != i)
			break;
		take_option(m, raw);
	}
	return err == -ESRCH ? err : 0;
}

struct os_scan {
	struct data_scan scan;
	uint32_t page_size;
	bool thp;
};

static bool is_config(const struct os_scan *s, const uint8_t *raw)
{
	uint64_t bits = get64(raw, OS_ADDRESS);

	return get64(raw, OS_PAGE) == s->page_size &&
	       get64(raw, OS_LARGE) == LARGE_PAGE &&
	       get64(raw, OS_GRANULARITY) == s->page_size && bits >= 32 && bits <= 57 &&
	       !(get32(raw, OS_FLAGS) & ~0x01010101u);
}

static int scan_for_config(struct data_scan *scan, uint64_t addr, const uint8_t *buf,
			   size_t len)
{
	struct os_scan *s = (struct os_scan *)scan;

	(void)addr;
	for (size_t i = 0; i + OS_BYTES <= len; i += 8)
		if (is_config(s, buf + i)) {
			s->thp = buf[i + OS_THP];
			return 1;
		}
	return 0;
}

int mi_find_thp(struct mimalloc *m)
{
	struct os_scan s = { .scan.window = scan_for_config,
			     .page_size = m->src->target->reader.page_size };
	int found = data_scan(m->src, &s.scan);

	m->thp = found == 0 || s.thp;
	return found < 0 ? found : 0;
}
