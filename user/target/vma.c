// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list of a process' mappings: parsing, adding, finding. Holds no policy.
 */
#include "target/vma.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Codes: show_smap_vma_flags() in fs/proc/task_mmu.c. */
const struct vma_flag vma_flags[VMA_FLAGS] = {
	{ VMA_SHMEM, "shmem", "" },
	{ VMA_LOCKED, "locked", " lo" },
	{ VMA_HUGETLB, "hugetlb", " ht" },
	{ VMA_HUGEPAGE, "hugepage", " hg" },
	{ VMA_NOHUGEPAGE, "nohugepage", " nh" },
	{ VMA_MERGEABLE, "mergeable", " mg" },
	{ VMA_GROWSDOWN, "growsdown", " gd" },
	{ VMA_DONTFORK, "dontfork", " dc" },
	{ VMA_NORESERVE, "noreserve", " nr" },
	{ VMA_UFFD, "uffd", " um uw ui" },
	{ VMA_PFNMAP, "pfnmap", " pf mm" },
	{ VMA_IO, "io", " io" },
};

struct vma *vma_list_add(struct vma_list *l, const struct vma *v)
{
	struct vma *slot;
	char *name;

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct vma *grown = realloc(l->v, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		l->v = grown;
		l->cap = cap;
	}
	name = strdup(v->name ? v->name : "");
	if (!name)
		return NULL;
	slot = &l->v[l->n++];
	*slot = *v;
	slot->name = name;
	return slot;
}

void vma_list_free(struct vma_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
	*l = (struct vma_list){ 0 };
}

const struct vma *vma_at_or_below(const struct vma_list *l, uint64_t addr)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (addr < l->v[mid].start)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo ? &l->v[lo - 1] : NULL;
}

const struct vma *vma_find(const struct vma_list *l, uint64_t addr)
{
	const struct vma *v = vma_at_or_below(l, addr);

	return v && addr < v->end ? v : NULL;
}

const char *vma_perms(const struct vma *v, char *buf)
{
	buf[0] = v->flags & VMA_READ ? 'r' : '-';
	buf[1] = v->flags & VMA_WRITE ? 'w' : '-';
	buf[2] = v->flags & VMA_EXEC ? 'x' : '-';
	buf[3] = v->flags & VMA_SHARED ? 's' : 'p';
	buf[4] = '\0';
	return buf;
}

/* "[vdso]" and its like are pages of the kernel's. */
static bool is_special(const struct vma *v)
{
	return v->name[0] == '[' && strcmp(v->name, "[heap]") != 0 &&
	       strcmp(v->name, "[stack]") != 0 && strncmp(v->name, "[anon:", 6) != 0;
}

bool vma_is_anon(const struct vma *v)
{
	return !v->inode && !is_special(v) &&
	       !(v->flags & (VMA_SHARED | VMA_SHMEM | VMA_HUGETLB | VMA_PFNMAP));
}

/* maps shows a newline in a path as \012 (fs/proc/task_mmu.c: show_map_vma). */
static void unescape_newlines(char *s)
{
	char *to = s;

	while (*s) {
		if (!strncmp(s, "\\012", 4)) {
			*to++ = '\n';
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static uint32_t flags_of(const char *perms)
{
	return (perms[0] == 'r' ? VMA_READ : 0) | (perms[1] == 'w' ? VMA_WRITE : 0) |
	       (perms[2] == 'x' ? VMA_EXEC : 0) | (perms[3] == 's' ? VMA_SHARED : 0);
}

bool vma_parse(char *line, struct vma *v)
{
	char perms[5];
	size_t len;
	int name = 0;

	*v = (struct vma){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &v->start, &v->end, perms, &v->offset, &v->dev_major, &v->dev_minor,
		   &v->inode, &name) < 7 ||
	    !name || v->start >= v->end)
		return false;
	v->flags = flags_of(perms);
	v->name = line + name;
	len = strlen(v->name);
	if (len && v->name[len - 1] == '\n')
		v->name[len - 1] = '\0';
	unescape_newlines(v->name);
	return true;
}
