// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * marks MODE SEED: has the marks of an allocator or runtime that is recognised, and
 * behind them records that none would write; says "ready" and sleeps. For "java" it is
 * to be linked with -rdynamic, for "musl" with -static, for "go" compiled with -DGO.
 * Without arguments: the modes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096
#define PAGES	512
#define ENTRIES 400

static uint64_t seed;
static uint8_t *pages; /* resident */

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Somewhere: in the pages, beside them, at the ends of everything, or nowhere. */
static uint64_t wild(void)
{
	static const uint64_t ends[] = { 0,
					 8,
					 PAGE,
					 0x7ffffffff000,
					 0x800000000000,
					 1ull << 63,
					 UINT64_MAX,
					 UINT64_MAX - 7,
					 UINT64_MAX - PAGE + 1 };

	switch (next_random() % 4) {
	case 0:
		return ends[next_random() % (sizeof(ends) / sizeof(ends[0]))];
	case 1:
		return next_random();
	default:
		return (uint64_t)pages + next_random() % (PAGES * PAGE + 64) - 32;
	}
}

/* HotSpot's table, as src/hotspot/share/runtime/vmStructs.cpp has it. */
struct entry {
	const char *type, *field, *type_string;
	int32_t is_static;
	uint64_t offset;
	void *address;
};

static uint64_t heap_root, version_root;
static struct entry table[ENTRIES];
struct entry *gHotSpotVMStructs = table;
uint64_t gHotSpotVMStructEntryArrayStride = sizeof(struct entry);

static void put_heap(uint64_t start, uint64_t words)
{
	uint64_t *heap = (uint64_t *)pages;

	heap[4] = start;
	heap[5] = words;
	heap_root = (uint64_t)heap;
	version_root = (uint64_t) "17\033[31m.0";
	table[0] = (struct entry){ "Universe", "_collectedHeap", "", 1, 0, &heap_root };
	table[1] = (struct entry){ "CollectedHeap", "_reserved", "", 0, 32, NULL };
	table[2] = (struct entry){ "MemRegion", "_start", "", 0, 0, NULL };
	table[3] = (struct entry){ "MemRegion", "_word_size", "", 0, 8, NULL };
	table[4] = (struct entry){ "Abstract_VM_Version", "_s_vm_release", "", 1, 0,
				   &version_root };
}

static void java_whole(void)
{
	put_heap((uint64_t)pages, PAGES * PAGE / 8);
}

static void java_everything(void)
{
	put_heap(0, UINT64_MAX / 8);
}

static void java_wild(void)
{
	put_heap(wild(), wild());
	for (int i = 0; i < 8; i++) {
		uint64_t *word = (uint64_t *)table + next_random() % (5 * 6);

		*word = wild();
	}
}

static void java_endless(void)
{
	for (int i = 0; i < ENTRIES; i++)
		table[i] = (struct entry){ "Universe", "_none", "", 0, 0, NULL };
	if (next_random() % 2)
		gHotSpotVMStructEntryArrayStride = wild();
	if (next_random() % 2)
		gHotSpotVMStructs = (struct entry *)wild();
}

/* musl's records, as src/malloc/mallocng/meta.h has them. */
struct meta {
	uint64_t prev, next, group;
	int32_t avail, freed;
	uint64_t bits;
};

struct area {
	uint64_t check, next;
	int32_t nslots;
	struct meta slots[];
};

static struct {
	uint64_t secret;
	int32_t init_done;
	uint32_t mmap_counter;
	uint64_t free_meta, avail_meta, avail_meta_count, area_count, shift;
	struct area *head, *tail;
} context;

#define AREAS  8
#define GROUPS (PAGES - AREAS)

static struct area *area_at(int i)
{
	return (struct area *)(pages + (size_t)i * PAGE);
}

/* Areas in the first pages, and a group of one page in each of the others. */
static void put_areas(void)
{
	context.secret = next_random();
	context.init_done = 1;
	context.head = area_at(0);
	context.tail = area_at(AREAS - 1);
	for (int i = 0; i < AREAS; i++) {
		struct area *a = area_at(i);

		a->check = context.secret;
		a->next = i + 1 < AREAS ? (uint64_t)area_at(i + 1) : 0;
		a->nslots = GROUPS / AREAS;
		for (int k = 0; k < a->nslots; k++) {
			struct meta *m = &a->slots[k];

			m->group = (uint64_t)pages +
				   (AREAS + (uint64_t)i * GROUPS / AREAS + k) * PAGE;
			m->bits = 1ull << 12;
			*(uint64_t *)m->group = (uint64_t)m;
		}
	}
}

static void musl_whole(void)
{
	put_areas();
}

static void musl_ring(void)
{
	put_areas();
	area_at(AREAS - 1)->next = (uint64_t)area_at(next_random() % AREAS);
}

static void musl_long(void)
{
	put_areas();
	for (int i = 0; i < AREAS; i++)
		for (int k = 0; k < area_at(i)->nslots; k++)
			if (next_random() % 4 == 0)
				area_at(i)->slots[k].bits = next_random();
}

static void musl_wild(void)
{
	put_areas();
	for (int i = 0; i < AREAS; i++) {
		struct area *a = area_at(i);

		if (next_random() % 2)
			a->nslots = (int32_t)next_random();
		for (int k = 0; k < GROUPS / AREAS; k++)
			if (next_random() % 8 == 0)
				a->slots[k].group = wild();
	}
	area_at(next_random() % AREAS)->next = wild();
}

/* No word but 0 and 1, where roots are looked for. */
static void musl_many(void)
{
	uint64_t *word = (uint64_t *)&context;

	for (size_t i = 0; i < sizeof(context) / 8; i++)
		word[i] = i % 3 ? (uint64_t)pages + PAGE * (next_random() % PAGES) : 1;
}

#ifdef GO
__asm__(".pushsection .note.go.buildid,\"a\",@note\n .long 4, 4, 4\n"
	" .asciz \"Go\"\n .byte 0, 1, 2, 3, 4\n .popsection\n");
#endif

/* Go's records, as src/runtime/mheap.go has them. */
#define ARENA  (64ull << 20)
#define TABLE  (32ull << 20)
#define LOWEST (1ull << 47) /* x86-64 */
#define SPANS  64
#define ROOTS  2048

struct span {
	uint64_t next, prev, list, start;
	uint64_t rest[16];
};

static uint64_t *volatile roots[ROOTS]; /* nobody here reads them */
static uint64_t *spans; /* of the arena */

static void *reserve(uint64_t at, size_t len)
{
	void *p = mmap((void *)at, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static void put_arena(void)
{
	static const uint64_t spans_at[] = { 0, (1 << 20) + (16 << 10), 2 << 20 };
	uint8_t *arena = reserve(ARENA * (1000 + next_random() % 100000), ARENA);
	uint64_t *table = reserve(0, TABLE);
	uint8_t *record = reserve(0, 4 << 20);
	struct span *span = (struct span *)pages;

	memset(arena, 1, PAGES * PAGE);
	table[((uint64_t)arena + LOWEST) / ARENA] = (uint64_t)record;
	spans = (uint64_t *)(record + spans_at[next_random() % 3]);
	for (int i = 0; i < SPANS; i++) {
		span[i].start = (uint64_t)arena + i * 8192ull;
		spans[i] = (uint64_t)&span[i];
	}
	roots[next_random() % ROOTS] = table;
}

static void go_whole(void)
{
	put_arena();
}

static void go_wild(void)
{
	put_arena();
	for (int i = 0; i < SPANS; i += 1 + (int)(next_random() % 8))
		*(next_random() % 2 ? &spans[i] : &((struct span *)pages)[i].start) =
			wild();
	for (int i = 0; i < 4; i++)
		roots[next_random() % ROOTS] = (uint64_t *)wild();
}

/* Much that looks like a table, of records that lead to more of that. */
static void go_many(void)
{
	uint8_t *memory = reserve(0, 2 * TABLE);
	uint64_t *word = (uint64_t *)memory;

	for (size_t i = 0; i < 2 * TABLE / 8; i++)
		word[i] = (uint64_t)memory + next_random() % TABLE / 8 * 8;
	for (size_t i = 0; i < ROOTS; i++)
		roots[i] = (uint64_t *)(memory + next_random() % TABLE / PAGE * PAGE);
}

static const struct {
	const char *name;
	void (*build)(void);
} modes[] = {
	{ "java-whole", java_whole }, { "java-everything", java_everything },
	{ "java-wild", java_wild },   { "java-endless", java_endless },
	{ "musl-whole", musl_whole }, { "musl-ring", musl_ring },
	{ "musl-long", musl_long },   { "musl-wild", musl_wild },
	{ "musl-many", musl_many },   { "go-whole", go_whole },
	{ "go-wild", go_wild },	      { "go-many", go_many },
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			puts(modes[i].name);
		return 0;
	}
	seed = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15 + 1;
	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return 1;
	memset(pages, 0x5a, PAGES * PAGE);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, argv[1]))
			modes[i].build();
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
