/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocators, runtimes and builds that are recognised and not decoded, so that nobody takes
 * their memory for that of nobody. A mark is certain: what a file exports or is made of,
 * what a mapping is called by the process itself, or records that agree.
 */
#ifndef FALLOW_KNOWN_H
#define FALLOW_KNOWN_H

#include "heap/elf.h"
#include "heap/heap.h"

#define KNOWN_SYMBOLS 3

/* What was found out of one of them. */
struct found {
	bool there;
	char version[64];
	/* Where it surely has its memory, besides what is named; any order. */
	struct span *spans;
	size_t nspans, cap;
};

struct span {
	uint64_t start, end;
};

struct search {
	const struct heap_source *src;
	struct peek peek;
	uint64_t spans_max; /* for all that can be in resident memory */
	int err; /* -errno, sticky */
};

struct known {
	struct heap_ops ops; /* name, walk, free */
	/* An object that exports one of these has it within. */
	const char *symbols[KNOWN_SYMBOLS];
	/* Or is called so, if it exports nothing of its own. */
	const char *soname;
	/* What it calls its mappings begins so (PR_SET_VMA_ANON_NAME). */
	const char *names;
	const char *reason; /* what is not known, and why */
	bool decoded; /* builds of it are: told of where no decoder found its heap */
	/*
	 * Looks at an object that has one of the symbols; without symbols, at each. May
	 * fill the version and the spans. False: it is not in this object.
	 */
	bool (*look)(struct search *s, struct elf *x, struct found *f);
};

extern const struct known known_heaps[];
extern const size_t known_count;

/* [start, end) is its. */
void found_span(struct search *s, struct found *f, uint64_t start, uint64_t end);

/* Copies what is resident at @addr of the target. */
bool search_read(struct search *s, uint64_t addr, void *buf, size_t len);

/* Of which @i is the VMA: whether [anon:NAME…] of it begins with @prefix. */
bool known_named(const struct vma *v, const char *prefix);

bool known_go(struct search *s, struct elf *x, struct found *f);
bool known_java(struct search *s, struct elf *x, struct found *f);
bool known_musl(struct search *s, struct elf *x, struct found *f);

/*
 * Appends a heap that is HEAP_UNSUPPORTED for each that is there, and is not among the
 * *@n of @heaps yet, to these: at most known_count of them. 0, or -1 with @e set.
 */
int known_detect(const struct heap_source *src, struct heap **heaps, size_t *n,
		 struct error *e);

#endif
