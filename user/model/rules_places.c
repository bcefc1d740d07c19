// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the memory is that no allocator claims, as far as its mappings tell. */
#include "model/rules.h"

#include <string.h>

#include "model/size.h"
#include "render/escape.h"

/* Unclaimed memory by what its mappings are; each page in one of these at most. */
struct places {
	uint64_t program; /* .data and .bss of the executable */
	uint64_t barred; /* without any access */
	size_t nbarred;
	const struct vma *largest; /* of the others */
	uint64_t most; /* resident there */
};

/*
 * The executable's own data, or its .bss, which follows that. (Of a library this would
 * not be certain: what is mapped next to its .bss becomes one mapping with it.)
 */
static bool is_static_data(const struct snapshot *s, size_t i)
{
	const struct vma *v = &s->vmas.v[i], *before = i ? v - 1 : NULL;
	const char *exe = s->process.exe;

	if (!exe[0] || (v->flags & VMA_SHARED))
		return false;
	if (v->inode)
		return !strcmp(v->name, exe);
	return before && !v->name[0] && before->end == v->start && before->inode &&
	       (before->flags & VMA_WRITE) && !strcmp(before->name, exe);
}

static void look_at(const struct snapshot *s, size_t i, struct places *p)
{
	const struct vma *v = &s->vmas.v[i];
	uint64_t bytes = s->regions[i].resident[LEDGER_ANON_OTHER];

	if (!bytes)
		return;
	if (!(v->flags & (VMA_READ | VMA_WRITE | VMA_EXEC))) {
		p->barred += bytes;
		p->nbarred++;
	} else if (is_static_data(s, i)) {
		p->program += bytes;
	} else if (bytes > p->most) {
		p->largest = v;
		p->most = bytes;
	}
}

static void show_largest(const struct places *p, struct verdict *v)
{
	char name[VERDICT_TEXT / 2], size[SIZE_TEXT];

	escape_terminal(name, sizeof(name), p->largest->name);
	evidence(v, "%s of it in %llx-%llx %s, the largest of its mappings",
		 size_format(size, p->most), (unsigned long long)p->largest->start,
		 (unsigned long long)p->largest->end, name[0] ? name : "without a name");
}

void show_places(const struct facts *f, struct verdict *v)
{
	const struct snapshot *s = f->now;
	struct places p = { 0 };
	char size[SIZE_TEXT], exe[VERDICT_TEXT / 2];

	for (size_t i = 0; i < s->vmas.n; i++)
		look_at(s, i, &p);
	if (significant(f, p.program)) {
		escape_terminal(exe, sizeof(exe), s->process.exe);
		evidence(v, "%s of it are static data of %s (.data, .bss)",
			 size_format(size, p.program), exe);
	}
	if (significant(f, p.barred)) {
		evidence(v,
			 "%s of it in %zu mapping%s without any access (PROT_NONE), but "
			 "resident: as they are, nobody can use them",
			 size_format(size, p.barred), p.nbarred,
			 p.nbarred == 1 ? "" : "s");
		advise(v, p.barred, true,
		       "whoever took the access away: madvise(MADV_DONTNEED) there, or "
		       "munmap(), if what is in them is not wanted again");
	}
	if (significant(f, p.most))
		show_largest(&p, v);
}
