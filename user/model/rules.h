/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the rules of verdict.c: what they look at, and how they speak. Each looks
 * at the facts of one snapshot, or of two, and speaks with its evidence or stays silent.
 */
#ifndef FALLOW_RULES_H
#define FALLOW_RULES_H

#include "model/growth.h"
#include "model/mappers.h"
#include "model/verdict.h"

#define MIB (1ull << 20)

/* A rise of what is live by less than so many times what was torn may be that. */
#define TORN_DOUBT   4
#define TORN_CERTAIN 32 /* by more than so many, it is not */

/* What is worth a verdict: a tenth of RSS, and more than rounding. */
#define FLOOR_BYTES (8 * MIB)
#define FLOOR_SHARE 10
/* Growth between two looks that is more than churn. */
#define GROWTH_FLOOR GROWTH_LEAST
/* Two looks closer than this tell a direction, not a trend. */
#define TREND_NS (30 * 1000000000ull)

/* Totals that the rules share. */
struct facts {
	const struct snapshot *now, *before; /* before: NULL with one look */
	const struct growth *growth; /* NULL: no looks between those two */
	struct heap_totals all; /* of every decoded heap */
	struct heap_totals
		replaceable; /* of those that another allocator does better than */
	struct heap_totals thread; /* of glibc's non-main arenas alone */
	uint64_t trimmed; /* what a purge of the heaps with such arenas returns */
	uint64_t cached; /* bytes that thread caches hold */
	size_t arenas; /* of the kind that threads share */
	int64_t live_change, fallow_change, rss_change, pinned_change;
	int64_t change[LEDGER_CLASSES]; /* of resident */
	int64_t rise[SERIES]; /* of that, what is growth, by the looks between */
	uint64_t unsure; /* bytes that quick looks may wrongly have as live, of either */
	uint64_t unseen; /* of now: of pages that may be free, though told as used */
	uint64_t mixed; /* of now: of what is told as stranded, what may be pages */
	uint64_t torn; /* bytes of either look that were not decoded, for they changed */
	uint64_t moved; /* bytes of either look that came or went while pages were read */
	uint64_t interval_ns; /* 0: no earlier look */
};

void facts_collect(struct facts *f, const struct snapshot *now,
		   const struct snapshot *before, const struct growth *growth);

/* A setting of a heap; 0 if it has none of that name. */
uint64_t setting_of(const struct heap *h, const char *name);
/* Bytes that a heap's thread caches hold. */
uint64_t cached_of(const struct heap *h);
/* Whole free pages. */
uint64_t fallow_of(const struct snapshot *s);

static inline bool significant(const struct facts *f, uint64_t bytes)
{
	return bytes >= FLOOR_BYTES && bytes >= f->now->rss / FLOOR_SHARE;
}

/* How a series went on; NULL where too few looks tell. */
const struct trend *trend_of(const struct facts *f, enum series_id id);
/* Whether it grew, by most of what RSS gained. @doubt: of either look, in bytes. */
bool is_growth(const struct facts *f, enum series_id id, uint64_t doubt);
/* What that is worth, for the number of looks, how they agree, and their time. */
enum confidence growth_confidence(const struct facts *f, enum series_id id);
/* The most that two looks may differ by, for heaps changed while they were read. */
uint64_t torn_of(const struct facts *f);
/* Of what is live: also for what is not known of the heaps, or changed meanwhile. */
enum confidence live_confidence(const struct facts *f);
double per_minute(const struct facts *f, enum series_id id); /* MiB */

/* How much less there is of something; 0 if it is not known. */
uint64_t fall_of(uint64_t before, uint64_t now);
/* What came back from swap between the looks: resident again, though there is no more of it. */
uint64_t swapped_in(const struct facts *f, enum ledger_class c);

#define VERDICT_BIT(id) (1u << (id))

bool has_verdict(const struct verdicts *all, enum verdict_id id);
/* Whether a verdict names the cause of what another, of @bytes, would say of them, too. */
bool explains_verdict(const struct verdict *v, enum verdict_id id, uint64_t bytes);
/* Whether one that does was spoken already. */
bool is_explained(const struct verdicts *all, enum verdict_id id, uint64_t bytes);
struct verdict *speak(struct verdicts *out, enum verdict_id id, enum confidence c,
		      uint64_t bytes);
void evidence(struct verdict *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* @bytes: what it would give back, UNKNOWN if that cannot be told in advance. */
void advise(struct verdict *v, uint64_t bytes, bool at_most, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void show_change(const struct facts *f, struct verdict *v);
/* The same with what the looks between tell, where there are any. */
void show_growth(const struct facts *f, struct verdict *v);
void show_split(const struct facts *f, struct verdict *v);
/* Which functions mapped what became more, if that was traced. */
void show_mappers(const struct facts *f, enum mapped_kind kind, struct verdict *v);
/* In which mappings the memory is that no allocator claims. */
void show_places(const struct facts *f, struct verdict *v);
/* What may have memory that no allocator claims, and what makes it keep less. */
void show_keepers(const struct facts *f, struct verdict *v);
/* What io_uring is known to pin. True if it is something. */
bool show_uring(const struct facts *f, struct verdict *v);

/* rules_heap.c: what allocators keep. */
void rules_heap(const struct facts *f, struct verdicts *out);
/* rules_pages.c: memory by what kind of pages it is. */
void rules_pages(const struct facts *f, struct verdicts *out);
/* rules_idle.c: what was not accessed; of what a purge would return, as evidence. */
void rule_cold(const struct facts *f, struct verdicts *out);
void show_idle(const struct facts *f, struct verdict *v);
/* rules_beside.c: memory that RSS does not count. */
void rules_beside(const struct facts *f, struct verdicts *out);
/* rules_growth.c: what became more between two looks. */
void rules_growth(const struct facts *f, struct verdicts *out);
/* rules_unexplained.c: growth of which no other rule speaks; after those. */
void rule_unexplained(const struct facts *f, struct verdicts *out);

#endif
