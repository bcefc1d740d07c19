/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flushing a process's TLB entries. A translation that stays in a TLB sets no
 * accessed bit again, so that without this the hottest pages would look idle.
 */
#ifndef FALLOW_TLB_H
#define FALLOW_TLB_H

#include <linux/mm_types.h>

/* Whether this machine and kernel let a module do it. */
bool fallow_tlb_can_flush(void);

/* After this, whoever uses @mm looks at its page tables again. May sleep. */
void fallow_tlb_flush(struct mm_struct *mm);

#endif
