// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page facts from /proc/PID/smaps: what any kernel tells to anybody who may
 * look at the process. Who pins a page and what reclaim could take are not
 * among it.
 */
#include "pages/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "target/shmem.h"

static bool is_shmem(const struct shmem_devs *s, const struct vma *v)
{
	return v->inode && !(v->flags & VMA_HUGETLB) &&
	       shmem_devs_have(s, makedev(v->dev_major, v->dev_minor));
}

#define FIELD_COUNTS 3

/* A line of smaps and the counts that it is added to. */
static const struct smaps_field {
	const char *name;
	size_t add[FIELD_COUNTS]; /* offsets in struct vma_stats, plus one; 0: none */
	const char *missing; /* where the line is not in every smaps since 5.10 */
} fields[] = {
#define AT(member) (offsetof(struct vma_stats, member) + 1)
	{ .name = "Rss", .add = { AT(rss) } },
	{ .name = "Pss", .add = { AT(pss) } },
	{ .name = "Pss_Dirty",
	  .add = { AT(pss_dirty) },
	  .missing = "in smaps from Linux 6.0 on" },
	{ .name = "Shared_Clean", .add = { AT(shared) } },
	{ .name = "Shared_Dirty", .add = { AT(shared), AT(shared_dirty), AT(dirty) } },
	{ .name = "Private_Dirty", .add = { AT(dirty) } },
	{ .name = "Referenced", .add = { AT(referenced) } },
	{ .name = "Anonymous", .add = { AT(anon) } },
	{ .name = "KSM", .add = { AT(ksm) }, .missing = "in smaps from Linux 6.8 on" },
	{ .name = "LazyFree", .add = { AT(lazyfree) } },
	{ .name = "AnonHugePages", .add = { AT(anon_huge) } },
	{ .name = "ShmemPmdMapped", .add = { AT(shmem_huge) } },
	{ .name = "FilePmdMapped", .add = { AT(file_huge) } },
	{ .name = "Shared_Hugetlb", .add = { AT(hugetlb) } },
	{ .name = "Private_Hugetlb", .add = { AT(hugetlb) } },
	{ .name = "Swap", .add = { AT(swap) } },
	{ .name = "Locked", .add = { AT(locked) } },
#undef AT
};

static void add_to(struct vma_stats *st, size_t offset, uint64_t bytes)
{
	uint64_t *count = vma_stat(st, offset - 1);

	*count = (*count == UNKNOWN ? 0 : *count) + bytes;
}

static void parse_count(const char *line, struct vma_stats *st)
{
	size_t len = strcspn(line, ":");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct smaps_field *f = &fields[i];

		if (strlen(f->name) != len || strncmp(f->name, line, len))
			continue;
		for (size_t k = 0; k < FIELD_COUNTS && f->add[k]; k++)
			add_to(st, f->add[k], strtoull(line + len + 1, NULL, 10) * 1024);
		return;
	}
}

/* "VmFlags: rd wr mr mw me ac sd" */
static uint32_t parse_vmflags(const char *line)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < VMA_FLAGS; i++)
		for (const char *code = vma_flags[i].codes; *code; code += 3) {
			const char three[] = { code[0], code[1], code[2], '\0' };

			if (strstr(line, three))
				flags |= vma_flags[i].flag;
		}
	return flags;
}

/* What smaps leaves open, from what it says. */
static void derive(const struct shmem_devs *shmem, struct vma *v)
{
	struct vma_stats *st = &v->st;
	uint64_t cache = st->rss > st->anon ? st->rss - st->anon : 0;

	if (is_shmem(shmem, v))
		v->flags |= VMA_SHMEM;
	st->shmem = v->flags & VMA_SHMEM ? cache : 0;
	st->file = v->flags & VMA_SHMEM ? 0 : cache;
	/*
	 * smaps does not split dirtiness by kind. Anonymous pages are dirty but
	 * for some that came back from swap, so the surplus is page cache.
	 */
	st->file_dirty = st->dirty > st->anon ? st->dirty - st->anon : 0;
	if (st->file_dirty > st->file)
		st->file_dirty = st->file;
}

/* A header line begins with the address in lower-case hex, a count with a capital. */
static bool is_header(const char *line)
{
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

/* The VMA whose lines are all read, if there is one. */
static void derive_last(const struct shmem_devs *shmem, struct vma **v)
{
	if (*v)
		derive(shmem, *v);
	*v = NULL;
}

/*
 * Appends a VMA of which nothing is counted yet. The file is read in pieces, and one that
 * grew between two of them is told again: as it is by then, it takes the place of what it
 * was, so that VMAs are disjoint. NULL when out of memory.
 */
static struct vma *add_vma(struct vma_list *out, struct vma *v)
{
	for (size_t i = 0; i < VMA_STATS; i++)
		*vma_stat(&v->st, i * sizeof(uint64_t)) = UNKNOWN;
	while (out->n && out->v[out->n - 1].end > v->start)
		free(out->v[--out->n].name);
	return vma_list_add(out, v);
}

static int parse_smaps(FILE *f, const struct shmem_devs *shmem, struct vma_list *out)
{
	char *line = NULL;
	struct vma *v = NULL;
	struct vma header;
	size_t cap = 0;
	int err = 0;

	while (getline(&line, &cap, f) > 0) {
		if (is_header(line)) {
			derive_last(shmem, &v);
			if (!vma_parse(line, &header)) {
				err = EPROTO;
				break;
			}
			/* A page of the kernel's, in nobody's address space. */
			if (!strcmp(header.name, "[vsyscall]"))
				continue;
			v = add_vma(out, &header);
			if (!v) {
				err = ENOMEM;
				break;
			}
		} else if (v && !strncmp(line, "VmFlags:", 8)) {
			v->flags |= parse_vmflags(line);
		} else if (v) {
			parse_count(line, &v->st);
		}
	}
	if (!err && ferror(f))
		err = errno;
	derive_last(shmem, &v);
	free(line);
	return err;
}

static const char *field_missing(size_t offset)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (size_t k = 0; k < FIELD_COUNTS; k++)
			if (fields[i].add[k] == offset + 1)
				return fields[i].missing ? fields[i].missing
							 : "smaps cannot be read";
	return "not in smaps";
}

/* Every VMA has the same lines: our own first one tells which. */
static void procfs_unknown(struct pages *p, const char *why[VMA_STATS])
{
	struct shmem_devs shmem = { .n = 0 };
	struct vma_list own = { 0 };
	FILE *f = fopen("/proc/self/smaps", "re");

	(void)p;
	if (f)
		parse_smaps(f, &shmem, &own);
	for (size_t i = 0; i < VMA_STATS; i++) {
		size_t offset = i * sizeof(uint64_t);

		why[i] = own.n && vma_stat_of(&own.v[0].st, offset) != UNKNOWN
				 ? NULL
				 : field_missing(offset);
	}
	vma_list_free(&own);
	if (f)
		fclose(f);
}

static int procfs_vmas(struct pages *p, const struct target *t, struct vma_list *out,
		       bool *torn, struct error *e)
{
	struct shmem_devs shmem;
	int fd = openat(t->dir, "smaps", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	int err;

	(void)p;
	*torn = false;
	if (!f) {
		err = errno == ENOENT ? ESRCH : errno;
		if (fd >= 0)
			close(fd);
		return error_sys(e, err, "/proc/%d/smaps", (int)t->pid);
	}
	shmem_devs_read(t, &shmem);
	err = parse_smaps(f, &shmem, out);
	fclose(f);
	/* An address space that has gone reads as an empty file. */
	if (!err && !out->n)
		err = ESRCH;
	return err ? error_sys(e, err, "/proc/%d/smaps", (int)t->pid) : 0;
}

static int procfs_open(struct pages *p, struct error *e)
{
	struct procfs *s;

	if (access("/proc/self/smaps", R_OK))
		return error_set(e, EXIT_FAILED,
				 "/proc/PID/smaps is missing: mount /proc, or use a "
				 "kernel with CONFIG_PROC_PAGE_MONITOR");
	s = procfs_stream_new();
	if (!s)
		return error_sys(e, ENOMEM, "/proc");
	p->priv = s;
	p->known = procfs_stream_known(s);
	return 0;
}

static void procfs_close(struct pages *p)
{
	procfs_stream_free(p->priv);
}

const struct pages_ops pages_procfs = {
	.name = "procfs",
	.open = procfs_open,
	.vmas = procfs_vmas,
	.begin = procfs_begin,
	.next = procfs_next,
	.unknown = procfs_unknown,
	.close = procfs_close,
};
