// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/shmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void add_dev(struct shmem_devs *s, dev_t dev)
{
	if (s->n < TMPFS_MAX)
		s->dev[s->n++] = dev;
}

/*
 * memfd, SysV and shared anonymous memory live on the kernel's own tmpfs, which
 * is mounted nowhere: a memfd of ours shows its number.
 */
static void add_internal_tmpfs(struct shmem_devs *s)
{
	int fd = memfd_create("fallow", MFD_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st))
		add_dev(s, st.st_dev);
	close(fd);
}

/* Lines "ID PARENT MAJ:MIN … - TYPE SOURCE OPTIONS" (proc(5)). */
void shmem_devs_read(const struct target *t, struct shmem_devs *s)
{
	char *text = target_slurp(t, "mountinfo", NULL);
	char *save, *line;

	s->n = 0;
	add_internal_tmpfs(s);
	if (!text)
		return;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *type = strstr(line, " - ");
		unsigned int maj, min;

		if (type &&
		    (!strncmp(type + 3, "tmpfs ", 6) ||
		     !strncmp(type + 3, "devtmpfs ", 9)) &&
		    sscanf(line, "%*d %*d %u:%u", &maj, &min) == 2)
			add_dev(s, makedev(maj, min));
	}
	free(text);
}

bool shmem_devs_have(const struct shmem_devs *s, dev_t dev)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->dev[i] == dev)
			return true;
	return false;
}
