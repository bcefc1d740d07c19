/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files are shared memory: those on tmpfs, memfd and SysV among them. */
#ifndef FALLOW_SHMEM_H
#define FALLOW_SHMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "target/target.h"

#define TMPFS_MAX 64 /* tmpfs mounts that are told apart from disk files */

/* Devices whose files are shmem. */
struct shmem_devs {
	dev_t dev[TMPFS_MAX];
	size_t n;
};

/* Those that @t sees mounted, and the kernel's own. */
void shmem_devs_read(const struct target *t, struct shmem_devs *s);

bool shmem_devs_have(const struct shmem_devs *s, dev_t dev);

#endif
