/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A byte for each page of an address space, in chunks of a PMD's worth, which
 * exist where something is mapped.
 *
 * Bytes are written under the lock of the page's table; the map is read under RCU.
 */
#ifndef FALLOW_AGE_MAP_H
#define FALLOW_AGE_MAP_H

#include <linux/types.h>
#include <linux/xarray.h>

struct fallow_age_map {
	struct xarray chunks;	/* by address >> PMD_SHIFT */
};

/* Memory of all maps; from the module's parameter. */
u64 fallow_age_map_bytes(void);
u64 fallow_age_map_max_bytes(void);

/* Once, before and after all maps. */
int fallow_age_map_setup(void);
void fallow_age_map_teardown(void);

void fallow_age_map_init(struct fallow_age_map *m);
void fallow_age_map_destroy(struct fallow_age_map *m);

/* Makes the chunk of @addr if it is not there; may sleep. -ENOMEM: it cannot be. */
int fallow_age_map_populate(struct fallow_age_map *m, unsigned long addr);

/* The byte of @addr, and with it those to the end of the PMD; under RCU. NULL: none. */
u8 *fallow_age_map_at(struct fallow_age_map *m, unsigned long addr);

/* Zeroes the bytes of [start, end); frees chunks that are all in it. Does not sleep. */
void fallow_age_map_clear(struct fallow_age_map *m, unsigned long start, unsigned long end);

/* Zeroes the bytes of [start, end), and frees nothing. Does not sleep. */
void fallow_age_map_forget(struct fallow_age_map *m, unsigned long start, unsigned long end);

#endif
