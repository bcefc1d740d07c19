/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record: what is kept of one look at a process, and what looks are compared by. It
 * comes from a look, or from a file that somebody hands in; both give the same, to the
 * bit, and hold to the same rules:
 *
 * - a count is at most RECORD_MAX, or UNKNOWN where that is allowed, so that sums and
 *   differences fit in 64 bits;
 * - rss is the sum of the classes, and of the regions; the allocators have at most that,
 *   and each of them, of what is known, the sum of its arenas;
 * - regions are in order of their start.
 */
#ifndef FALLOW_RECORD_H
#define FALLOW_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "error.h"
#include "model/ledger.h"
#include "model/snapshot.h"

#define RECORD_MAX	((uint64_t)1 << 56) /* of a user's addresses there are no more */
#define RECORD_TIME_END 7258118400 /* the year 2200: differences in nanoseconds fit */
#define RECORD_HEAPS	64
#define RECORD_SETTINGS 256
#define RECORD_WARNINGS 64

/* Of a heap or an arena, in bytes. */
enum record_count {
	RECORD_RESIDENT, /* never UNKNOWN */
	RECORD_LIVE,
	RECORD_FREE,
	RECORD_STRANDED,
	RECORD_RETURNABLE,
	RECORD_FALLOW,
	RECORD_COUNTS
};

struct record_arena {
	char *kind; /* as arena_name() */
	uint64_t address; /* 0: none */
	uint64_t count[RECORD_COUNTS];
};

struct record_setting {
	char *name;
	int64_t value;
	bool is_bytes;
};

struct record_heap {
	char *name, *version;
	enum heap_status status;
	char *reason; /* "" for none */
	bool quick; /* see struct heap */
	uint64_t count[RECORD_COUNTS];
	struct record_setting *settings;
	size_t nsettings;
	struct record_arena *arenas;
	size_t narenas;
};

struct record_region {
	uint64_t start, end; /* [start, end) */
	uint64_t offset, inode;
	char perms[5];
	char *dev, *name, *owner; /* "08:01"; "" for none */
	uint64_t resident; /* by the ledger's classes */
	uint64_t swapped; /* may be UNKNOWN */
};

struct record {
	struct timespec time; /* to the millisecond */
	uint64_t uptime_ns; /* UNKNOWN in files of old */
	char boot_id[BOOT_ID_TEXT]; /* "" for unknown */
	char *host, *kernel, *source;
	pid_t pid;
	uint64_t starttime; /* clock ticks after boot */
	char *comm;
	uint64_t rss, swap;
	uint64_t resident[LEDGER_CLASSES], swapped[LEDGER_CLASSES];
	struct record_heap *heaps;
	size_t nheaps;
	struct record_region *regions;
	size_t nregions;
	uint64_t torn;
	char **warnings;
	size_t nwarnings;
};

/* The record of a look. On failure @e says why, and @r needs no freeing. */
int record_take(struct record *r, const struct snapshot *s, struct error *e);

/*
 * Parses the @len bytes at @text, which nobody vouches for, as a snapshot in JSON; @name
 * is what to call them in an error. Otherwise as record_take().
 */
int record_parse(struct record *r, const char *text, size_t len, const char *name,
		 struct error *e);

/*
 * Opens what a user names as a record: see store/stored.h for what that can be. As
 * record_parse().
 */
int record_open(struct record *r, const char *where, struct error *e);

void record_free(struct record *r);

/* Puts what came in any order into the record's. */
void record_sort(struct record *r);

#endif
