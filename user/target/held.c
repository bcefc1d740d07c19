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
#include "target/small.h"
#include "target/uring.h"

#define FDS_MAX ((size_t)1 << 18) /* that are looked at */

#define BLOCK 512 /* stat(2): st_blocks */

/* A file, or what else is open, maybe several times. */
struct file_id {
	dev_t dev;
	ino_t ino;
	uint64_t bytes; /* that it has, on swap or not */
};

struct open_files {
	struct file_id *v;
	size_t n, cap;
};

struct reading {
	const struct target *t;
	const struct vma_list *vmas;
	struct held *h;
	struct shmem_devs shmem;
	struct open_files files, maps, dmabufs;
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

static int put(struct open_files *o, struct file_id id)
{
	if (!grow((void **)&o->v, o->n, &o->cap, sizeof(*o->v)))
		return -ENOMEM;
	o->v[o->n++] = id;
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
	return put(&r->files, (struct file_id){ dev, st.stx_ino, st.stx_blocks * BLOCK });
}

/* What fdinfo tells number and size of; where it has no number, each is another one. */
static int add_told(const struct reading *r, struct open_files *o, const char *fd,
		    const char *number, const char *size)
{
	char *info = read_info(r, fd);
	uint64_t id = info_number(info, number), bytes = info_number(info, size);

	free(info);
	return put(o, id ? (struct file_id){ 0, id, bytes }
			 : (struct file_id){ 1, o->n, bytes });
}

static int add(struct reading *r, const char *fd, const char *link)
{
	uint64_t inode;

	if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1)
		return add_socket(r, inode);
	if (!strcmp(link, "anon_inode:bpf-map"))
		return add_told(r, &r->maps, fd, "\nmap_id:", "\nmemlock:");
	if (!strncmp(link, "/dmabuf:", 8))
		return add_told(r, &r->dmabufs, fd, "\nino:", "\nsize:");
	if (link[0] == '/')
		return add_file(r, fd);
	r->h->npipes += !strncmp(link, "pipe:[", 6);
	r->h->nrings += !strcmp(link, "anon_inode:[io_uring]");
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
		struct file_id *f = v->inode && r->files.n
					    ? bsearch(&like, r->files.v, r->files.n,
						      sizeof(like), by_file)
					    : NULL;
		uint64_t here = v->st.shmem == UNKNOWN ? 0 : v->st.shmem;

		if (!f)
			continue;
		here += v->st.swap == UNKNOWN ? 0 : v->st.swap;
		f->bytes -= here < f->bytes ? here : f->bytes;
	}
}

static void keep_once(struct open_files *o)
{
	size_t n = 0;

	if (o->n)
		qsort(o->v, o->n, sizeof(*o->v), by_file);
	for (size_t i = 0; i < o->n; i++)
		if (!n || by_file(&o->v[n - 1], &o->v[i]))
			o->v[n++] = o->v[i];
	o->n = n;
}

static uint64_t sum_of(const struct open_files *o)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < o->n; i++)
		sum += o->v[i].bytes;
	return sum;
}

static void sum_all(struct reading *r)
{
	keep_once(&r->files);
	keep_once(&r->maps);
	keep_once(&r->dmabufs);
	take_mapped(r);
	for (size_t i = 0; i < r->files.n; i++)
		r->h->nfiles += r->files.v[i].bytes != 0;
	r->h->files = sum_of(&r->files);
	r->h->nmaps = r->maps.n;
	r->h->maps = sum_of(&r->maps);
	r->h->ndmabufs = r->dmabufs.n;
	r->h->dmabufs = sum_of(&r->dmabufs);
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
	DIR *dir = small_folder(t->dir, "fd");
	int err;

	*h = (struct held){ .known = false };
	if (!dir)
		return 0;
	shmem_devs_read(t, &r.shmem);
	err = read_all(&r, dir);
	closedir(dir);
	if (!err && h->nrings)
		err = read_rings(&r);
	if (!err) {
		sum_all(&r);
		err = sockets_sum(t, r.sockets, r.nsockets, &h->sockets);
	}
	h->known = !err;
	free(r.files.v);
	free(r.maps.v);
	free(r.dmabufs.v);
	free(r.sockets);
	return err;
}
