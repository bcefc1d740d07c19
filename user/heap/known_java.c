// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HotSpot, the JVM of OpenJDK: its library exports a table of its own structures, for
 * debuggers (src/hotspot/share/runtime/vmStructs.cpp), by which the Java heap is found.
 */
#include <stdio.h>
#include <string.h>

#include "heap/known.h"

/* VMStructEntry, in strides that the library exports as well. */
struct entry {
	uint64_t type, field, type_string; /* strings */
	uint32_t is_static;
	uint64_t offset; /* of what is not static */
	uint64_t address; /* of what is */
};

#define ENTRIES_MAX  16384
#define NAME_MAX_LEN 32

static bool string_is(struct elf *x, uint64_t addr, const char *want)
{
	size_t len = strlen(want) + 1;
	char found[NAME_MAX_LEN];

	return len <= sizeof(found) && elf_read(x, addr - x->bias, found, len) &&
	       !memcmp(found, want, len);
}

/* The value of an exported variable. */
static bool exported(struct search *s, struct elf *x, const char *symbol, uint64_t *value)
{
	uint64_t vaddr;

	return elf_exports(x, symbol, &vaddr) &&
	       search_read(s, x->bias + vaddr, value, sizeof(*value));
}

static bool find_field(struct search *s, struct elf *x, const char *type,
		       const char *field, struct entry *e)
{
	uint64_t at, stride;

	if (!exported(s, x, "gHotSpotVMStructs", &at) ||
	    !exported(s, x, "gHotSpotVMStructEntryArrayStride", &stride) ||
	    stride != sizeof(*e))
		return false;
	for (size_t i = 0; i < ENTRIES_MAX; i++, at += stride) {
		if (!search_read(s, at, e, sizeof(*e)) || !e->type)
			return false;
		if (string_is(x, e->type, type) && string_is(x, e->field, field))
			return true;
	}
	return false;
}

static void find_version(struct search *s, struct elf *x, struct found *f)
{
	uint64_t text;
	struct entry e;

	if (!find_field(s, x, "Abstract_VM_Version", "_s_vm_release", &e) ||
	    !search_read(s, e.address, &text, sizeof(text)))
		return;
	for (size_t i = 0; i + 1 < sizeof(f->version); i++) {
		f->version[i + 1] = '\0';
		if (!elf_read(x, text - x->bias + i, &f->version[i], 1) || !f->version[i])
			break;
	}
}

/* Not of ZGC, which has its heap at several places, and none here. */
static void find_heap(struct search *s, struct elf *x, struct found *f)
{
	struct entry root, reserved, start, words;
	uint64_t heap, from, n;

	if (!find_field(s, x, "Universe", "_collectedHeap", &root) ||
	    !find_field(s, x, "CollectedHeap", "_reserved", &reserved) ||
	    !find_field(s, x, "MemRegion", "_start", &start) ||
	    !find_field(s, x, "MemRegion", "_word_size", &words) ||
	    !search_read(s, root.address, &heap, sizeof(heap)) ||
	    !search_read(s, heap + reserved.offset + start.offset, &from, sizeof(from)) ||
	    !search_read(s, heap + reserved.offset + words.offset, &n, sizeof(n)))
		return;
	if (n <= (UINT64_MAX - from) / 8)
		found_span(s, f, from, from + 8 * n);
}

bool known_java(struct search *s, struct elf *x, struct found *f)
{
	if (!f->nspans)
		find_heap(s, x, f);
	find_version(s, x, f);
	return true;
}
