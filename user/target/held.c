// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/held.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "target/shmem.h"
#include "target/uring.h"

#define FDS_MAX ((size_t)1 << 18) /* that are looked at */

#define BLOCK 512 /* stat(2): st_blocks */

/* A file that is open, maybe several times. */
struct file_id {
	dev_t dev;
	ino_t ino;
	uint64_t bytes; /* that it has, on swap or not */
};

struct reading {
	const struct target *t;
	const struct vma_list *vmas;
	struct held *h;
	struct shmem_devs shmem;
	struct file_id *files;
	size_t nfiles, files_cap;
	uint64_t *sockets; /* inodes */
	size_t nsockets, sockets_cap;
};

/* Makes room for one more of @size bytes; false when out of memory. */
static bool grow(void **array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? 2 * *cap : 64;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*cap = more;
	return true;
}

static int add_socket(struct reading *r, uint64_t inode)
{
	if (!grow((void **)&r->sockets, r->nsockets, &r->sockets_cap,
		  sizeof(*r->sockets)))
		return -ENOMEM;
	r->sockets[r->nsockets++] = inode;
	return 0;
}

/* The line "KEY:\tNUMBER" of a descriptor's fdinfo; 0 if there is none. */
static uint64_t info_number(const char *info, const char *key)
{
	const char *line = info ? strstr(info, key) : NULL;

	return line ? strtoull(line + strlen(key), NULL, 0) : 0;
}

static char *read_info(const struct reading *r, const char *fd)
{
	char path[300];

	snprintf(path, sizeof(path), "fdinfo/%s", fd);
	return target_slurp(r->t, path, NULL);
}

/* How much of [start, end) is mapped by nothing. */
static uint64_t unmapped(const struct vma_list *l, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	while (start < end) {
		const struct vma *v = vma_at_or_below(l, start);
		size_t next = v ? (size_t)(v - l->v) + 1 : 0;
		uint64_t gap;

		if (v && start < v->end) {
			start = v->end;
			continue;
		}
		gap = next < l->n && l->v[next].start < end ? l->v[next].start : end;
		sum += gap - start;
		start = gap;
	}
	return sum;
}

static int read_rings(struct reading *r)
{
	struct uring_buffers u;
	int err = uring_buffers_read(r->t, &u);

	if (err)
		return err;
	r->h->buffers = u.bytes;
	r->h->cut |= u.partial;
	for (size_t i = 0; i < u.n; i++)
		r->h->buffers_unmapped +=
			unmapped(r->vmas, u.buffer[i].start, u.buffer[i].end);
	uring_buffers_free(&u);
	return 0;
}

/* As it is cached: what a network's file system would have to ask for may never come. */
static int add_file(struct reading *r, const char *fd)
{
	struct statx st;
	char path[300];
	dev_t dev;

	snprintf(path, sizeof(path), "fd/%s", fd);
	if (statx(r->t->dir, path, AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_BLOCKS, &st))
		return 0;
	dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	if (!S_ISREG(st.stx_mode) || !st.stx_blocks || !shmem_devs_have(&r->shmem, dev))
		return 0;
	if (!grow((void **)&r->files, r->nfiles, &r->files_cap, sizeof(*r->files)))
		return -ENOMEM;
	r->files[r->nfiles++] =
		(struct file_id){ dev, st.stx_ino, st.stx_blocks * BLOCK };
	return 0;
}

static int add(struct reading *r, const char *fd, const char *link)
{
	char *info = NULL;
	uint64_t inode;

	if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1)
		return add_socket(r, inode);
	if (!strncmp(link, "pipe:[", 6)) {
		r->h->npipes++;
	} else if (!strcmp(link, "anon_inode:[io_uring]")) {
		r->h->nrings++;
	} else if (!strcmp(link, "anon_inode:bpf-map")) {
		info = read_info(r, fd);
		r->h->nmaps++;
		r->h->maps += info_number(info, "\nmemlock:");
	} else if (!strncmp(link, "/dmabuf:", 8)) {
		info = read_info(r, fd);
		r->h->ndmabufs++;
		r->h->dmabufs += info_number(info, "\nsize:");
	} else if (link[0] == '/') {
		return add_file(r, fd);
	}
	free(info);
	return 0;
}

static int by_file(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* What of a file is mapped here is in RSS, or on swap, already. */
static void take_mapped(struct reading *r)
{
	for (size_t i = 0; i < r->vmas->n; i++) {
		const struct vma *v = &r->vmas->v[i];
		struct file_id like = { .dev = makedev(v->dev_major, v->dev_minor),
					.ino = v->inode };
		struct file_id *f = v->inode && r->nfiles
					    ? bsearch(&like, r->files, r->nfiles,
						      sizeof(like), by_file)
					    : NULL;
		uint64_t here = v->st.shmem == UNKNOWN ? 0 : v->st.shmem;

		if (!f)
			continue;
		here += v->st.swap == UNKNOWN ? 0 : v->st.swap;
		f->bytes -= here < f->bytes ? here : f->bytes;
	}
}

static void sum_files(struct reading *r)
{
	size_t n = 0;

	if (!r->nfiles)
		return;
	qsort(r->files, r->nfiles, sizeof(*r->files), by_file);
	for (size_t i = 0; i < r->nfiles; i++)
		if (!n || by_file(&r->files[n - 1], &r->files[i]))
			r->files[n++] = r->files[i];
	r->nfiles = n;
	take_mapped(r);
	for (size_t i = 0; i < n; i++) {
		r->h->nfiles += r->files[i].bytes != 0;
		r->h->files += r->files[i].bytes;
	}
}

/* Each descriptor, once; 0 or -errno. */
static int read_all(struct reading *r, DIR *dir)
{
	struct dirent *d;
	size_t n = 0;
	int err = 0;

	while (!err && (d = readdir(dir))) {
		char link[256];
		ssize_t len;

		if (d->d_name[0] == '.')
			continue;
		if (n++ == FDS_MAX) {
			r->h->cut = true;
			break;
		}
		len = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);
		link[len < 0 ? 0 : len] = '\0';
		err = add(r, d->d_name, link);
	}
	return err;
}

int held_read(const struct target *t, const struct vma_list *l, struct held *h)
{
	struct reading r = { .t = t, .vmas = l, .h = h };
	int fd = openat(t->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int err;

	*h = (struct held){ .known = false };
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	shmem_devs_read(t, &r.shmem);
	err = read_all(&r, dir);
	closedir(dir);
	if (!err && h->nrings)
		err = read_rings(&r);
	if (!err) {
		sum_files(&r);
		err = sockets_sum(t, r.sockets, r.nsockets, &h->sockets);
	}
	h->known = !err;
	free(r.files);
	free(r.sockets);
	return err;
}
