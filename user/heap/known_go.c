// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Go: what was linked by its linker has a note of it, and says which version of the
 * runtime is in it (debug/buildinfo). The heap is of arenas, wherever they are: a table of
 * them is found by records that say the very addresses for which they are looked up
 * (runtime/mheap.go).
 */
#include <string.h>

#include "heap/data.h"
#include "heap/known.h"

#define NOTE_GO_BUILD_ID 4 /* cmd/internal/buildid/note.go */

/* cmd/link/internal/ld/data.go: buildinfo() */
#define MAGIC	   "\xff Go buildinf:"
#define MAGIC_LEN  14
#define ALIGN	   16
#define FLAGS_AT   15
#define INLINE	   2 /* flag: the version follows; before Go 1.18 pointers do */
#define POINTER_AT 16
#define STRINGS_AT 32
#define SEARCHED   (64u << 10)

/* mheap_.arenas of 64-bit Linux: a pointer each to what is known of an arena. */
#define ARENA	   (64ull << 20)
#define ARENA_PAGE 8192
#define TABLE	   (32ull << 20)
#ifdef __aarch64__
#define LOWEST 0
#else
#define LOWEST (1ull << 47) /* addresses are signed there */
#endif

/* heapArena.spans: a pointer to a record for each page. */
static const uint64_t spans_at[] = {
	0, /* 1.22 to 1.26 */
	(1 << 20) + (16 << 10), /* 1.20, 1.21: bits for pointers come first */
	2 << 20, /* to 1.19 */
};
#define SPAN_START 24 /* mspan.startAddr */

/* Records of free spans may be old: most are to agree. */
#define SPANS_SEEN 512
#define SPANS_MIN  8
#define STALE	   8 /* one of so many, at most */

/* Lest what only looks like tables takes long. */
#define TABLES_MAX 1024
#define PROBES_MAX 64
#define STEPS_MAX  (256u << 10)

static bool take_string(struct elf *x, uint64_t at, uint64_t len, struct found *f)
{
	if (!len || len >= sizeof(f->version) || !elf_read(x, at, f->version, len))
		return false;
	f->version[len] = '\0';
	return !strncmp(f->version, "go", 2) || !strncmp(f->version, "devel", 5);
}

/* The string is there, behind its length; or a pointer leads to its address and length. */
static bool take_version(struct elf *x, uint64_t at, const uint8_t *head, struct found *f)
{
	uint64_t string[2];
	uint8_t len;

	if (head[FLAGS_AT] & INLINE)
		return elf_read(x, at + STRINGS_AT, &len, sizeof(len)) &&
		       take_string(x, at + STRINGS_AT + 1, len, f);
	return elf_read(x, get64(head, POINTER_AT) - x->bias, string, sizeof(string)) &&
	       take_string(x, string[0] - x->bias, string[1], f);
}

static bool take_buildinfo(struct elf *x, uint64_t at, struct found *f)
{
	uint8_t head[STRINGS_AT];

	if (!elf_read(x, at, head, sizeof(head)) || memcmp(head, MAGIC, MAGIC_LEN))
		return false;
	if (!take_version(x, at, head, f))
		f->version[0] = '\0';
	return f->version[0];
}

/* In a section of its own, which Go's linker puts at the start of the data. */
static bool find_buildinfo(struct elf *x, struct found *f)
{
	const Elf64_Phdr *p = elf_segment(x, PF_R | PF_W);
	uint64_t at;

	if (elf_has_section(x, ".go.buildinfo", &at))
		return take_buildinfo(x, at, f);
	if (!p)
		return false;
	at = p->p_vaddr - p->p_vaddr % ALIGN;
	for (uint64_t n = 0; n < SEARCHED && n < p->p_filesz; n += ALIGN)
		if (take_buildinfo(x, at + n, f))
			return true;
	return false;
}

struct hunt {
	struct data_scan scan;
	struct search *s;
	uint64_t table; /* 0: not found */
	unsigned int tables, steps; /* bounded */
};

/* Walks the places for arenas of which something is resident. */
struct places {
	const struct vma_list *l;
	size_t vma;
	uint64_t at; /* all below were told */
};

/* Whether @len bytes at @addr may be memory that a process has for itself. */
static bool is_anon(const struct search *s, uint64_t addr, uint64_t len)
{
	const struct vma *v = vma_find(s->src->vmas, addr);

	return v && vma_is_anon(v) && len <= v->end - addr;
}

/* What the table has of the arena at @addr; 0: no arena is there. */
static uint64_t record_of(struct search *s, uint64_t table, uint64_t addr)
{
	uint64_t at = table + 8 * ((addr + LOWEST) / ARENA), record;

	return at - table < TABLE && search_read(s, at, &record, sizeof(record)) &&
			       is_anon(s, record, 1)
		       ? record
		       : 0;
}

/* Whether the spans of the arena at @addr say that they are in it, where they are. */
static bool spans_agree(struct hunt *h, uint64_t spans, uint64_t addr)
{
	struct search *s = h->s;
	unsigned int good = 0, bad = 0;

	for (uint64_t i = 0; i < ARENA / ARENA_PAGE && good + bad < SPANS_SEEN; i++) {
		uint64_t span, start, other;

		if (++h->steps > STEPS_MAX || bad > good + SPANS_MIN)
			return false;
		if (!search_read(s, spans + 8 * i, &span, sizeof(span)) || !span)
			continue;
		if (search_read(s, span + SPAN_START, &start, sizeof(start)) &&
		    start - addr < ARENA &&
		    search_read(s, spans + 8 * ((start - addr) / ARENA_PAGE), &other,
				sizeof(other)) &&
		    other == span)
			good++;
		else
			bad++;
	}
	return good >= SPANS_MIN && bad <= good / STALE;
}

static bool arena_agrees(struct hunt *h, uint64_t table, uint64_t addr)
{
	uint64_t record = record_of(h->s, table, addr);

	for (size_t i = 0; record && i < sizeof(spans_at) / sizeof(spans_at[0]); i++)
		if (spans_agree(h, record + spans_at[i], addr))
			return true;
	return false;
}

/* 0: no more. */
static uint64_t next_place(struct places *p)
{
	for (; p->vma < p->l->n; p->vma++) {
		const struct vma *v = &p->l->v[p->vma];
		uint64_t first = v->start - v->start % ARENA;

		if (!vma_is_anon(v) || !v->st.rss || v->end <= p->at)
			continue;
		if (first < p->at)
			first = p->at;
		p->at = first + ARENA;
		return first;
	}
	return 0;
}

static struct places places_of(const struct search *s)
{
	return (struct places){ .l = s->src->vmas, .at = ARENA };
}

static bool is_table(struct hunt *h, uint64_t table)
{
	struct places p = places_of(h->s);
	uint64_t at = next_place(&p);

	for (int i = 0; at && i < PROBES_MAX; i++, at = next_place(&p))
		if (arena_agrees(h, table, at))
			return true;
	return false;
}

static int take_window(struct data_scan *scan, uint64_t addr, const uint8_t *buf,
		       size_t len)
{
	struct hunt *h = (struct hunt *)scan;

	(void)addr;
	for (size_t at = 0; at + 8 <= len; at += 8) {
		uint64_t p = get64(buf, at);

		if (!p || p % PEEK_LINE || !is_anon(h->s, p, TABLE))
			continue;
		if (++h->tables > TABLES_MAX)
			return 1;
		if (is_table(h, p)) {
			h->table = p;
			return 1;
		}
	}
	return 0;
}

static void find_arenas(struct search *s, struct found *f)
{
	struct hunt h = { .scan.window = take_window, .s = s };
	struct places p = places_of(s);
	int err = data_scan(s->src, &h.scan);

	if (err < 0)
		s->err = err;
	if (!h.table)
		return;
	for (uint64_t at = next_place(&p); at; at = next_place(&p))
		if (record_of(s, h.table, at))
			found_span(s, f, at, at + ARENA);
}

bool known_go(struct search *s, struct elf *x, struct found *f)
{
	bool noted = elf_has_note(x, "Go", NOTE_GO_BUILD_ID);

	/* The note can be left out, but not what tells the version. */
	if (!noted && !x->is_exe)
		return false;
	if (!find_buildinfo(x, f) && !noted)
		return false;
	if (!f->nspans)
		find_arenas(s, f);
	return true;
}
