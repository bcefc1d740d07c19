// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pools LAYOUT MODE SEED: builds by itself what CPython's allocator would have in
 * memory, damages it as MODE says, answers "ready LIVE FREE META", in bytes before the
 * damage, and sleeps. Without arguments: the names of layouts, a blank line, those of
 * modes. So layouts are seen that no Debian release has, and records that no Python
 * would write.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENAS	24
#define RECORDS 32
#define CLASSES 32

struct record {
	uint64_t address, pool_address;
	uint32_t nfreepools, ntotalpools;
	uint64_t freepools, nextarena, prevarena;
};

struct pool {
	uint64_t count, freeblock, nextpool, prevpool;
	uint32_t arenaindex, szidx, nextoffset, maxnextoffset;
};

static const struct layout {
	const char *name;
	uint32_t arena, pool;
} layouts[] = {
	{ "small", 256 << 10, 4 << 10 },
	{ "large", 1 << 20, 16 << 10 },
	{ "mixed", 1 << 20, 4 << 10 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The root; what is around it says, or does not say, how long the vector is. */
static struct {
	uint64_t before[8];
	struct record *vector;
	uint64_t after[80];
} root;

/* As _PyRuntime begins since 3.13; one whole, and its interpreters. */
static struct {
	char cookie[8];
	uint64_t version, free_threaded, size, finalizing, head, interpreter_size, id, next;
	uint64_t interpreters;
	uint64_t main[64];
} runtime __attribute__((aligned(16)));

static const struct layout *l;
static struct record *records;
static struct record whole[ARENAS]; /* as they were */
static uint64_t seed, live, unused, meta;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t below(uint64_t n)
{
	return next_random() % n;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

/* A pool of one random size, some of it carved, some of that given back. */
static void make_pool(struct pool *p, uint32_t index)
{
	uint32_t szidx = (uint32_t)below(CLASSES), size = 16 * (szidx + 1);
	uint32_t n = (l->pool - 48) / size, carved = 1 + (uint32_t)below(n);
	uint64_t every = 1 + below(8);

	*p = (struct pool){ .arenaindex = index, .szidx = szidx, .count = carved,
			    .nextoffset = 48 + carved * size,
			    .maxnextoffset = l->pool - size };
	for (uint32_t i = 0; i < carved; i++) {
		uint64_t *block = (uint64_t *)((uint8_t *)(p + 1) + i * size);

		*block = next_random();
		if (p->count == 1 || below(every))
			continue;
		*block = p->freeblock;
		p->freeblock = (uint64_t)block;
		p->count--;
	}
	live += p->count * size;
	unused += (n - p->count) * size;
	meta += 48 + (l->pool - 48) % size;
}

/* A pool of which all blocks were given back: its head stays as it was. */
static void free_pool(struct record *r, struct pool *p, uint32_t index)
{
	*p = (struct pool){ .arenaindex = index, .szidx = 3, .nextoffset = 48 + 128,
			    .maxnextoffset = l->pool - 64, .nextpool = r->freepools };
	r->freepools = (uint64_t)p;
	r->nfreepools++;
	unused += l->pool;
}

static void make_arena(struct record *r, uint32_t index)
{
	uint64_t end, first;
	uint32_t carved;

	r->address = (uint64_t)map(l->arena);
	end = r->address + l->arena;
	first = (r->address + l->pool - 1) / l->pool * l->pool;
	r->ntotalpools = (uint32_t)((end - first) / l->pool);
	carved = 1 + (uint32_t)below(r->ntotalpools);
	r->pool_address = first + (uint64_t)carved * l->pool;
	r->nfreepools = r->ntotalpools - carved;
	unused += (uint64_t)r->nfreepools * l->pool;
	meta += first - r->address + (end - first) % l->pool;
	for (uint32_t i = 0; i < carved; i++) {
		struct pool *p = (struct pool *)(first + (uint64_t)i * l->pool);

		if (i && !below(6))
			free_pool(r, p, index);
		else
			make_pool(p, index);
	}
}

static void make_heap(void)
{
	records = calloc(RECORDS, sizeof(*records));
	for (uint32_t i = 0; i < ARENAS; i++)
		make_arena(&records[i], i);
	for (uint32_t i = ARENAS; i + 1 < RECORDS; i++)
		records[i].nextarena = (uint64_t)&records[i + 1];
	memcpy(whole, records, sizeof(whole));
	root.vector = records;
}

static struct pool *any_pool(void)
{
	const struct record *r = &whole[below(ARENAS)];
	uint64_t first = (r->address + l->pool - 1) / l->pool * l->pool;

	return (struct pool *)(first + below((r->pool_address - first) / l->pool) * l->pool);
}

/* What a forger would write. */
static uint64_t evil(void)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - below(64);
	case 2:
		return (uint64_t)records + below(2 * RECORDS * sizeof(*records));
	case 3:
		return (uint64_t)any_pool() + 16 * below(64);
	case 4:
		return (uint64_t)&root + 8 * below(32);
	case 5:
		return below(1 << 20);
	case 6:
		return whole[below(ARENAS)].address;
	default:
		return next_random();
	}
}

static void damage(void *p, size_t words, unsigned int times)
{
	while (times--)
		((uint64_t *)p)[below(words)] = evil();
}

static void intact(void)
{
}

static void measured(void)
{
	root.after[0] = RECORDS;
	root.after[1] = (uint64_t)&records[ARENAS];
}

static void reversed(void)
{
	root.before[6] = RECORDS;
	root.before[7] = (uint64_t)&records[ARENAS];
}

static void heads(void)
{
	for (int i = 0; i < 60; i++)
		damage(any_pool(), sizeof(struct pool) / 8, 1 + (unsigned int)below(3));
}

/* Rings, and lists that lead astray. */
static void lists(void)
{
	for (int i = 0; i < 60; i++) {
		struct pool *p = any_pool();
		uint64_t *block = (uint64_t *)p->freeblock;

		if ((uint64_t)block / l->pool != (uint64_t)p / l->pool || below(2))
			p->freeblock = below(2) ? evil() : (uint64_t)any_pool() + 48;
		else
			*block = below(2) ? p->freeblock : evil();
	}
}

/* Pages that are gone, as those on swap are. */
static void absent(void)
{
	for (int i = 0; i < 200; i++)
		madvise((char *)any_pool() + l->pool - 4096, 4096, MADV_DONTNEED);
}

static void absent_records(void)
{
	const uint64_t n = 1024, page = 4096;
	struct record *many = map(n * sizeof(*many));

	memcpy(many, records, ARENAS * sizeof(*many));
	for (uint64_t i = ARENAS; i + 1 < n; i++)
		many[i].nextarena = (uint64_t)&many[i + 1];
	root.vector = many;
	root.after[0] = n;
	root.after[1] = (uint64_t)&many[ARENAS];
	madvise((char *)many + 5 * page, page, MADV_DONTNEED);
}

static void some_records(void)
{
	for (int i = 0; i < 6; i++)
		damage(&records[1 + below(RECORDS - 1)], sizeof(*records) / 8, 2);
}

static void all_records(void)
{
	damage(records, RECORDS * sizeof(*records) / 8, 200);
}

static void twice(void)
{
	for (int i = 0; i < 8; i++)
		records[below(RECORDS)] = records[below(ARENAS)];
}

static void length(void)
{
	root.after[0] = 16u << below(20);
}

/* A long vector of which each record is that of the same few arenas. */
static void sea(void)
{
	const uint64_t n = 1 << 18;
	struct record *many = map(n * sizeof(*many));

	for (uint64_t i = 0; i < n; i++)
		many[i] = records[i % ARENAS];
	root.vector = many;
}

static void roots(void)
{
	for (size_t i = 0; i < COUNT(root.after); i++)
		root.after[i] = (uint64_t)&records[below(RECORDS)];
	for (int i = 0; i < 8; i++)
		root.before[i] = (uint64_t)records + evil() % 4096;
}

/* Interpreters in a ring, or anywhere, with states anywhere. */
static void interpreters(void)
{
	uint64_t *many = map(64 << 10);

	measured();
	memcpy(runtime.cookie, "xdebugpy", 8);
	runtime.version = 0x030d05f0;
	runtime.size = sizeof(runtime);
	runtime.head = offsetof(typeof(runtime), interpreters);
	runtime.interpreter_size = sizeof(runtime.main);
	runtime.next = 8;
	runtime.main[8] = (uint64_t)&root.vector - 512;
	runtime.interpreters = (uint64_t)many;
	for (uint64_t i = 0; i < 64; i++) {
		many[i * 64 + 1] = (uint64_t)(many + (i + 1) * 64);
		many[i * 64 + 8] = below(2) ? evil() : (uint64_t)&root.vector - 512 + 8 * below(4);
	}
	many[63 * 64 + 1] = below(2) ? (uint64_t)many : below(2) ? (uint64_t)runtime.main : evil();
	if (below(2))
		damage(&runtime.size, 7, 1);
}

static const struct mode {
	const char *name;
	void (*make)(void);
} modes[] = {
	{ "intact", intact },
	{ "measured", measured },
	{ "reversed", reversed },
	{ "heads", heads },
	{ "lists", lists },
	{ "absent", absent },
	{ "absent-records", absent_records },
	{ "some-records", some_records },
	{ "all-records", all_records },
	{ "twice", twice },
	{ "length", length },
	{ "sea", sea },
	{ "roots", roots },
	{ "interpreters", interpreters },
};

static void list_names(void)
{
	for (size_t i = 0; i < COUNT(layouts); i++)
		puts(layouts[i].name);
	puts("");
	for (size_t i = 0; i < COUNT(modes); i++)
		puts(modes[i].name);
}

int main(int argc, char **argv)
{
	void (*make)(void) = NULL;

	if (argc < 4) {
		list_names();
		return 0;
	}
	for (size_t i = 0; i < COUNT(layouts); i++)
		if (!strcmp(argv[1], layouts[i].name))
			l = &layouts[i];
	for (size_t i = 0; i < COUNT(modes); i++)
		if (!strcmp(argv[2], modes[i].name))
			make = modes[i].make;
	if (!l || !make)
		return 1;
	seed = 0x9e3779b97f4a7c15u ^ strtoull(argv[3], NULL, 10) << 20;
	make_heap();
	make();
	printf("ready %llu %llu %llu\n", (unsigned long long)live, (unsigned long long)unused,
	       (unsigned long long)meta);
	fflush(stdout);
	pause();
	return 0;
}
