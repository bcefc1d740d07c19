// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Maps, unmaps, moves, grows and shrinks at random, in a range of pages, by one of four
 * functions, and keeps account of which of them has which page. Says "ready", waits for
 * a line, works, and says so: a line a function, its name and bytes, then "done".
 * Lives until its input ends.
 *
 *   remap SEED STEPS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES  256
#define OWNERS 4

#define apart __attribute__((noinline, noclone))

static char *range;
static size_t page;
static int owner[PAGES]; /* from 1 on; 0: mapped by nobody since the begin, or not at all */
static volatile int sink;

static void set_owner(size_t at, size_t pages, int who)
{
	for (size_t i = at; i < at + pages; i++)
		owner[i] = who;
}

static inline __attribute__((always_inline)) void map(int who, size_t at, size_t pages)
{
	if (mmap(range + at * page, pages * page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
	set_owner(at, pages, who);
	sink++;
}

/*
 * A move that fails, as it does over a hole, may have unmapped what was in its way
 * before (Linux until 6.16).
 */
static apart void look(void)
{
	unsigned char present;

	for (size_t i = 0; i < PAGES; i++)
		if (mincore(range + i * page, page, &present))
			owner[i] = 0;
}

/* To a place that does not overlap, or where it is. */
static inline __attribute__((always_inline)) void
move(int who, size_t at, size_t pages, size_t to, size_t now)
{
	int was[PAGES];
	void *place = to == at ? mremap(range + at * page, pages * page, now * page, 0)
			       : mremap(range + at * page, pages * page, now * page,
					MREMAP_MAYMOVE | MREMAP_FIXED, range + to * page);

	sink++;
	if (place == MAP_FAILED) {
		look();
		return;
	}
	memcpy(was, owner, sizeof(was));
	set_owner(at, pages, 0);
	for (size_t i = 0; i < now; i++)
		owner[to + i] = i < pages ? was[at + i] : who;
}

#define OWNER(NAME, WHO)                                                                 \
	static apart void NAME(int what, size_t at, size_t pages, size_t to, size_t now) \
	{                                                                                \
		if (what)                                                                \
			move(WHO, at, pages, to, now);                                   \
		else                                                                     \
			map(WHO, at, pages);                                             \
	}

OWNER(first, 1)
OWNER(second, 2)
OWNER(third, 3)
OWNER(fourth, 4)

static void (*const by[OWNERS])(int, size_t, size_t, size_t, size_t) = { first, second, third,
									 fourth };
static const char *const names[OWNERS] = { "first", "second", "third", "fourth" };

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

static void step(void)
{
	size_t at = below(PAGES), pages = 1 + below(16), now = 1 + below(16);
	size_t to = below(PAGES);
	int who = (int)below(OWNERS);

	if (at + pages > PAGES || to + now > PAGES)
		return;
	switch (below(4)) {
	case 0:
		munmap(range + at * page, pages * page);
		set_owner(at, pages, 0);
		break;
	case 1:
		if (to + now <= at || at + pages <= to)
			by[who](1, at, pages, to, now);
		break;
	case 2:
		if (at + now <= PAGES)
			by[who](1, at, pages, at, now);
		break;
	default:
		by[who](0, at, pages, 0, 0);
	}
}

static void wait_line(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

int main(int argc, char **argv)
{
	size_t bytes[OWNERS + 1] = { 0 };

	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	srand((unsigned int)atoi(argv[1]));
	page = (size_t)sysconf(_SC_PAGESIZE);
	range = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (range == MAP_FAILED)
		abort();
	puts("ready");
	wait_line();
	for (int i = 0; i < atoi(argv[2]); i++) {
		step();
		/* Whoever follows has time to. */
		if (i % 50 == 0)
			usleep(5000);
	}
	for (size_t i = 0; i < PAGES; i++)
		bytes[owner[i]] += page;
	for (int i = 0; i < OWNERS; i++)
		printf("%s %zu\n", names[i], bytes[i + 1]);
	puts("done");
	wait_line();
	return 0;
}
