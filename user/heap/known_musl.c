// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * musl's malloc, mallocng (src/malloc/mallocng/meta.h, 1.2.1 to 1.2.5), in a program of
 * static linkage too: it guards its records by a random number, so that a root that has
 * the same one as the records it leads to is no other's. Groups that have a mapping of
 * their own, and the records, are its memory; other groups are within those, or within
 * what the libraries' data leaves free.
 */
#include <stdio.h>
#include <string.h>

#include "heap/data.h"
#include "heap/known.h"

#define PAGE 4096 /* of a meta_area, whatever the kernel's is */

/* malloc_context; the page size is a member where it is not the same everywhere. */
#ifdef __aarch64__
#define SKEW 8
#else
#define SKEW 0
#endif
#define CTX_INIT_DONE (8 + SKEW)
#define CTX_HEAD      (56 + SKEW)
#define CTX_TAIL      (64 + SKEW)
#define CTX_SIZE      (72 + SKEW)

/* meta_area: the secret, the next one, the number of its slots, slots. */
#define AREA_NEXT  8
#define AREA_SLOTS 16
#define AREA_META  24

/* meta */
#define META_GROUP   16
#define META_BITS    32
#define META_SIZE    40
#define MAPLEN_SHIFT 12
#define SLOTS_MAX    ((PAGE - AREA_META) / META_SIZE)

/* Lest what only looks like roots takes long. */
#define TRIES_MAX 65536

struct hunt {
	struct data_scan scan;
	struct search *s;
	uint64_t secret, head; /* 0: not found */
	unsigned int tries; /* bounded */
};

static bool guards(struct search *s, uint64_t area, uint64_t secret)
{
	uint64_t check;

	return area % PAGE == 0 && search_read(s, area, &check, sizeof(check)) &&
	       check == secret;
}

static int take_window(struct data_scan *scan, uint64_t addr, const uint8_t *buf,
		       size_t len)
{
	struct hunt *h = (struct hunt *)scan;

	(void)addr;
	for (size_t at = 0; at + CTX_SIZE <= len; at += 8) {
		uint64_t secret = get64(buf, at), head = get64(buf, at + CTX_HEAD);
		uint64_t tail = get64(buf, at + CTX_TAIL);

		if (!secret || get32(buf, at + CTX_INIT_DONE) != 1 || !head || !tail ||
		    head % PAGE || tail % PAGE)
			continue;
		if (++h->tries > TRIES_MAX)
			return 1;
		if (guards(h->s, head, secret) && guards(h->s, tail, secret)) {
			h->secret = secret;
			h->head = head;
			return 1;
		}
	}
	return 0;
}

/* A group that has a mapping of its own, and knows its record. */
static void take_meta(struct search *s, struct found *f, uint64_t addr,
		      const uint8_t *meta)
{
	uint64_t group = get64(meta, META_GROUP), back;
	uint64_t len = (get64(meta, META_BITS) >> MAPLEN_SHIFT) * PAGE;

	if (len && group % PAGE == 0 && group + len > group &&
	    search_read(s, group, &back, sizeof(back)) && back == addr)
		found_span(s, f, group, group + len);
}

static bool take_area(struct search *s, struct found *f, uint64_t area, uint64_t *next)
{
	uint8_t buf[PAGE];
	uint32_t slots;

	if (!search_read(s, area, buf, sizeof(buf)))
		return false;
	*next = get64(buf, AREA_NEXT);
	slots = get32(buf, AREA_SLOTS);
	found_span(s, f, area, area + PAGE);
	for (uint32_t i = 0; i < slots && i < SLOTS_MAX; i++) {
		uint32_t at = AREA_META + i * META_SIZE;

		take_meta(s, f, area + at, buf + at);
	}
	return true;
}

/* All areas once, though they were forged into a ring: the mark moves ever farther. */
static void take_areas(struct hunt *h, struct found *f)
{
	uint64_t area = h->head, mark = 0;

	for (uint64_t n = 1, turn = 1; area && area != mark; n++) {
		uint64_t next;

		if (!guards(h->s, area, h->secret) || !take_area(h->s, f, area, &next))
			break;
		if (n == turn) {
			mark = area;
			turn *= 2;
		}
		area = next;
	}
}

bool known_musl(struct search *s, struct elf *x, struct found *f)
{
	struct hunt h = { .scan.window = take_window, .s = s };
	int err;

	/* It is in its dynamic linker, or in a program that has none. */
	if (f->there || (x->is_exe && elf_is_dynamic(x)) ||
	    (!x->is_exe && !elf_exports(x, "__dls2b", NULL)))
		return false;
	err = data_scan(s->src, &h.scan);
	if (err < 0)
		s->err = err;
	if (!h.secret)
		return false;
	snprintf(f->version, sizeof(f->version), "mallocng");
	take_areas(&h, f);
	return true;
}
