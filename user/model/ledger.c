// SPDX-License-Identifier: GPL-2.0-or-later
/* The names of the ledger's classes. */
#include "model/ledger.h"

static const struct {
	const char *name, *meaning;
} classes[LEDGER_CLASSES] = {
	[LEDGER_HEAP_USED] = { "heap.used",
			       "pages with a block that the application holds" },
	[LEDGER_HEAP_RETURNABLE] = { "heap.returnable", "free pages that the allocator "
							"would return if asked" },
	[LEDGER_HEAP_HELD] = { "heap.held", "free pages that it would keep even then" },
	[LEDGER_HEAP_METADATA] = { "heap.metadata", "the allocator's own records" },
	[LEDGER_HEAP_UNREAD] = { "heap.unread", "in a heap, but not decoded" },
	[LEDGER_ANON_OTHER] = { "anon.other",
				"anonymous, claimed by no known allocator" },
	[LEDGER_STACK_LIVE] = { "stack.live", "above the stack pointers" },
	[LEDGER_STACK_DEAD] = { "stack.dead", "below the stack pointers" },
	[LEDGER_FILE_CLEAN] = { "file.clean", "page cache, clean" },
	[LEDGER_FILE_DIRTY] = { "file.dirty", "page cache, to be written back" },
	[LEDGER_SHMEM] = { "shmem", "shared memory and tmpfs" },
};

const char *ledger_name(enum ledger_class c)
{
	return classes[c].name;
}

const char *ledger_meaning(enum ledger_class c)
{
	return classes[c].meaning;
}
