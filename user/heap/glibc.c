// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * glibc's malloc (ptmalloc): joins what the other glibc_*.c find into extents,
 * and foretells malloc_trim(0) to the page. The rules are those of mtrim(),
 * malloc_consolidate() and systrim() in malloc/malloc.c.
 */
#include "heap/glibc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEEK_BUDGET	 (16u << 20) /* list steps in all, lest forged lists go on for ever */
#define BANNER		 "GNU C Library"
#define BANNER_MAX	 128
#define VERSION_WINDOW	 (1u << 20)
#define VERSION_FILE_MAX (256ll << 20)
#define SETTINGS	 12

bool grow(void *array, size_t *cap, size_t n, size_t size)
{
	void **a = array;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*a, (*cap ? 2 * *cap : 64) * size);
	if (!grown)
		return false;
	*a = grown;
	*cap = *cap ? 2 * *cap : 64;
	return true;
}

void incomplete(struct glibc *g, const char *fmt, ...)
{
	va_list ap;

	if (g->incomplete)
		return;
	g->incomplete = true;
	va_start(ap, fmt);
	vsnprintf(g->reason, sizeof(g->reason), fmt, ap);
	va_end(ap);
}

void incomplete_absent(struct glibc *g)
{
	incomplete(g, "parts of the heap's records are swapped out or not resident");
}

int peek_init(struct peek *p, struct reader *r)
{
	*p = (struct peek){ .reader = r, .data = malloc(PEEK_LINES * PEEK_LINE) };
	return p->data ? 0 : -ENOMEM;
}

void peek_free(struct peek *p)
{
	free(p->data);
	p->data = NULL;
}

static int peek_line(struct peek *p, uint64_t line, const uint8_t **data)
{
	size_t slot = line / PEEK_LINE % PEEK_LINES;
	uint8_t *to = p->data + slot * PEEK_LINE;

	if (p->line[slot] != line) {
		int err;

		p->line[slot] = 0;
		err = reader_read(p->reader, line, to, PEEK_LINE);
		if (err)
			return err;
		p->line[slot] = line;
	}
	*data = to;
	return 0;
}

int peek_read(struct peek *p, uint64_t addr, void *buf, size_t len)
{
	if (addr < PEEK_LINE || addr + len < addr)
		return -EFAULT;
	if (++p->steps > PEEK_BUDGET)
		return -EFAULT;
	while (len) {
		size_t at = addr % PEEK_LINE;
		size_t n = len < PEEK_LINE - at ? len : PEEK_LINE - at;
		const uint8_t *data;
		int err = peek_line(p, addr - at, &data);

		if (err)
			return err;
		memcpy(buf, data + at, n);
		buf = (uint8_t *)buf + n;
		addr += n;
		len -= n;
	}
	return 0;
}

bool in_heap_memory(const struct glibc *g, uint64_t addr)
{
	const uint32_t rw = VMA_READ | VMA_WRITE;
	const struct vma *v = vma_find(g->src->vmas, addr);

	return v && vma_is_anon(v) && (v->flags & rw) == rw;
}

bool plausible_chunk(const struct glibc *g, uint64_t addr)
{
	return addr % CHUNK_ALIGN == 0 && in_heap_memory(g, addr);
}

/* The walk's result on its way to the sink. */
struct emitter {
	struct chunk_visitor visitor;
	struct glibc *g;
	struct heap *h;
	struct extent_sink *sink;
	size_t mark; /* first mark that is not below the walk */
	struct extent pending; /* not yet emitted: neighbours may join; empty: none */
	uint64_t run, run_end; /* free chunks that a trim would merge; empty: none */
};

static int flush(struct emitter *em)
{
	struct extent x = em->pending;

	em->pending.start = em->pending.end = 0;
	return x.start < x.end ? em->sink->extent(em->sink, &x) : 0;
}

static int emit(struct emitter *em, uint32_t arena, enum extent_kind kind, uint64_t start,
		uint64_t end)
{
	struct extent *p = &em->pending;
	struct heap_arena *a = &em->h->arenas[arena];
	int err;

	if (start >= end)
		return 0;
	a->mapped += end - start;
	a->bytes[kind] += end - start;
	if (p->start < p->end && p->end == start && p->kind == kind &&
	    p->arena == arena) {
		p->end = end;
		return 0;
	}
	err = flush(em);
	*p = (struct extent){ start, end, kind, arena };
	return err;
}

/* [start, end) of which [from, to) is returned by a trim and the rest is @kind. */
static int emit_around(struct emitter *em, uint32_t arena, enum extent_kind kind,
		       uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	int err = emit(em, arena, kind, start, from);

	if (!err)
		err = emit(em, arena, EXTENT_RETURNABLE, from, to);
	return err ? err : emit(em, arena, kind, to, end);
}

/*
 * Free chunks [start, end) side by side: a trim first merges them
 * (malloc_consolidate()), then gives back the whole pages behind the head of
 * the one that results (mtrim()).
 */
static int close_run(struct emitter *em, uint32_t arena)
{
	uint64_t start = em->run, end = em->run_end;
	uint64_t page = em->g->page;
	uint64_t from = (start + CHUNK_STRUCT + page - 1) / page * page;
	uint64_t to = end - end % page;

	em->run = em->run_end = 0;
	if (from >= to)
		from = to = end;
	return emit_around(em, arena, EXTENT_FREE, start, end, from, to);
}

/* Whether the break is where the main arena left it (systrim()). */
static bool at_break(const struct glibc *g, uint64_t end)
{
	const struct vma *v = vma_find(g->src->vmas, end - 1);

	return v && v->end == end && !strcmp(v->name, "[heap]");
}

/* The top chunk, with free chunks before it that a trim would merge into it. */
static int emit_top(struct emitter *em, const struct segment *s, uint64_t start,
		    uint64_t end)
{
	const struct glibc *g = em->g;
	uint64_t unit = g->par.thp_pagesize ? g->par.thp_pagesize : g->page;
	uint64_t area, extra = 0;

	if (em->run < em->run_end)
		start = em->run;
	em->run = em->run_end = 0;
	area = end - start;
	if (s->kind == SEGMENT_BRK && at_break(g, end) && area > CHUNK_MIN + 1) {
		area -= CHUNK_MIN + 1;
		extra = area - area % unit;
	}
	return emit_around(em, s->arena, EXTENT_TOP, start, end, end - extra, end);
}

/* What the lists say of the chunk at @start; chunks come in address order. */
static unsigned int mark_of(struct emitter *em, uint64_t start)
{
	const struct glibc *g = em->g;

	while (em->mark < g->nmarks &&
	       (g->marks[em->mark] & ~(uint64_t)MARK_KINDS) < start)
		em->mark++;
	if (em->mark < g->nmarks && (g->marks[em->mark] & ~(uint64_t)MARK_KINDS) == start)
		return g->marks[em->mark] & MARK_KINDS;
	return 0;
}

static enum extent_kind kind_of_inuse(struct emitter *em, uint64_t start)
{
	switch (mark_of(em, start)) {
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

static int emit_broken(struct emitter *em, const struct segment *s, uint64_t start,
		       uint64_t end, enum break_cause cause)
{
	if (cause == BREAK_TORN) {
		em->h->torn += end - start;
		incomplete(em->g, "the heap changed while it was read");
	} else if (cause == BREAK_FOREIGN) {
		incomplete(em->g,
			   "something else calls sbrk: its memory lies within the heap");
	} else {
		incomplete_absent(em->g);
	}
	return emit(em, s->arena, EXTENT_UNREAD, start, end);
}

static int take_chunk(struct chunk_visitor *v, const struct segment *s,
		      enum chunk_kind kind, uint64_t start, uint64_t end,
		      enum break_cause cause)
{
	struct emitter *em = (struct emitter *)v;
	enum extent_kind x = EXTENT_META;
	int err = 0;

	if (kind == CHUNK_TOP)
		return emit_top(em, s, start, end);
	if (kind == CHUNK_INUSE)
		x = kind_of_inuse(em, start);
	if (kind == CHUNK_FREE || x == EXTENT_FREE) {
		if (em->run_end != start) {
			if (em->run < em->run_end)
				err = close_run(em, s->arena);
			em->run = start;
		}
		em->run_end = end;
		return err;
	}
	if (em->run < em->run_end)
		err = close_run(em, s->arena);
	if (err)
		return err;
	if (kind == CHUNK_BROKEN)
		return emit_broken(em, s, start, end, cause);
	return emit(em, s->arena, x, start, end);
}

static int emit_segment(struct emitter *em, struct walk_window *w,
			const struct segment *s)
{
	int err;

	if (s->kind == SEGMENT_MMAPPED)
		return emit(em, s->arena, EXTENT_LIVE, s->start, s->end);
	err = glibc_walk_segment(em->g, w, s, &em->visitor);
	if (!err && em->run < em->run_end)
		err = close_run(em, s->arena);
	return err;
}

static int emit_all(struct emitter *em)
{
	struct walk_window *w = walk_window_new();
	int err = w ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < em->g->nsegments; i++)
		err = emit_segment(em, w, &em->g->segments[i]);
	walk_window_free(w);
	return err ? err : flush(em);
}

static void add_setting(struct heap *h, const char *name, uint64_t value, bool is_bytes)
{
	h->settings[h->nsettings++] = (struct heap_setting){ name, value, is_bytes };
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

/* The very file that @v maps, whatever its path names by now; -1 if closed to us. */
static int open_mapped(const struct glibc *g, const struct vma *v)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	char path[4096 + 8];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "map_files/%llx-%llx", (unsigned long long)v->start,
		 (unsigned long long)v->end);
	fd = openat(g->src->target->dir, path, flags);
	if (fd < 0) {
		/* That takes CAP_CHECKPOINT_RESTORE; the path does not. */
		snprintf(path, sizeof(path), "root%s", v->name);
		fd = openat(g->src->target->dir, path, flags);
	}
	if (fd >= 0 &&
	    (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != v->inode)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool version_of_file(const struct glibc *g, const struct vma *v, char *out,
			    size_t size)
{
	int fd = open_mapped(g, v);
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
	if (v && v->inode && version_of_file(g, v, h->version, sizeof(h->version)))
		return;
	snprintf(h->version, sizeof(h->version), "%s", g->layout->versions);
}

static void glibc_free(struct heap *h)
{
	struct glibc *g = h->priv;

	for (size_t i = 0; i < g->narenas; i++)
		free(g->arenas[i].known);
	free(g->arenas);
	free(g->segments);
	free(g->marks);
	peek_free(&g->peek);
	free(g);
	free(h->arenas);
	free(h->settings);
	free(h);
}

static struct heap *heap_new(const struct heap_source *src)
{
	struct heap *h = calloc(1, sizeof(*h));
	struct glibc *g = calloc(1, sizeof(*g));

	if (!h || !g || peek_init(&g->peek, &src->target->reader)) {
		free(h);
		free(g);
		return NULL;
	}
	g->src = src;
	g->page = src->target->reader.page_size;
	h->ops = &heap_glibc;
	h->priv = g;
	return h;
}

static int detect_error(const struct heap_source *src, int err, struct error *e)
{
	return error_sys(e, -err, "process %d, looking for glibc's heap",
			 (int)src->target->pid);
}

static int glibc_detect(const struct heap_source *src, struct heap **out, struct error *e)
{
	struct heap *h = heap_new(src);
	struct glibc *g = h ? h->priv : NULL;
	int found = h ? glibc_find_roots(g) : -ENOMEM;

	*out = NULL;
	if (found > 0) {
		int err = fill_arenas(h, g);

		if (!err)
			err = fill_settings(h, &g->par);
		if (!err) {
			find_version(g, h);
			*out = h;
			return 0;
		}
		found = err;
	}
	if (h)
		glibc_free(h);
	return found < 0 ? detect_error(src, found, e) : 0;
}

static void conclude(struct heap *h, struct glibc *g)
{
	/* No list names the mappings that replaced brk: the sum tells. */
	if (g->arenas[0].noncontiguous && h->arenas[0].mapped != g->arenas[0].system_mem)
		incomplete(
			g,
			"of the main heap, %llu bytes by its own count, %llu were found",
			(unsigned long long)g->arenas[0].system_mem,
			(unsigned long long)h->arenas[0].mapped);
	h->status = g->incomplete ? HEAP_PARTIAL : HEAP_EXACT;
	snprintf(h->reason, sizeof(h->reason), "%s", g->reason);
	for (size_t i = 0; i < g->narenas; i++)
		h->own_free += h->arenas[i].bytes[EXTENT_FREE] +
			       h->arenas[i].bytes[EXTENT_TOP] +
			       h->arenas[i].bytes[EXTENT_RETURNABLE];
}

static int glibc_walk(struct heap *h, const struct heap_source *src,
		      struct extent_sink *sink, struct error *e)
{
	struct glibc *g = h->priv;
	struct emitter em = { .visitor.chunk = take_chunk, .g = g, .h = h, .sink = sink };
	int err;

	g->src = src;
	if (!g->par.found)
		incomplete(g, "malloc's parameters (mp_) were not found");
	err = glibc_find_segments(g);
	if (!err)
		err = glibc_find_marks(g);
	if (!err)
		err = emit_all(&em);
	conclude(h, g);
	/* The sink's own answer is -1, with the reason in place. */
	return err && err != -1 ? detect_error(src, err, e) : err;
}

const struct heap_ops heap_glibc = {
	.name = "glibc",
	.purge = "malloc_trim(0)",
	.detect = glibc_detect,
	.walk = glibc_walk,
	.free = glibc_free,
};
