/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of a process that its RSS does not count, and its control group's. */
#ifndef FALLOW_BESIDE_H
#define FALLOW_BESIDE_H

#include "target/cgroup.h"
#include "target/held.h"

struct beside {
	bool known; /* else nothing was looked for */
	uint64_t page_tables; /* VmPTE: of all levels */
	uint64_t hugetlb; /* HugetlbPages: mapped */
	struct held held; /* quick looks do not look for it */
	struct cgroup_memory cgroup;
};

/* @l: the mappings of @t with their counts; NULL: not what it holds. 0 or -errno. */
int beside_read(struct beside *b, const struct target *t, const struct vma_list *l);

/* What of it has a size that is known, in bytes. */
uint64_t beside_sum(const struct beside *b);

#endif
