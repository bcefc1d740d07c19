/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the source that reads /proc; for pages/procfs*.c alone. */
#ifndef FALLOW_PROCFS_H
#define FALLOW_PROCFS_H

#include "pages/pages.h"

struct procfs;

/* NULL when out of memory. */
struct procfs *procfs_stream_new(void);
void procfs_stream_free(struct procfs *s);

/* RUN_* bits that are told on this kernel. */
uint32_t procfs_stream_known(const struct procfs *s);

int procfs_begin(struct pages *p, struct target *t, struct vma_list *vmas, uint64_t start,
		 uint64_t end, struct error *e);
int procfs_next(struct pages *p, struct page_run *run, struct error *e);

#endif
