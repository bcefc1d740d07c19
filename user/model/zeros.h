/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small pages of zeros within huge pages: what a sparse touch made resident. */
#ifndef FALLOW_ZEROS_H
#define FALLOW_ZEROS_H

#include "error.h"
#include "target/target.h"
#include "target/vma.h"

/*
 * Bytes of resident small pages that hold nothing but zeros, in mappings of which
 * most is in anonymous huge pages, as far as those reach. Reads them all. -1 with @e
 * set if the target is gone.
 */
int zeros_count(struct target *t, const struct vma_list *l, uint64_t *bytes,
		struct error *e);

#endif
