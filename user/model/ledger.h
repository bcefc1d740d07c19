/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger: every resident page of a process in exactly one class, so that
 * the lines add up to its RSS.
 */
#ifndef FALLOW_LEDGER_H
#define FALLOW_LEDGER_H

#include <stdint.h>

#include "target/vma.h"

enum ledger_class {
	LEDGER_HEAP_USED, /* at least one byte is in a block that the application holds */
	LEDGER_HEAP_RETURNABLE, /* fallow: the allocator's purge returns it */
	LEDGER_HEAP_HELD, /* fallow: the purge does not */
	LEDGER_HEAP_METADATA, /* the allocator's own */
	LEDGER_HEAP_UNREAD, /* in a heap, but not decoded */
	LEDGER_ANON_OTHER, /* anonymous, claimed by no known allocator */
	LEDGER_STACK_LIVE, /* at and above a thread's stack pointer */
	LEDGER_STACK_DEAD, /* below it */
	LEDGER_FILE_CLEAN,
	LEDGER_FILE_DIRTY,
	LEDGER_SHMEM,
	LEDGER_CLASSES
};

/* In bytes; UNKNOWN where no source could tell. */
struct ledger_line {
	uint64_t resident;
	uint64_t swapped;
	uint64_t idle; /* not accessed for as long as was asked; of known age */
	uint64_t idle_unknown; /* resident, of unknown age */
	uint64_t pinned;
	uint64_t huge; /* mapped by huge page-table entries */
	uint64_t zero; /* maps the zero page, which is not in resident */
};

/* "heap.used", and what it means in half a line. */
const char *ledger_name(enum ledger_class c);
const char *ledger_meaning(enum ledger_class c);

/* a + b, UNKNOWN if either is. */
static inline uint64_t count_add(uint64_t a, uint64_t b)
{
	return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : a + b;
}

#endif
