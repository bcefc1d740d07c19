// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of what is recognised and not decoded, and the search for it; see known.h. */
#include "heap/known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/array.h"
#include "heap/emit.h"
#include "heap/recall.h"

/* Objects that are looked at; more are not mapped but to take time. */
#define OBJECTS_MAX 4096

#define NOT_DECODED "its records are of a layout that is not decoded"
#define PRESENCE                                                                         \
	"a library of it is mapped, which does not tell how much it "                    \
	"serves; " NOT_DECODED

static int known_walk(struct heap *h, const struct heap_source *src,
		      struct extent_sink *sink, struct error *e);
static void known_free(struct heap *h);

#define UNKNOWN_BUILD(n)                                                                 \
	n " is mapped, which does not tell how much it serves; no heap of a build that " \
	  "is decoded was found"

#define OPS(n)                                                                           \
	{                                                                                \
		.name = (n), .walk = known_walk, .free = known_free,                     \
	}

/* TCMalloc's own code is in sections of this name; gperftools' has no restartable sequences. */
static bool is_google(struct search *s, struct elf *x, struct found *f)
{
	(void)s;
	(void)f;
	return (x->is_exe || elf_exports(x, "malloc", NULL)) &&
	       elf_has_section(x, "google_malloc", NULL) &&
	       elf_has_section(x, "__rseq_cs", NULL);
}

/* JSContextRef.h of WebKit's library; bytecodes in a program that has it within (bun). */
static bool is_jsc(struct search *s, struct elf *x, struct found *f)
{
	(void)s;
	(void)f;
	return elf_exports(x, "JSGlobalContextCreate", NULL) ||
	       (x->is_exe && elf_has_section(x, "__DATA,__jsc_opcodes", NULL));
}

static bool has_malloc(struct search *s, struct elf *x, struct found *f)
{
	(void)s;
	(void)f;
	return elf_exports(x, "malloc", NULL);
}

const struct known known_heaps[] = {
	/* jemalloc.h; a prefix is given by --with-jemalloc-prefix, and Rust's is its own. */
	{ .ops = OPS("jemalloc"),
	  .symbols = { "mallctl", "je_mallctl", "_rjem_mallctl" },
	  .reason = UNKNOWN_BUILD("jemalloc"),
	  .decoded = true },
	/* malloc_extension_c.h */
	{ .ops = OPS("gperftools"),
	  .symbols = { "MallocExtension_ReleaseFreeMemory" },
	  .reason = UNKNOWN_BUILD("gperftools' tcmalloc"),
	  .decoded = true },
	/* tcmalloc/internal/config.h, percpu_rseq_x86_64.S, system_allocator.h */
	{ .ops = OPS("google-tcmalloc"),
	  .names = "tcmalloc_region_",
	  .reason = "Google's TCMalloc is linked in, which is not "
		    "gperftools'; " NOT_DECODED,
	  .look = is_google },
	/* mozmemory.h: jemalloc of long ago, of which little is left. */
	{ .ops = OPS("mozjemalloc"),
	  .symbols = { "jemalloc_set_main_thread" },
	  .reason = "the heap of Firefox' own allocator; " NOT_DECODED },
	/* allocator_shim.h */
	{ .ops = OPS("partition_alloc"),
	  .symbols = { "ChromeMain" },
	  .reason = "Chromium has an allocator of its own, by default "
		    "PartitionAlloc; " NOT_DECODED,
	  .look = has_malloc },
	/* include/h_malloc.h, h_malloc.c */
	{ .ops = OPS("hardened_malloc"),
	  .symbols = { "malloc_object_size_fast" },
	  .names = "malloc ",
	  .reason = PRESENCE },
	/* compiler-rt/lib/scudo/standalone/wrappers_c.cpp */
	{ .ops = OPS("scudo"),
	  .symbols = { "__scudo_print_stats" },
	  .names = "scudo:",
	  .reason = PRESENCE },
	/* rpmalloc/rpmalloc.h */
	{ .ops = OPS("rpmalloc"),
	  .symbols = { "rpmalloc_initialize" },
	  .reason = PRESENCE },
	/* src/snmalloc/override/malloc.cc */
	{ .ops = OPS("snmalloc"),
	  .symbols = { "__malloc_end_pointer" },
	  .reason = PRESENCE },
	/* CMakeLists.txt */
	{ .ops = OPS("hoard"), .soname = "libhoard.so", .reason = PRESENCE },
	/* src/libmesh.cc */
	{ .ops = OPS("mesh"), .symbols = { "mesh_mallctl" }, .reason = PRESENCE },
	{ .ops = OPS("musl"),
	  .reason = "musl's malloc (mallocng); what is free in its groups is not decoded",
	  .look = known_musl },
	{ .ops = OPS("go"),
	  .names = " Go: ",
	  .reason = "the heap of Go's runtime is its collector's; " NOT_DECODED,
	  .look = known_go },
	{ .ops = OPS("java"),
	  .symbols = { "gHotSpotVMStructs" },
	  .reason = "the Java heap is its collector's, and what is free in it is not "
		    "decoded; a collector gives back by its own policy",
	  .look = known_java },
	/* include/v8-initialization.h: v8::V8::GetVersion(), which no stand-in has */
	{ .ops = OPS("v8"),
	  .symbols = { "_ZN2v82V810GetVersionEv" },
	  .reason = "the JavaScript heap of V8 is its collector's, and which mappings it "
		    "has is not decoded" },
	{ .ops = OPS("javascriptcore"),
	  .reason = "the JavaScript heap of JavaScriptCore is its collector's, and which "
		    "mappings it has is not decoded",
	  .look = is_jsc },
	/* src/coreclr/dlls/mscoree/mscorwks_unixexports.src; one file; native AOT */
	{ .ops = OPS("dotnet"),
	  .symbols = { "coreclr_initialize", "DotNetRuntimeInfo",
		       "DotNetRuntimeDebugHeader" },
	  .reason = "the heap of .NET is its collector's, and which mappings it has is "
		    "not decoded" },
	/* mono/mini/jit.h */
	{ .ops = OPS("mono"),
	  .symbols = { "mono_jit_init" },
	  .reason = "the heap of Mono is its collector's, and which mappings it has is "
		    "not decoded" },
};
const size_t known_count = sizeof(known_heaps) / sizeof(known_heaps[0]);

#define KNOWN (sizeof(known_heaps) / sizeof(known_heaps[0]))

bool known_named(const struct vma *v, const char *prefix)
{
	return prefix && vma_is_anon(v) && !strncmp(v->name, "[anon:", 6) &&
	       !strncmp(v->name + 6, prefix, strlen(prefix));
}

bool search_read(struct search *s, uint64_t addr, void *buf, size_t len)
{
	const struct vma *v = vma_find(s->src->vmas, addr);

	return v && len <= v->end - addr && !peek_read(&s->peek, addr, buf, len);
}

void found_span(struct search *s, struct found *f, uint64_t start, uint64_t end)
{
	struct span *last = f->nspans ? &f->spans[f->nspans - 1] : NULL;

	if (start >= end || s->err)
		return;
	if (last && last->end == start) {
		last->end = end;
	} else if (f->nspans == s->spans_max ||
		   !grow(&f->spans, &f->cap, f->nspans, sizeof(*f->spans))) {
		s->err = f->nspans == s->spans_max ? 0 : -ENOMEM;
	} else {
		f->spans[f->nspans++] = (struct span){ start, end };
	}
}

static bool has_mark(const struct known *k, struct elf *x)
{
	if (k->soname)
		return elf_is_called(x, k->soname);
	if (!k->symbols[0])
		return k->look;
	for (size_t i = 0; i < KNOWN_SYMBOLS && k->symbols[i]; i++)
		if (elf_exports(x, k->symbols[i], NULL))
			return true;
	return false;
}

/* Whether there is one of them in it. */
static bool look_at_object(struct search *s, struct elf *x, struct found *found)
{
	bool any = false;

	for (size_t i = 0; i < known_count; i++) {
		const struct known *k = &known_heaps[i];

		if (has_mark(k, x) && (!k->look || k->look(s, x, &found[i])))
			any = found[i].there = true;
	}
	return any;
}

static void look(struct search *s, struct found *found)
{
	const struct vma_list *l = s->src->vmas;
	size_t objects = 0;
	struct elf x;

	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < known_count; k++)
			if (known_named(&l->v[i], known_heaps[k].names))
				found[k].there = true;
		if (recall_plain(s->src->recall, &l->v[i]))
			continue;
		if (objects < OBJECTS_MAX && elf_open(&x, s->src, &s->peek, i)) {
			if (!look_at_object(s, &x, found))
				recall_note_plain(s->src->recall, &l->v[i]);
			elf_close(&x);
			objects++;
		}
	}
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether some memory is surely its. */
static bool has_memory(const struct heap_source *src, const struct known *k,
		       const struct found *f)
{
	for (size_t i = 0; i < src->vmas->n; i++)
		if (known_named(&src->vmas->v[i], k->names))
			return true;
	return f->nspans;
}

static struct heap *heap_of(const struct heap_source *src, const struct known *k,
			    struct found *f)
{
	struct heap *h = calloc(1, sizeof(*h));
	struct found *kept = calloc(1, sizeof(*kept));

	if (h && has_memory(src, k, f))
		h->arenas = calloc(1, sizeof(*h->arenas));
	if (!h || !kept || (has_memory(src, k, f) && !h->arenas)) {
		free(h);
		free(kept);
		return NULL;
	}
	h->ops = &k->ops;
	h->status = HEAP_UNSUPPORTED;
	snprintf(h->version, sizeof(h->version), "%s", f->version);
	snprintf(h->reason, sizeof(h->reason), "%s", k->reason);
	if (h->arenas) {
		h->arenas[0].kind = ARENA_PLAIN;
		h->narenas = 1;
	}
	if (f->nspans)
		qsort(f->spans, f->nspans, sizeof(*f->spans), by_start);
	*kept = *f;
	f->spans = NULL;
	h->priv = kept;
	return h;
}

/* What of @v is in spans, of which *@at is the first that ends above what was told. */
static int emit_spans(struct emitter *em, const struct found *f, const struct vma *v,
		      size_t *at)
{
	uint64_t told = v->start;
	int err = 0;

	while (!err && *at < f->nspans && f->spans[*at].start < v->end) {
		const struct span *p = &f->spans[*at];
		uint64_t start = p->start > told ? p->start : told;

		told = p->end < v->end ? p->end : v->end;
		err = emit(em, 0, EXTENT_UNREAD, start, told > start ? told : start);
		if (told < start)
			told = start;
		if (p->end > v->end)
			break;
		(*at)++;
	}
	return err;
}

static int known_walk(struct heap *h, const struct heap_source *src,
		      struct extent_sink *sink, struct error *e)
{
	const struct known *k = (const struct known *)h->ops;
	struct emitter em = { .heap = h, .sink = sink };
	size_t at = 0;
	int err = 0;

	(void)e; /* only the sink fails, and says why */
	for (size_t i = 0; !err && i < src->vmas->n; i++) {
		const struct vma *v = &src->vmas->v[i];

		/* Reservations are long, and nothing is in them. */
		if (!vma_is_anon(v) || !(v->st.rss || v->st.swap))
			continue;
		if (known_named(v, k->names))
			err = emit(&em, 0, EXTENT_UNREAD, v->start, v->end);
		else
			err = emit_spans(&em, h->priv, v, &at);
	}
	return err ? err : emit_end(&em);
}

static void known_free(struct heap *h)
{
	struct found *f = h->priv;

	free(f->spans);
	free(f);
	free(h->arenas);
	free(h);
}

/* Whether one of the @n heaps has been found by a decoder. */
static bool is_found(struct heap **heaps, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(heaps[i]->ops->name, name))
			return true;
	return false;
}

static int make_heaps(const struct heap_source *src, struct found *found,
		      struct heap **heaps, size_t *n)
{
	for (size_t i = 0; i < known_count; i++) {
		if (!found[i].there || is_found(heaps, *n, known_heaps[i].ops.name))
			continue;
		heaps[*n] = heap_of(src, &known_heaps[i], &found[i]);
		if (!heaps[*n])
			return -ENOMEM;
		(*n)++;
	}
	return 0;
}

int known_detect(const struct heap_source *src, struct heap **heaps, size_t *n,
		 struct error *e)
{
	struct found found[KNOWN] = { 0 };
	struct search s = { .src = src };
	int err = peek_init(&s.peek, &src->target->reader);

	for (size_t i = 0; i < src->vmas->n; i++)
		s.spans_max += src->vmas->v[i].st.rss / PEEK_LINE;
	if (!err) {
		look(&s, found);
		err = s.err ? s.err : make_heaps(src, found, heaps, n);
	}
	for (size_t i = 0; i < known_count; i++)
		free(found[i].spans);
	peek_free(&s.peek);
	if (err)
		return error_sys(e, -err, "process %d, looking for allocators",
				 (int)src->target->pid);
	return 0;
}
