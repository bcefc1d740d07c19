// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What mimalloc of any version has in its data: the table of options (options.c), whose
 * elements have their own index and a name.
 */
#include "heap/mimalloc.h"

#include <errno.h>
#include <string.h>

#include "heap/data.h"

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
	[MI_OPTION_ALLOW_THP] = "allow_thp",
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
