/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has mapped what: disjoint ranges of addresses, each with an owner and the time
 * at which it came to be. Pure: it knows nothing of system calls.
 */
#ifndef FALLOW_TRACE_SPANS_H
#define FALLOW_TRACE_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More ranges than a process has mappings (vm.max_map_count) by default. */
#define SPANS_MAX (256u << 10)

struct span {
	uint64_t start, end; /* [start, end), not empty */
	uint64_t born; /* ns */
	uint32_t owner;
};

struct spans {
	void *root; /* tsearch(3), by address */
	size_t n;
	/* Told of each change of what an owner has. */
	void (*changed)(void *arg, uint32_t owner, int64_t bytes);
	void *arg;
};

/*
 * [start, end) is @owner's from @born on, whoever had it. False if there are too many
 * ranges, or no memory: it is nobody's then.
 */
bool spans_add(struct spans *s, uint64_t start, uint64_t end, uint64_t born,
	       uint32_t owner);

/*
 * Nobody has [start, end) any more, but for ranges born after @before: those came to
 * an address that had become free.
 */
void spans_remove(struct spans *s, uint64_t start, uint64_t end, uint64_t before);

/*
 * What was owned in [from, from + len), and born until @before, is at @to from @born
 * on, with its owners; what else was there is nobody's. False as spans_add().
 */
bool spans_move(struct spans *s, uint64_t from, uint64_t to, uint64_t len,
		uint64_t before, uint64_t born);

/* The range that @addr is in, or NULL; valid until the next change. */
const struct span *spans_find(const struct spans *s, uint64_t addr);

/* All ranges in order of address: an array to be freed, or NULL. */
struct span *spans_list(const struct spans *s);

void spans_free(struct spans *s);

#endif
