// SPDX-License-Identifier: GPL-2.0-or-later
/* Joins the ranges that a trace followed with the mappings of a look, both by address. */
#include "model/mappers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

/* From a system call out to the allocator that made it for somebody, at most. */
#define WRAPPERS_DEPTH 12
#define CALLERS	       2

struct join {
	struct snapshot *s;
	const struct trace *tr;
	const struct stacks *st;
	uint64_t (*bytes)[MAPPED_KINDS]; /* by stack */
	uint64_t *here; /* by stack, in the mapping at hand */
	uint32_t *touched; /* stacks that have some there */
	size_t ntouched;
	uint32_t *top; /* by region: the stack that has most of it; STACK_OTHER: none */
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Files of which the functions map for whoever calls them. */
static bool maps_for_others(const struct frame *f)
{
	static const char *const files[] = { "libc.so", "libc-2.", "ld-linux",
					     "libpthread", "libstdc++", "libjemalloc",
					     "libtcmalloc", "libmimalloc", "libgcc_s",
					     /* UCX's hooks of those calls */
					     "libucm" };
	const char *base = f->module ? base_of(f->module) : "";

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strncmp(base, files[i], strlen(files[i])))
			return true;
	return false;
}

/* The same, wherever they are linked in. */
static bool is_allocation(const struct frame *f)
{
	static const char *const names[] = {
		"mmap",		 "mmap64",   "__mmap",	       "__mmap64",	"mremap",
		"__mremap",	 "brk",	     "__brk",	       "sbrk",		"__sbrk",
		"syscall",	 "shmat",    "malloc",	       "calloc",	"realloc",
		"__libc_malloc", "memalign", "posix_memalign", "aligned_alloc", "_Znwm",
		"_Znam"
	};

	for (size_t i = 0; f->function && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(f->function, names[i]))
			return true;
	return false;
}

/* The place in @s of the function that maps. */
static uint32_t depth_of(const struct join *j, const struct stack *s)
{
	const struct frame *frame = j->st->frame;
	uint32_t depth = 0;

	while (depth < s->n && maps_for_others(&frame[s->frame[depth]]))
		depth++;
	for (uint32_t i = depth; i < s->n && i < WRAPPERS_DEPTH; i++)
		if (is_allocation(&frame[s->frame[i]]))
			depth = i + 1;
	return depth < s->n ? depth : 0;
}

static void name_frame(const struct frame *f, char *out, size_t size)
{
	const char *file = f->module ? base_of(f->module) : "no file";

	if (frame_name(f))
		snprintf(out, size, "%s (%s)", frame_name(f), file);
	else if (f->has_offset)
		snprintf(out, size, "%s+0x%llx", file, (unsigned long long)f->offset);
	else
		snprintf(out, size, "0x%llx (%s)", (unsigned long long)f->pc, file);
}

static bool begins_a_thread(const char *function)
{
	return !strncmp(function, "__libc_start", 12) || !strcmp(function, "_start") ||
	       !strcmp(function, "start_thread") || !strncmp(function, "clone", 5);
}

static bool same_file(const struct frame *a, const struct frame *b)
{
	return a->module && a->module == b->module;
}

/*
 * The nearest callers that have a name, and the nearest one of the file that is outermost:
 * the program's own, mostly.
 */
static void name_callers(const struct join *j, const struct stack *s, uint32_t depth,
			 char *out, size_t size)
{
	const struct frame *frame = j->st->frame, *last = &frame[s->frame[s->n - 1]];
	unsigned int named = 0;
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = depth + 1; i < s->n && len < size; i++) {
		const struct frame *f = &frame[s->frame[i]];
		bool own = same_file(f, last);

		if (!frame_name(f) || (named >= CALLERS && !own))
			continue;
		if (begins_a_thread(frame_name(f)))
			return;
		len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "",
					frame_name(f));
		if (++named >= CALLERS && own)
			return;
	}
}

/* What is resident of [start, end) of region @i, by kind. */
static void add_bytes(struct join *j, size_t i, uint32_t stack, uint64_t bytes)
{
	static const enum mapped_kind kinds[LEDGER_CLASSES] = {
		[LEDGER_HEAP_USED] = MAPPED_HEAP,
		[LEDGER_HEAP_RETURNABLE] = MAPPED_HEAP,
		[LEDGER_HEAP_HELD] = MAPPED_HEAP,
		[LEDGER_HEAP_METADATA] = MAPPED_HEAP,
		[LEDGER_HEAP_UNREAD] = MAPPED_HEAP,
		[LEDGER_ANON_OTHER] = MAPPED_OTHER,
		[LEDGER_STACK_LIVE] = MAPPED_KINDS,
		[LEDGER_STACK_DEAD] = MAPPED_KINDS,
		[LEDGER_FILE_CLEAN] = MAPPED_KINDS,
		[LEDGER_FILE_DIRTY] = MAPPED_KINDS,
		[LEDGER_SHMEM] = MAPPED_SHMEM,
	};
	const struct vma *v = &j->s->vmas.v[i];
	double share = (double)bytes / (double)(v->end - v->start);

	for (int c = 0; c < LEDGER_CLASSES; c++)
		if (kinds[c] != MAPPED_KINDS)
			j->bytes[stack][kinds[c]] +=
				(uint64_t)(share * (double)j->s->regions[i].resident[c]);
	if (!j->here[stack])
		j->touched[j->ntouched++] = stack;
	j->here[stack] += bytes;
}

static void end_region(struct join *j, size_t i)
{
	uint64_t most = 0;

	for (size_t k = 0; k < j->ntouched; k++) {
		uint32_t stack = j->touched[k];

		if (j->here[stack] > most) {
			most = j->here[stack];
			j->top[i] = stack;
		}
		j->here[stack] = 0;
	}
	j->ntouched = 0;
}

static void join_spans(struct join *j, const struct span *span, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < j->s->vmas.n; i++) {
		const struct vma *v = &j->s->vmas.v[i];

		while (k < n && span[k].end <= v->start)
			k++;
		for (; k < n && span[k].start < v->end; k++) {
			uint64_t start =
				span[k].start > v->start ? span[k].start : v->start;
			uint64_t end = span[k].end < v->end ? span[k].end : v->end;

			add_bytes(j, i, span[k].owner, end - start);
			/* It goes on in the next mapping. */
			if (span[k].end > v->end)
				break;
		}
		end_region(j, i);
	}
}

/* Adds what a stack has to its function's mapper. False: out of memory. */
static bool add_stack(struct join *j, struct mappers *m, uint32_t id)
{
	const struct stack *s = j->st->stack[id];
	uint32_t depth = depth_of(j, s);
	char name[2 * 1024 + 64], callers[1024];
	struct mapper *to;

	name_frame(&j->st->frame[s->frame[depth]], name, sizeof(name));
	name_callers(j, s, depth, callers, sizeof(callers));
	to = &m->m[m->n];
	*to = (struct mapper){ .name = strdup(name), .callers = strdup(callers) };
	m->n++;
	memcpy(to->bytes, j->bytes[id], sizeof(to->bytes));
	return to->name && to->callers;
}

static uint64_t sum_of(const struct mapper *m)
{
	uint64_t sum = 0;

	for (int k = 0; k < MAPPED_KINDS; k++)
		sum += m->bytes[k];
	return sum;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = sum_of(a), y = sum_of(b);

	return x > y ? -1 : x < y;
}

/* By name; of one name, the largest first, whose callers are kept. */
static int by_name(const void *a, const void *b)
{
	int order = strcmp(((const struct mapper *)a)->name,
			   ((const struct mapper *)b)->name);

	return order ? order : by_size(a, b);
}

static void mapper_free(struct mapper *m)
{
	free(m->name);
	free(m->callers);
}

static void merge(struct mappers *m)
{
	size_t n = 0;

	if (!m->n)
		return;
	qsort(m->m, m->n, sizeof(*m->m), by_name);
	for (size_t i = 1; i < m->n; i++) {
		struct mapper *last = &m->m[n];

		if (strcmp(last->name, m->m[i].name)) {
			m->m[++n] = m->m[i];
			continue;
		}
		for (int k = 0; k < MAPPED_KINDS; k++)
			last->bytes[k] += m->m[i].bytes[k];
		mapper_free(&m->m[i]);
	}
	m->n = n + 1;
	qsort(m->m, m->n, sizeof(*m->m), by_size);
}

static bool name_regions(struct join *j)
{
	char name[2 * 1024 + 64];

	for (size_t i = 0; i < j->s->vmas.n; i++) {
		const struct stack *s = j->st->stack[j->top[i]];

		if (j->top[i] == STACK_OTHER || !s->n)
			continue;
		name_frame(&j->st->frame[s->frame[depth_of(j, s)]], name, sizeof(name));
		j->s->regions[i].mapped_by = strdup(name);
		if (!j->s->regions[i].mapped_by)
			return false;
	}
	return true;
}

static bool join(struct join *j, struct mappers *m)
{
	struct span *spans = spans_list(&j->tr->account.spans);

	if (!spans && j->tr->account.spans.n)
		return false;
	if (spans)
		join_spans(j, spans, j->tr->account.spans.n);
	free(spans);
	for (uint32_t i = 1; i < j->st->n; i++) {
		struct mapper sums;

		memcpy(sums.bytes, j->bytes[i], sizeof(sums.bytes));
		if (sum_of(&sums) && j->st->stack[i]->n && !add_stack(j, m, i))
			return false;
	}
	merge(m);
	return name_regions(j);
}

int mappers_join(struct snapshot *s, const struct trace *tr, struct error *e)
{
	size_t n = tr->stacks.n;
	struct mappers *m = calloc(1, sizeof(*m));
	struct join j = { .s = s, .tr = tr, .st = &tr->stacks };
	bool ok;

	j.bytes = calloc(n, sizeof(*j.bytes));
	j.here = calloc(n, sizeof(*j.here));
	j.touched = calloc(n, sizeof(*j.touched));
	j.top = calloc(s->vmas.n + 1, sizeof(*j.top));
	if (m)
		m->m = calloc(n, sizeof(*m->m));
	ok = m && m->m && j.bytes && j.here && j.touched && j.top && join(&j, m);
	free(j.bytes);
	free(j.here);
	free(j.touched);
	free(j.top);
	if (!ok) {
		mappers_free(m);
		return error_sys(e, ENOMEM, "who mapped what");
	}
	m->traced_ns = tr->duration_ns;
	m->partial = trace_is_partial(tr);
	s->mappers = m;
	return 0;
}

void mappers_free(struct mappers *m)
{
	for (size_t i = 0; m && i < m->n; i++)
		mapper_free(&m->m[i]);
	free(m ? m->m : NULL);
	free(m);
}
