/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process_vm_readv(): reads that mark pages as referenced. It would fault in
 * what is not resident: whoever calls it has asked pagemap before. And it pins what
 * it reads, for which the kernel gives the target a copy of what that shares with
 * a child (Linux 5.19: gup_must_unshare()): such pages are read from /proc/PID/mem,
 * more slowly.
 */
#ifndef FALLOW_READER_READV_H
#define FALLOW_READER_READV_H

#include "target/reader.h"

/* Copies what can be read from @addr on: how many bytes, or -ESRCH, -EPERM. */
ssize_t readv_copy(pid_t pid, uint64_t addr, void *buf, size_t len);

/* The same from /proc/PID/mem. */
ssize_t mem_copy(struct reader *r, uint64_t addr, void *buf, size_t len);

/* As reader_gather(); asks pagemap itself. */
int readv_gather(struct reader *r, const uint64_t *addr, size_t n, size_t len, char *buf,
		 uint8_t *ok);

#endif
