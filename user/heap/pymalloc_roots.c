// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds pymalloc's roots without symbols. Somewhere in the data of the interpreter is
 * a pointer to the vector of arena records, and each pool of an arena names the index
 * of its record: no pointer is believed before both ends agree.
 */
#include "heap/pymalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/array.h"
#include "heap/data.h"
#include "heap/emit.h"

/* Objects/obmalloc.c, Include/internal/pycore_obmalloc.h: ARENA_SIZE, POOL_SIZE. */
static const struct pool_layout layouts[] = {
	{ "3.8-3.9", 256u << 10, 4u << 10 },
	{ "3.10-3.15", 1u << 20, 16u << 10 },
	/* WITH_PYMALLOC_RADIX_TREE=0 */
	{ "3.10-3.15", 1u << 20, 4u << 10 },
};

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

#define RECORD	    sizeof(struct arena_record)
#define RECORDS_MIN 16u /* INITIAL_ARENA_OBJECTS; doubled when used up */
#define RECORDS_MAX (1u << 20) /* 1 TiB in arenas */
#define BATCH	    256u /* records that are read at once */
#define ROOTS_MAX   1024u
#define TRIES_MAX   (1u << 17) /* closer looks, lest forged data cost hours */
#define BAD_MAX(n)  ((n) / 8) /* a part of the vector with more nonsense is none */

bool record_holds(const struct pymalloc *p, const struct pool_layout *l,
		  const struct arena_record *r)
{
	uint64_t first = first_pool(l, r->address), end = r->address + l->arena;
	uint32_t pools = (uint32_t)((end - first) / l->pool);

	return r->address && end > r->address && r->address % p->page == 0 &&
	       r->ntotalpools == pools && r->nfreepools <= pools &&
	       r->pool_address >= first && r->pool_address <= end &&
	       r->pool_address % l->pool == 0;
}

/* Unused records are a list within the vector, which begins at @records. */
static bool record_unused(uint64_t records, const struct arena_record *r)
{
	uint64_t next = r->nextarena - records;

	return !r->address &&
	       (!r->nextarena || (next % RECORD == 0 && next / RECORD < RECORDS_MAX));
}

bool pool_holds(const struct pool_layout *l, uint32_t index, const struct pool_head *h)
{
	uint32_t size = block_size(h->szidx), blocks;

	if (h->arenaindex != index || h->szidx >= SIZE_CLASSES ||
	    h->maxnextoffset != l->pool - size)
		return false;
	blocks = (l->pool - POOL_HEAD) / size;
	return h->count <= blocks && h->nextoffset >= POOL_HEAD + size &&
	       h->nextoffset <= POOL_HEAD + blocks * size &&
	       (h->nextoffset - POOL_HEAD) % size == 0;
}

/* Anonymous memory that arenas can be in: they are mapped by themselves. */
static bool in_arena_memory(const struct pymalloc *p, uint64_t start, uint64_t end)
{
	const struct vma_list *l = p->src->vmas;
	const uint32_t rw = VMA_READ | VMA_WRITE;
	const struct vma *v = vma_find(l, start);

	while (v && v < l->v + l->n && v->start <= start && vma_is_anon(v) &&
	       (v->flags & rw) == rw && v->name[0] != '[') {
		if (v->end >= end)
			return true;
		start = v->end;
		v++;
	}
	return false;
}

int pymalloc_look(struct pymalloc *p, uint64_t addr, void *buf, size_t len)
{
	const struct vma_list *l = p->src->vmas;

	if (!vma_find(l, addr) || !vma_find(l, addr + len - 1))
		return -EFAULT;
	return peek_read(&p->peek, addr, buf, len);
}

int read_record(struct pymalloc *p, const struct pool_arena *a, struct arena_record *r)
{
	uint64_t at = p->roots[a->root].records + a->index * RECORD;

	return reader_read(&p->src->target->reader, at, r, sizeof(*r));
}

/* 1: the first pool of record @index is as @l has it; 0: not so, or not to be seen. */
static int first_pool_holds(struct pymalloc *p, const struct pool_layout *l,
			    uint32_t index, const struct arena_record *r)
{
	uint64_t first = first_pool(l, r->address);
	struct pool_head h;
	int err;

	if (r->pool_address == first ||
	    !in_arena_memory(p, r->address, r->address + l->arena))
		return 0;
	err = reader_read(&p->src->target->reader, first, &h, sizeof(h));
	if (err)
		return err == -ESRCH ? err : 0;
	return pool_holds(l, index, &h);
}

/*
 * How many of @n records, of which the first has @index, make no sense. Of unused ones
 * only one is the last of their list: *@ends counts those that look like it.
 */
static size_t count_bad(const struct pymalloc *p, const struct pool_root *root,
			const struct arena_record *r, size_t n, size_t *ends)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++) {
		if (record_holds(p, root->layout, &r[i]))
			continue;
		if (!record_unused(root->records, &r[i]) ||
		    (!r[i].nextarena && ++*ends > 1))
			bad++;
	}
	return bad;
}

/*
 * Reads @n records from @index on; how many of them make no sense, or -errno. What the
 * target changes meanwhile is looked at again.
 */
static int64_t read_part(struct pymalloc *p, const struct pool_root *root, uint32_t index,
			 size_t n, struct arena_record *r)
{
	size_t bad = n;
	uint64_t at = root->records + index * RECORD;

	if (!vma_find(p->src->vmas, at) || !vma_find(p->src->vmas, at + n * RECORD - 1))
		return -EFAULT;
	/* Where most of it makes no sense, none ever will. */
	for (int i = 0; bad && (!i || bad <= n / 2) && i < LOOKS_MAX; i++) {
		size_t ends = 0;
		int err = reader_read(&p->src->target->reader, at, r, n * RECORD);

		if (err)
			return err;
		bad = count_bad(p, root, r, n, &ends);
	}
	return (int64_t)bad;
}

/*
 * Whether there is a vector of arenas at @records, in the layout that its records and
 * the first pools of its arenas have. 1 and @root if so.
 */
static int root_holds(struct pymalloc *p, uint64_t records, struct pool_root *root)
{
	struct arena_record r[RECORDS_MIN];

	root->records = records;
	for (size_t i = 0; i < LAYOUTS; i++) {
		int64_t bad;

		root->layout = &layouts[i];
		bad = read_part(p, root, 0, RECORDS_MIN, r);
		if (bad < 0)
			return bad == -ESRCH ? (int)bad : 0;
		for (uint32_t k = 0;
		     bad <= (int64_t)BAD_MAX(RECORDS_MIN) && k < RECORDS_MIN; k++) {
			int ok = record_holds(p, root->layout, &r[k])
					 ? first_pool_holds(p, root->layout, k, &r[k])
					 : 0;

			if (ok)
				return ok;
		}
	}
	return 0;
}

/*
 * Where the length of the vector is, and the head of its list of unused records, from
 * the pointer to the vector on, in bytes.
 */
static const struct {
	int64_t maxarenas, unused;
} places[] = {
	{ 8, 16 }, /* struct _obmalloc_mgmt, since 3.12; variables in their order */
	{ -16, -8 }, /* variables before 3.12, as GCC places them: in reverse */
};

#define PLACES (sizeof(places) / sizeof(places[0]))

/* How many records the vector has: 0 if that is in none of the places known. */
static void find_length(struct pymalloc *p, struct pool_root *root)
{
	for (size_t i = 0; i < PLACES; i++) {
		uint64_t unused;
		uint32_t n;

		if (pymalloc_look(p, root->slot + (uint64_t)places[i].maxarenas, &n,
				  sizeof(n)) ||
		    pymalloc_look(p, root->slot + (uint64_t)places[i].unused, &unused,
				  sizeof(unused)))
			continue;
		if (n < RECORDS_MIN || n > RECORDS_MAX || (n & (n - 1)))
			continue;
		unused -= unused ? root->records : 0;
		if (unused % RECORD || unused / RECORD >= n)
			continue;
		root->nrecords = n;
		root->in_state = i == 0;
		return;
	}
}

static bool is_known(const struct pymalloc *p, uint64_t records)
{
	for (size_t i = 0; i < p->nroots; i++)
		if (p->roots[i].records == records)
			return true;
	return false;
}

/* Whether a vector at @records may begin with @first. */
static bool may_begin(const struct pymalloc *p, uint64_t records,
		      const struct arena_record *first)
{
	return first->address % p->page == 0 &&
	       (first->address || record_unused(records, first));
}

int pymalloc_try_root(struct pymalloc *p, uint64_t slot, uint64_t records)
{
	struct pool_root root = { .slot = slot };
	uint64_t *rejected = &p->rejected[records / BLOCK_ALIGN % REJECTED];
	struct arena_record first;
	int ok;

	if (records % BLOCK_ALIGN || p->nroots == ROOTS_MAX || *rejected == records ||
	    is_known(p, records))
		return 0;
	*rejected = records;
	ok = pymalloc_look(p, records, &first, sizeof(first));
	if (ok)
		return ok == -ESRCH ? ok : 0;
	if (!may_begin(p, records, &first) || p->tries == TRIES_MAX)
		return 0;
	p->tries++;
	ok = root_holds(p, records, &root);
	if (ok <= 0)
		return ok;
	find_length(p, &root);
	if (!grow(&p->roots, &p->roots_cap, p->nroots, sizeof(root)))
		return -ENOMEM;
	p->roots[p->nroots++] = root;
	return 0;
}

/* A word of data that could be the pointer to a vector. */
struct candidate {
	uint64_t records, slot;
};

struct root_scan {
	struct data_scan scan;
	struct pymalloc *p;
	struct candidate *found; /* of a window, as many as it has words */
	size_t n;
};

static int by_records(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->records != y->records)
		return x->records < y->records ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/*
 * Tries those of @n words, at most BATCH, that lead to what may be a first record. Data
 * has many pointers: these records are read in one go.
 */
static int try_batch(struct pymalloc *p, const uint64_t *addr, const uint64_t *slot,
		     size_t n)
{
	struct arena_record first[BATCH];
	uint8_t ok[BATCH];
	int err = reader_gather(&p->src->target->reader, addr, n, RECORD, first, ok);

	for (size_t i = 0; !err && i < n; i++)
		if (ok[i] && may_begin(p, addr[i], &first[i]))
			err = pymalloc_try_root(p, slot[i], addr[i]);
	return err;
}

/* In order of what they lead to, each but once. What a page ends within is read alone. */
static int try_candidates(struct root_scan *s)
{
	uint64_t addr[BATCH], slot[BATCH], last = 0, page = s->p->page;
	size_t n = 0;
	int err = 0;

	qsort(s->found, s->n, sizeof(*s->found), by_records);
	for (size_t i = 0; !err && i < s->n; i++) {
		const struct candidate *c = &s->found[i];

		if (c->records == last)
			continue;
		last = c->records;
		if (last % page > page - RECORD) {
			err = pymalloc_try_root(s->p, c->slot, last);
			continue;
		}
		addr[n] = last;
		slot[n++] = c->slot;
		if (n == BATCH) {
			err = try_batch(s->p, addr, slot, n);
			n = 0;
		}
	}
	return err || !n ? err : try_batch(s->p, addr, slot, n);
}

static int scan_window(struct data_scan *scan, uint64_t at, const uint8_t *buf,
		       size_t len)
{
	struct root_scan *s = (struct root_scan *)scan;
	const struct vma_list *l = s->p->src->vmas;
	const size_t nroots = s->p->nroots;
	const uint64_t runtime = s->p->runtime;
	int err;

	s->n = 0;
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = get64(buf, i);
		const struct vma *v;

		pymalloc_see_runtime(s->p, at + i, buf + i, len - i);
		if (!word || word % BLOCK_ALIGN)
			continue;
		v = vma_find(l, word);
		if (v && vma_is_anon(v) && (v->flags & VMA_WRITE))
			s->found[s->n++] = (struct candidate){ word, at + i };
	}
	err = s->n ? try_candidates(s) : 0;
	scan->useful = s->p->nroots != nroots || s->p->runtime != runtime;
	return err;
}

static int find_main_roots(struct pymalloc *p)
{
	struct root_scan s = { .scan.window = scan_window, .p = p };
	int err;

	s.found = malloc(READER_WINDOW / sizeof(uint64_t) * sizeof(*s.found));
	err = s.found ? data_scan(p->src, &s.scan) : -ENOMEM;
	free(s.found);
	return err;
}

static int add_arena(struct pymalloc *p, uint32_t root, uint32_t index, uint64_t address)
{
	const struct pool_layout *l = p->roots[root].layout;

	/* Mapped after the mappings were read, or not at all. */
	if (!in_arena_memory(p, address, address + l->arena))
		return 0;
	if (p->narenas == p->arenas_max) {
		heap_incomplete(p->heap, "more arenas than memory: the allocator's "
					 "records are damaged");
		return 0;
	}
	if (!grow(&p->arenas, &p->arenas_cap, p->narenas, sizeof(*p->arenas)))
		return -ENOMEM;
	p->arenas[p->narenas++] = (struct pool_arena){ address, root, index };
	return 0;
}

/* Takes the arenas of a part of the vector: 1, or 0 if it is none; -errno. */
static int take_part(struct pymalloc *p, uint32_t root, uint32_t index, size_t n,
		     struct arena_record *r)
{
	const struct pool_root *of = &p->roots[root];
	int64_t bad = read_part(p, of, index, n, r);
	int err = 0;

	if (bad == -ESRCH)
		return (int)bad;
	if (bad < 0 && of->nrecords)
		heap_absent(p->heap);
	if (bad < 0 || (!of->nrecords && bad > (int64_t)BAD_MAX(n)))
		return of->nrecords != 0;
	if (bad)
		heap_incomplete(p->heap,
				"records of arenas changed while they were read");
	for (size_t i = 0; !err && i < n; i++)
		if (record_holds(p, of->layout, &r[i]))
			err = add_arena(p, root, index + (uint32_t)i, r[i].address);
	return err ? err : 1;
}

/*
 * Where the length of the vector is not known: it doubles when it is used up, and what
 * follows it does not look like records.
 */
static int take_records(struct pymalloc *p, uint32_t root)
{
	struct arena_record *r = malloc(BATCH * RECORD);
	uint32_t max = p->roots[root].nrecords ? p->roots[root].nrecords : RECORDS_MAX;
	int ok = r ? 1 : -ENOMEM;

	for (uint32_t at = 0; ok > 0 && at < max;) {
		uint32_t n = !at ? RECORDS_MIN : at < BATCH ? at : BATCH;

		ok = take_part(p, root, at, n, r);
		at += n;
	}
	free(r);
	return ok < 0 ? ok : 0;
}

static int by_address(const void *a, const void *b)
{
	const struct pool_arena *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Forged records may name a piece twice; extents must not overlap. */
static void sort_arenas(struct pymalloc *p)
{
	uint64_t end = 0;
	size_t kept = 0;

	if (p->narenas)
		qsort(p->arenas, p->narenas, sizeof(*p->arenas), by_address);
	for (size_t i = 0; i < p->narenas; i++) {
		const struct pool_arena *a = &p->arenas[i];

		if (a->address < end) {
			heap_incomplete(p->heap, "arenas overlap: the allocator's "
						 "records are damaged");
			continue;
		}
		end = a->address + p->roots[a->root].layout->arena;
		p->arenas[kept++] = *a;
	}
	p->narenas = kept;
}

static size_t count_possible(const struct pymalloc *p)
{
	const struct vma_list *l = p->src->vmas;
	uint64_t bytes = 0;

	for (size_t i = 0; i < l->n; i++)
		if (vma_is_anon(&l->v[i]))
			bytes += l->v[i].end - l->v[i].start;
	return bytes / layouts[0].arena;
}

int pymalloc_find_roots(struct pymalloc *p)
{
	int err = find_main_roots(p);

	/* 3.11 begins as 3.12 does, but its interpreters share one allocator. */
	if (p->is_3_12 && p->nroots && !p->roots[0].in_state) {
		p->is_3_12 = false;
		p->runtime = 0;
	}
	if (!err && p->nroots && p->runtime)
		err = pymalloc_find_interpreters(p);
	else if (!err && p->nroots && p->roots[0].in_state)
		heap_incomplete(p->heap, "interpreters that have an allocator of their "
					 "own were not looked for: no _PyRuntime was "
					 "found");
	p->arenas_max = count_possible(p);
	for (uint32_t i = 0; !err && i < p->nroots; i++)
		err = take_records(p, i);
	sort_arenas(p);
	return err;
}
