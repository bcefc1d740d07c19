// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/beside.h"

int beside_read(struct beside *b, const struct target *t, const struct vma_list *l)
{
	b->page_tables = target_status(t, "VmPTE");
	b->hugetlb = target_status(t, "HugetlbPages");
	cgroup_read(t, &b->cgroup);
	b->known = true;
	return l ? held_read(t, l, &b->held) : 0;
}

static uint64_t known(uint64_t bytes)
{
	return bytes == UNKNOWN ? 0 : bytes;
}

uint64_t beside_sum(const struct beside *b)
{
	const struct held *h = &b->held;

	if (!b->known)
		return 0;
	return known(b->page_tables) + known(b->hugetlb) + h->sockets.bytes + h->files +
	       h->buffers_unmapped + h->maps + h->dmabufs;
}
