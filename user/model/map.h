/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address space of a process as a row of cells of equal size: what is resident in
 * each, by class and by age. Mappings of which nothing is resident are left out.
 */
#ifndef FALLOW_MAP_H
#define FALLOW_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"
#include "pages/runs.h"
#include "target/vma.h"

#define MAP_CELLS 4096

/* In bytes, all resident. */
struct map_cell {
	uint64_t resident[LEDGER_CLASSES];
	uint64_t idle; /* not accessed for as long as was asked */
	uint64_t idle_unknown; /* of unknown age */
};

struct map_part {
	uint64_t start; /* of a mapping */
	uint64_t at; /* bytes of those before it */
};

struct map {
	uint64_t cell; /* bytes of address space in a cell */
	struct map_part *parts; /* by address */
	size_t *part_of; /* by index of the VMA; SIZE_MAX: left out */
	size_t nparts;
	struct map_cell *cells;
	size_t ncells; /* at most MAP_CELLS */
};

/* An empty map of @vmas, to be freed; NULL when out of memory. */
struct map *map_new(const struct vma_list *vmas, uint64_t page);
void map_free(struct map *m);

/* Adds the resident pages of @run, which lie in the VMA of index @vma. */
void map_add(struct map *m, size_t vma, enum ledger_class c, const struct page_run *run);

/* The sum of @n cells from the one of index @first on. */
struct map_cell map_sum(const struct map *m, size_t first, size_t n);

/* The address at which a cell begins. */
uint64_t map_address(const struct map *m, size_t cell);

#endif
