/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where allocators have their roots: the writable data of the program and of its
 * libraries, which is looked through without symbols.
 */
#ifndef FALLOW_DATA_H
#define FALLOW_DATA_H

#include "heap/heap.h"

struct data_scan {
	/*
	 * @len bytes that are at @addr, absent pages as zeros. Windows overlap by a page,
	 * so that what is smaller lies in one of them whole. Not 0: enough.
	 */
	int (*window)(struct data_scan *s, uint64_t addr, const uint8_t *buf, size_t len);
	/* Set by window(), if there was something in it though that was not enough. */
	bool useful;
};

/*
 * Shows all data that is resident; or, if that was done before, what was of use then: see
 * recall.h. 0, the window's answer, or -errno.
 */
int data_scan(const struct heap_source *src, struct data_scan *s);

/*
 * Whether VMA @i is the writable data of a mapped file, or the anonymous rest of its
 * .bss, which may be VMAs of their own.
 */
bool heap_is_data(const struct vma_list *l, size_t i);

#endif
