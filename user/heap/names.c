// SPDX-License-Identifier: GPL-2.0-or-later
#include "heap/heap.h"

const char *arena_name(enum arena_kind k)
{
	static const char *const names[] = { "main", "thread", "mmapped", "pools",
					     "arena" };

	return names[k];
}

const char *heap_status_name(enum heap_status s)
{
	static const char *const names[] = { "exact", "partial", "unsupported" };

	return names[s];
}
