// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * glibc's malloc (ptmalloc): joins what the other glibc_*.c find into extents,
 * and foretells malloc_trim(0) to the page. The rules are those of mtrim(),
 * malloc_consolidate() and systrim() in malloc/malloc.c.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap/decoder.h"
#include "heap/emit.h"
#include "heap/recall.h"
#include "target/mapped.h"

#define WHOSE "glibc's"

#define BANNER		 "GNU C Library"
#define BANNER_MAX	 128
#define VERSION_WINDOW	 (1u << 20)
#define VERSION_FILE_MAX (256ll << 20)
#define SETTINGS	 12
/* A heap may have grown since the mappings were read: while a huge one was, by so much. */
#define GROWTH_MAX (1ull << 30)

static bool may_hold_chunks(const struct vma *v)
{
	const uint32_t rw = VMA_READ | VMA_WRITE;

	return vma_is_anon(v) && (v->flags & rw) == rw;
}

const struct vma *heap_memory_of(const struct glibc *g, uint64_t addr)
{
	const struct vma_list *l = g->src->vmas;
	const struct vma *v = vma_at_or_below(l, addr);

	/* What a thread's heap grows into is there already, without permissions. */
	if (v && addr < v->end && !may_hold_chunks(v) && vma_is_anon(v) && v > l->v &&
	    v[-1].end == v->start)
		v--;
	return v && may_hold_chunks(v) && (addr < v->end || addr - v->end < GROWTH_MAX)
		       ? v
		       : NULL;
}

bool in_heap_memory(const struct glibc *g, uint64_t addr)
{
	return heap_memory_of(g, addr);
}

bool plausible_chunk(const struct glibc *g, uint64_t addr)
{
	return addr % CHUNK_ALIGN == 0 && in_heap_memory(g, addr);
}

static size_t count_possible(const struct vma_list *l)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < l->n; i++)
		if (may_hold_chunks(&l->v[i]))
			bytes += l->v[i].end - l->v[i].start;
	return bytes / CHUNK_MIN;
}

/* The walk's result on its way to the sink. */
struct join {
	struct chunk_visitor visitor;
	struct glibc *g;
	struct emitter out;
	uint64_t block; /* the MARKS_BLOCK that the walk is in */
	uint8_t marks[MARKS_SLOTS]; /* in it */
	uint64_t run, run_end; /* free chunks that a trim would merge; empty: none */
};

/* emit(), of a chunk, or of what free chunks would merge to. */
static int emit_chunk(struct join *j, uint32_t arena, enum extent_kind kind,
		      uint64_t start, uint64_t end)
{
	int err;

	if (j->g->src->by_size && kind != EXTENT_META)
		j->out.size = emit_class(end - start);
	err = emit(&j->out, arena, kind, start, end);
	j->out.size = 0;
	return err;
}

/* [start, end) of which [from, to) is returned by a trim and the rest is @kind. */
static int emit_around(struct join *j, uint32_t arena, enum extent_kind kind,
		       uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	int err = emit(&j->out, arena, kind, start, from);

	if (!err)
		err = emit(&j->out, arena, EXTENT_RETURNABLE, from, to);
	return err ? err : emit(&j->out, arena, kind, to, end);
}

/*
 * Free chunks [start, end) side by side: a trim first merges them
 * (malloc_consolidate()), then gives back the whole pages behind the head of
 * the one that results (mtrim()).
 */
static int close_run(struct join *j, uint32_t arena)
{
	uint64_t start = j->run, end = j->run_end;
	uint64_t page = j->g->page;
	uint64_t from = (start + CHUNK_STRUCT + page - 1) / page * page;
	uint64_t to = end - end % page;
	int err;

	j->run = j->run_end = 0;
	if (from >= to)
		return emit_chunk(j, arena, EXTENT_FREE, start, end);
	if (j->g->src->by_size)
		j->out.size = emit_class(end - start);
	err = emit_around(j, arena, EXTENT_FREE, start, end, from, to);
	j->out.size = 0;
	return err;
}

/* Whether the break is where the main arena left it (systrim()). */
static bool at_break(const struct glibc *g, uint64_t end)
{
	const struct vma *v = vma_find(g->src->vmas, end - 1);

	return v && v->end == end && !strcmp(v->name, "[heap]");
}

/* The top chunk, with free chunks before it that a trim would merge into it. */
static int emit_top(struct join *j, const struct segment *s, uint64_t start, uint64_t end)
{
	const struct glibc *g = j->g;
	uint64_t unit = g->par.thp_pagesize ? g->par.thp_pagesize : g->page;
	uint64_t area, extra = 0;

	if (j->run < j->run_end)
		start = j->run;
	j->run = j->run_end = 0;
	area = end - start;
	if (s->kind == SEGMENT_BRK && at_break(g, end) && area > CHUNK_MIN + 1) {
		area -= CHUNK_MIN + 1;
		extra = area - area % unit;
	}
	return emit_around(j, s->arena, EXTENT_TOP, start, end, end - extra, end);
}

/* What the lists say of the chunk at @start; chunks come in address order. */
static enum mark mark_of(struct join *j, uint64_t start)
{
	if (start - j->block >= MARKS_BLOCK) {
		j->block = start - start % MARKS_BLOCK;
		glibc_marks_in(j->g, j->block, j->marks);
	}
	return j->marks[(start - j->block) / MARKS_ALIGN];
}

static enum extent_kind kind_of_inuse(struct join *j, uint64_t start)
{
	switch (mark_of(j, start)) {
	case MARK_CACHED:
		return EXTENT_CACHED;
	case MARK_FAST:
		return EXTENT_FREE;
	case MARK_TCACHE:
		return EXTENT_META;
	default:
		return EXTENT_LIVE;
	}
}

static int emit_broken(struct join *j, const struct segment *s, uint64_t start,
		       uint64_t end, enum break_cause cause)
{
	if (cause == BREAK_TORN) {
		j->g->heap->torn += end - start;
		heap_incomplete(j->g->heap, "the heap changed while it was read");
	} else if (cause == BREAK_FOREIGN) {
		heap_incomplete(
			j->g->heap,
			"something else calls sbrk: its memory lies within the heap");
	} else {
		heap_absent(j->g->heap);
	}
	return emit(&j->out, s->arena, EXTENT_UNREAD, start, end);
}

static int take_chunk(struct chunk_visitor *v, const struct segment *s,
		      enum chunk_kind kind, uint64_t start, uint64_t end,
		      enum break_cause cause)
{
	struct join *j = (struct join *)v;
	enum extent_kind x = EXTENT_META;
	int err = 0;

	if (kind == CHUNK_TOP)
		return emit_top(j, s, start, end);
	if (kind == CHUNK_INUSE)
		x = kind_of_inuse(j, start);
	if (kind == CHUNK_FREE || x == EXTENT_FREE) {
		if (j->run_end != start) {
			if (j->run < j->run_end)
				err = close_run(j, s->arena);
			j->run = start;
		}
		j->run_end = end;
		return err;
	}
	if (j->run < j->run_end)
		err = close_run(j, s->arena);
	if (err)
		return err;
	if (kind == CHUNK_BROKEN)
		return emit_broken(j, s, start, end, cause);
	return emit_chunk(j, s->arena, x, start, end);
}

static int emit_segment(struct join *j, struct walk_window *w, const struct segment *s)
{
	int err = 0;

	if (s->kind == SEGMENT_MMAPPED)
		return emit_chunk(j, s->arena, EXTENT_LIVE, s->start, s->end);
	/* It is unmapped once all of it is free (heap_trim()). */
	if (s->kind == SEGMENT_HEAP)
		err = emit_unit(&j->out, s->arena, s->start, s->end);
	if (!err)
		err = j->g->heap->quick ? glibc_tell_free(j->g, s, &j->visitor)
					: glibc_walk_segment(j->g, w, s, &j->visitor);
	if (!err && j->run < j->run_end)
		err = close_run(j, s->arena);
	return err;
}

static int emit_all(struct join *j)
{
	struct walk_window *w = walk_window_new();
	int err = w ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < j->g->nsegments; i++)
		err = emit_segment(j, w, &j->g->segments[i]);
	walk_window_free(w);
	return err ? err : emit_end(&j->out);
}

static void add_setting(struct heap *h, const char *name, uint64_t value, bool is_bytes)
{
	h->settings[h->nsettings++] =
		(struct heap_setting){ name, (int64_t)value, is_bytes };
}

static int fill_settings(struct heap *h, const struct malloc_par *p)
{
	if (!p->found)
		return 0;
	h->settings = calloc(SETTINGS, sizeof(*h->settings));
	if (!h->settings)
		return -ENOMEM;
	add_setting(h, "trim_threshold", p->trim_threshold, true);
	add_setting(h, "top_pad", p->top_pad, true);
	add_setting(h, "mmap_threshold", p->mmap_threshold, true);
	add_setting(h, "dynamic_thresholds", !p->no_dyn_threshold, false);
	add_setting(h, "arena_max", p->arena_max, false);
	add_setting(h, "arena_test", p->arena_test, false);
	add_setting(h, "mmap_max", p->n_mmaps_max, false);
	add_setting(h, "mmaps", p->n_mmaps, false);
	add_setting(h, "tcache_count", p->tcache_count, false);
	add_setting(h, "tcache_max", p->tcache_max_bytes, true);
	add_setting(h, "thp_pagesize", p->thp_pagesize, true);
	add_setting(h, "hp_pagesize", p->hp_pagesize, true);
	return 0;
}

/* The arenas of glibc and, behind them, the blocks with their own mappings. */
static int fill_arenas(struct heap *h, const struct glibc *g)
{
	h->arenas = calloc(g->narenas + 1, sizeof(*h->arenas));
	if (!h->arenas)
		return -ENOMEM;
	for (size_t i = 0; i < g->narenas; i++)
		h->arenas[i] = (struct heap_arena){ .kind = i ? ARENA_THREAD : ARENA_MAIN,
						    .address = g->arenas[i].addr,
						    .top = g->arenas[i].top };
	h->arenas[g->narenas].kind = ARENA_MMAPPED;
	h->narenas = g->narenas + 1;
	return 0;
}

/* "…GNU C Library (…) stable release version 2.36." of the file that has main_arena. */
static bool read_banner(const char *text, size_t len, char *out, size_t size)
{
	const char *at = memmem(text, len, BANNER, strlen(BANNER));
	const char *version =
		at ? memmem(at, len - (size_t)(at - text), "version ", 8) : NULL;
	size_t n = 0;

	if (!version || version - at > BANNER_MAX)
		return false;
	version += 8;
	while (version + n < text + len && n + 1 < size &&
	       ((version[n] >= '0' && version[n] <= '9') || version[n] == '.'))
		n++;
	while (n && version[n - 1] == '.')
		n--;
	snprintf(out, size, "%.*s", (int)n, version);
	return n > 0;
}

/* The file is the target's, and may change or shrink while it is read. */
static bool find_banner(int fd, char *out, size_t size)
{
	char *text = malloc(VERSION_WINDOW);
	bool found = false;
	off_t at = 0;

	while (text && !found && at < VERSION_FILE_MAX) {
		ssize_t n = pread(fd, text, VERSION_WINDOW, at);

		if (n <= 0)
			break;
		found = read_banner(text, (size_t)n, out, size);
		/* A banner may lie across two windows. */
		at += n > BANNER_MAX ? n - BANNER_MAX : n;
		if (n < (ssize_t)VERSION_WINDOW)
			break;
	}
	free(text);
	return found;
}

static bool version_of_file(const struct glibc *g, const struct vma *v, char *out,
			    size_t size)
{
	int fd = mapped_open(g->src->target, v);
	bool found;

	if (fd < 0)
		return false;
	found = find_banner(fd, out, size);
	close(fd);
	return found;
}

static void find_version(const struct glibc *g, struct heap *h)
{
	const struct vma_list *l = g->src->vmas;
	const struct vma *v = vma_find(l, g->arenas[0].addr);

	/* main_arena may be in the anonymous part of .bss, behind the file's. */
	while (v && v > l->v && !v->inode && v[-1].end == v->start)
		v--;
	snprintf(h->version, sizeof(h->version), "%s",
		 recall_version(g->src->recall, g->arenas[0].addr));
	if (h->version[0])
		return;
	if (v && v->inode && version_of_file(g, v, h->version, sizeof(h->version))) {
		recall_note_version(g->src->recall, g->arenas[0].addr, h->version);
		return;
	}
	snprintf(h->version, sizeof(h->version), "%s", g->layout->versions);
}

static void glibc_free(struct heap *h)
{
	struct glibc *g = h->priv;

	for (size_t i = 0; i < g->narenas; i++)
		free(g->arenas[i].known);
	free(g->arenas);
	free(g->segments);
	for (size_t i = 0; i < MARK_KINDS; i++)
		marks_free(&g->marks[i]);
	free(g->free);
	peek_free(&g->peek);
	decoder_free(h);
}

static struct heap *heap_new(const struct heap_source *src)
{
	struct heap *h = decoder_heap(&heap_glibc, sizeof(struct glibc));
	struct glibc *g = h ? h->priv : NULL;

	if (!h)
		return NULL;
	if (peek_init(&g->peek, &src->target->reader)) {
		decoder_free(h);
		return NULL;
	}
	g->heap = h;
	g->src = src;
	g->page = src->target->reader.page_size;
	g->chunks_max = count_possible(src->vmas);
	return h;
}

/* What detect() tells of a heap whose roots were found. 1 or -errno. */
static int describe(struct heap *h, const struct glibc *g)
{
	int err = fill_arenas(h, g);

	if (!err)
		err = fill_settings(h, &g->par);
	if (err)
		return err;
	find_version(g, h);
	return 1;
}

static int glibc_detect(const struct heap_source *src, struct heap **out, struct error *e)
{
	struct heap *h = heap_new(src);
	int found = h ? glibc_find_roots(h->priv) : -ENOMEM;

	if (found > 0)
		found = describe(h, h->priv);
	return decoder_found(h, found, src, WHOSE, out, e);
}

static void conclude(struct heap *h, struct glibc *g)
{
	/* No list names the mappings that replaced brk: the sum tells. */
	if (g->arenas[0].noncontiguous && h->arenas[0].mapped != g->arenas[0].system_mem)
		heap_incomplete(
			h,
			"of the main heap, %llu bytes by its own count, %llu were found",
			(unsigned long long)g->arenas[0].system_mem,
			(unsigned long long)h->arenas[0].mapped);
	if (h->quick) {
		heap_incomplete(h,
				"a quick look: what thread caches hold, and lists that "
				"are too long, counts as in use");
		glibc_bound_error(g);
	}
	for (size_t i = 0; i < g->narenas; i++)
		h->own_free += h->arenas[i].bytes[EXTENT_FREE] +
			       h->arenas[i].bytes[EXTENT_TOP] +
			       h->arenas[i].bytes[EXTENT_RETURNABLE];
}

static int glibc_walk(struct heap *h, const struct heap_source *src,
		      struct extent_sink *sink, struct error *e)
{
	struct glibc *g = h->priv;
	struct join j = { .visitor.chunk = take_chunk,
			  .g = g,
			  .block = UINT64_MAX,
			  .out = { .heap = h, .sink = sink } };
	int err;

	g->src = src;
	/* Where what replaced brk ends is known by its chunks only. */
	h->quick = src->quick && !g->arenas[0].noncontiguous;
	if (!g->par.found)
		heap_incomplete(h, "malloc's parameters (mp_) were not found");
	err = glibc_find_segments(g);
	if (!err)
		err = h->quick ? glibc_find_free(g) : glibc_find_marks(g);
	if (!err)
		err = emit_all(&j);
	conclude(h, g);
	if (j.out.answer)
		return j.out.answer;
	return err ? decoder_failed(src, WHOSE, err, e) : 0;
}

const struct heap_ops heap_glibc = {
	.name = "glibc",
	.versions = "2.31 and newer",
	.purge = "malloc_trim(0)",
	.detect = glibc_detect,
	.walk = glibc_walk,
	.free = glibc_free,
};
