// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What hangs off jemalloc's arenas, which lie in its blocks: rings of thread caches,
 * whose content looks allocated to the records, and the decay times. An arena is not
 * looked for as such: what it leads to is unmistakable.
 */
#include "heap/jemalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/emit.h"

#define LOOK_MAX   (1u << 20) /* of a block: arenas are at its start */
#define BATCH	   1024u
#define RING_MAX   65536u /* caches in a ring */
#define CACHED_MAX (8u << 20) /* addresses in all, or few more */
#define NEAR	   65536u /* a cache's bins are near its place in the ring */
#define BINS_LARGE 37u /* TCACHE_NBINS_MAX - SC_NBINS */
#define BIN_MAX	   65536u /* items: low bits of addresses are 16 */

/* cache_bin.h since 5.3: the stack grows down; where it is empty is in the low bits. */
static bool bin_of_5_3(const uint8_t *b, struct je_bin *bin)
{
	uint64_t head = get64(b, 0);
	uint16_t full = (uint16_t)(get64(b, 16) >> 16),
		 empty = (uint16_t)(get64(b, 16) >> 32);

	bin->items = head;
	bin->n = (uint16_t)(empty - (uint16_t)head) / 8;
	bin->end = head + bin->n * 8;
	bin->start = bin->end - (uint16_t)(empty - full);
	return head && head % 8 == 0 && bin->start <= head;
}

/* Before: items end where avail points to. */
static bool bin_of_5_2(const uint8_t *b, struct je_bin *bin)
{
	int32_t low = (int32_t)get32(b, 0), n = (int32_t)get32(b, 4);
	uint64_t avail = get64(b, 16);

	bin->n = (uint64_t)n;
	bin->end = avail;
	bin->start = bin->items = avail - bin->n * 8;
	return n >= 0 && low >= -1 && low <= n && (uint32_t)n < BIN_MAX && avail &&
	       avail % 8 == 0;
}

bool je_bin_of(const struct jemalloc *j, const uint8_t *b, struct je_bin *bin)
{
	return j->record->split_bins ? bin_of_5_2(b, bin) : bin_of_5_3(b, bin);
}

static bool bin_holds(const struct jemalloc *j, const uint8_t *b, struct je_bin *bin)
{
	return je_bin_of(j, b, bin) &&
	       (!bin->n || je_mapped_all(j, bin->items, bin->items + bin->n * 8));
}

/* Whether no more can be taken, which is told. */
static bool is_full(struct jemalloc *j)
{
	if (j->ncached < CACHED_MAX)
		return false;
	heap_incomplete(j->heap,
			"more than %u regions in thread caches: the rest is counted as "
			"in use",
			CACHED_MAX);
	return true;
}

static int take_items(struct jemalloc *j, const struct je_bin *bin)
{
	uint64_t item[256];

	for (uint64_t i = 0, n; i < bin->n && !is_full(j); i += n) {
		n = bin->n - i < 256 ? bin->n - i : 256;
		if (peek_read(&j->peek, bin->items + i * 8, item, n * 8)) {
			heap_absent(j->heap);
			continue;
		}
		for (uint64_t k = 0; k < n; k++) {
			if (!grow(&j->cached, &j->cached_cap, j->ncached,
				  sizeof(*j->cached)))
				return -ENOMEM;
			j->cached[j->ncached++] = item[k];
		}
	}
	return 0;
}

/* @n bins at @addr; stops at what is none. How many there were goes to *@seen. */
static int take_bins(struct jemalloc *j, uint64_t addr, unsigned int n, bool items,
		     unsigned int *seen)
{
	uint8_t b[JE_BIN];
	struct je_bin bin;

	for (*seen = 0; *seen < n; ++*seen, addr += JE_BIN) {
		int err = je_mapped_all(j, addr, addr + JE_BIN)
				  ? peek_read(&j->peek, addr, b, sizeof(b))
				  : -EFAULT;

		if (err == -ESRCH || err == -EPERM)
			return err;
		if (err || !bin_holds(j, b, &bin))
			return 0;
		err = items ? take_items(j, &bin) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* struct cache_bin_array_descriptor_s. */
struct ring_element {
	uint64_t next, prev, bins, large;
};

static bool read_element(struct jemalloc *j, uint64_t addr, struct ring_element *e)
{
	return addr % 8 == 0 && je_mapped_all(j, addr, addr + sizeof(*e)) &&
	       !peek_read(&j->peek, addr, e, sizeof(*e));
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < NEAR;
}

/* Whether the element at @addr of some ring is that of a thread cache. */
static int is_cache(struct jemalloc *j, uint64_t addr, struct ring_element *e)
{
	struct ring_element next, prev;
	unsigned int seen;
	int err;

	if (!read_element(j, addr, e) || !is_near(e->bins, addr) || e->bins % 8 ||
	    (j->record->split_bins && !is_near(e->large, addr)) ||
	    !read_element(j, e->next, &next) || next.prev != addr ||
	    !read_element(j, e->prev, &prev) || prev.next != addr)
		return 0;
	err = take_bins(j, e->bins, j->classes->nsmall, false, &seen);
	return err ? err : seen == j->classes->nsmall;
}

int je_take_cache(struct jemalloc *j, uint64_t bins, uint64_t large)
{
	const unsigned int n = j->classes->nsmall;
	unsigned int seen;

	if (j->record->split_bins) {
		int err = take_bins(j, bins, n, true, &seen);

		return err ? err : take_bins(j, large, BINS_LARGE, true, &seen);
	}
	return take_bins(j, bins, n + BINS_LARGE, true, &seen);
}

/* Threads come and go while the ring is followed. */
static int take_ring(struct jemalloc *j, uint64_t first)
{
	uint64_t addr = first;

	for (unsigned int i = 0; i < RING_MAX; i++) {
		struct ring_element e;
		int ok = is_cache(j, addr, &e), err;

		if (ok < 0)
			return ok;
		if (!ok) {
			if (i)
				heap_incomplete(j->heap,
						"thread caches changed while they "
						"were read");
			return 0;
		}
		j->rings = true;
		err = je_take_cache(j, e.bins, e.large);
		if (err)
			return err;
		addr = e.next;
		if (addr == first)
			return 0;
	}
	heap_incomplete(j->heap,
			"more than %u thread caches of an arena: what the rest hold is "
			"counted as in use",
			RING_MAX);
	return 0;
}

static int take_candidates(struct jemalloc *j, uint64_t *addr, size_t n)
{
	uint64_t next[BATCH];
	uint8_t ok[BATCH];
	int err =
		reader_gather(&j->src->target->reader, addr, n, sizeof(*next), next, ok);

	for (size_t i = 0; !err && i < n; i++)
		if (ok[i] && next[i] % 8 == 0 && je_mapped(j, next[i]))
			err = take_ring(j, addr[i]);
	return err;
}

/* nstime.h: nanoseconds; SMOOTHSTEP_NSTEPS intervals make up a decay time. */
#define STEPS	     200
#define NS_IN_MS     1000000
#define DECAY_MAX_MS (1ll << 40)
#define DECAY_TIME   0u /* the fields, from time_ms on */
#define DECAY_STEP   8u
#define DECAY_EPOCH  16u
#define DECAY_JITTER 24u
#define DECAY_LIMIT  32u
#define DECAY_SIZE   40u
#define DECAY_HEAD   256 /* what is before them, at most: a mutex, a flag */
#define DECAY_APART  2048 /* from one to the next, at most */

/*
 * Whether a decay's fields are at @addr: its time and a step of it agree; or it does
 * not decay, and then nothing was drawn yet from its random state, which begins as its
 * own address.
 */
static bool is_decay(const uint8_t *b, uint64_t addr)
{
	int64_t ms = (int64_t)get64(b, DECAY_TIME);
	uint64_t step = get64(b, DECAY_STEP), epoch = get64(b, DECAY_EPOCH);
	uint64_t jitter = get64(b, DECAY_JITTER), limit = get64(b, DECAY_LIMIT);

	if (ms < -1 || ms > DECAY_MAX_MS || !epoch || limit < epoch)
		return false;
	if (ms > 0)
		return step == (uint64_t)ms * NS_IN_MS / STEPS &&
		       limit - epoch <= 2 * step;
	return limit - epoch == step && jitter % 8 == 0 && jitter < addr &&
	       addr - jitter < DECAY_HEAD;
}

struct arena_look {
	struct jemalloc *j;
	const struct block *block;
	uint64_t candidate[BATCH];
	size_t n;
	uint64_t decay_at; /* where the last decay was seen, and its time */
	int64_t decay_ms;
};

/* The decay of dirty pages is followed by that of muzzy ones. */
static void take_decay(struct arena_look *k, const uint8_t *b, uint64_t addr)
{
	struct jemalloc *j = k->j;
	int64_t ms = (int64_t)get64(b, DECAY_TIME);

	if (k->decay_at && addr - k->decay_at < DECAY_APART && !j->decay_known &&
	    k->block->arena == 0) {
		j->dirty_decay_ms = k->decay_ms;
		j->muzzy_decay_ms = ms;
		j->decay_known = true;
	}
	k->decay_at = addr;
	k->decay_ms = ms;
}

static int look_at_word(struct arena_look *k, const uint8_t *b, size_t left,
			uint64_t addr)
{
	struct jemalloc *j = k->j;
	uint64_t word = get64(b, 0);
	int err = 0;

	if (left >= DECAY_SIZE && is_decay(b, addr))
		take_decay(k, b, addr);
	if (!word || word % 8 || !je_mapped(j, word) || je_block_of(j, word))
		return 0;
	k->candidate[k->n++] = word;
	if (k->n == BATCH) {
		err = take_candidates(j, k->candidate, k->n);
		k->n = 0;
	}
	return err;
}

/* An arena is at the start of its block, so that no window ends within it. */
static int look_at_block(struct arena_look *k, uint8_t *buf)
{
	struct reader *r = &k->j->src->target->reader;
	uint64_t end = k->block->used, at = k->block->start;
	uint8_t present[READER_WINDOW_PAGES];
	int err = 0;

	if (end - at > LOOK_MAX)
		end = at + LOOK_MAX;
	for (uint64_t len; !err && at < end; at += len) {
		ssize_t got;

		len = (end - at + r->page_size - 1) / r->page_size * r->page_size;
		len = len < READER_WINDOW ? len : READER_WINDOW;
		got = reader_window(r, at, len, buf, present);
		err = got < 0 ? (int)got : 0;
		for (size_t i = 0; !err && got && i < len; i += 8)
			err = look_at_word(k, buf + i, len - i, at + i);
	}
	if (!err)
		err = take_candidates(k->j, k->candidate, k->n);
	k->n = 0;
	return err;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int je_find_caches(struct jemalloc *j)
{
	struct arena_look k = { .j = j };
	uint8_t *buf = malloc(READER_WINDOW);
	int err = buf ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < j->nblocks; i++) {
		k.block = &j->blocks[i];
		k.decay_at = 0;
		err = look_at_block(&k, buf);
	}
	free(buf);
	/* Rings are for statistics, without which jemalloc may be built. */
	if (!err && !j->rings && !j->record->no_rings)
		err = je_scan_caches(j);
	if (j->ncached)
		qsort(j->cached, j->ncached, sizeof(*j->cached), by_address);
	return err;
}
