/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From calls, in the order in which they ended, to what each stack has mapped, and to
 * what of that is mapped still.
 */
#ifndef FALLOW_TRACE_ACCOUNT_H
#define FALLOW_TRACE_ACCOUNT_H

#include "target/vma.h"
#include "trace/call.h"
#include "trace/spans.h"
#include "trace/stacks.h"

/* Ranges that are known to have been mapped; they may overlap. */
struct known {
	struct span *range;
	size_t n, cap; /* cap 0: nothing is kept */
};

void known_add(struct known *k, uint64_t start, uint64_t end);
void known_free(struct known *k);

struct account {
	struct stacks *stacks;
	struct spans spans;
	struct known known;
	uint64_t page_size, huge_size; /* bytes; of pages of MAP_HUGETLB by default */
	uint64_t brk; /* end of the heap, page aligned; 0: not known yet */
	uint64_t calls, mapped, unmapped; /* sums over stacks */
	uint64_t unplaced; /* bytes mapped that there was no room to follow */
	uint64_t unsized; /* calls of shmat(2) of which the size could not be seen */
	uint64_t corrected, unseen; /* account_settle() */
};

void account_open(struct account *a, struct stacks *stacks, uint64_t page_size);
void account_close(struct account *a);

/* @stack made the call. Of shmat(2), the size is in arg[1]: 0 if unknown. */
void account_call(struct account *a, const struct call *c, uint32_t stack);

/* From now on, all that is or becomes mapped is kept in a->known, and what @then has. */
void account_keep(struct account *a, const struct vma_list *then);

/*
 * With what is mapped at the end, @now, looked at after account_keep(). What is mapped
 * no more, and was before @looked, is taken away from its stack, and counted in
 * a->corrected; what is mapped, and not known, in a->unseen.
 */
void account_settle(struct account *a, const struct vma_list *now, uint64_t looked);

#endif
