/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module's device (<linux/fallow.h>): reads that leave no trace. What is
 * not resident is not read; accessed bits, flags and LRU lists stay as they are.
 */
#ifndef FALLOW_READER_DEVICE_H
#define FALLOW_READER_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A descriptor that reads process @pid, or -errno: no module, no permission. */
int device_open(pid_t pid);

/*
 * Copies [addr, addr + len) up to the first page that is not resident, or is
 * not for others to read. Returns how many bytes that were, -ESRCH or -EPERM.
 */
ssize_t device_copy(int fd, uint64_t addr, void *buf, size_t len);

/* As reader_gather(). */
int device_gather(int fd, const uint64_t *addr, size_t n, size_t len, char *buf,
		  uint8_t *ok);

#endif
