// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has mapped memory, and who may have what no allocator claims. */
#include "model/rules.h"

#include <stdio.h>

#include "heap/keepers.h"
#include "model/size.h"

/* Of one verdict, which has other advice, too. */
#define ADVISED 4

#define SHOWN_MAPPERS 3

static void show_mapper(const struct mapper *m, uint64_t bytes, uint64_t sum,
			struct verdict *v)
{
	char size[SIZE_TEXT];

	evidence(v, "%s of that (%.0f %%) by %s%s%s", size_format(size, bytes),
		 100 * (double)bytes / (double)sum, m->name,
		 m->callers[0] ? ", called by " : "", m->callers);
}

void show_mappers(const struct facts *f, enum mapped_kind kind, struct verdict *v)
{
	const struct mappers *m = f->now->mappers;
	char size[SIZE_TEXT];
	uint64_t sum = 0;
	int shown = 0;

	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		sum += m->m[i].bytes[kind];
	evidence(v, "calls that were seen in %.1f s mapped %s of this%s%s",
		 (double)m->traced_ns / 1e9, size_format(size, sum),
		 sum < v->bytes / 2 ? "; the rest was mapped before, or after" : "",
		 m->partial ? "; calls were lost" : "");
	for (size_t i = 0; i < m->n && shown < SHOWN_MAPPERS; i++) {
		if (!m->m[i].bytes[kind] || m->m[i].bytes[kind] < sum / FLOOR_SHARE)
			continue;
		show_mapper(&m->m[i], m->m[i].bytes[kind], sum, v);
		shown++;
	}
}

static void name_keepers(const struct snapshot *s, char text[VERDICT_TEXT])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < nkeepers; i++) {
		if (!(s->keepers & (1u << i)))
			continue;
		len += (size_t)snprintf(text + len, VERDICT_TEXT - len, "%s%s",
					len ? ", " : "", keepers[i].name);
		if (len >= VERDICT_TEXT)
			return;
	}
}

void show_keepers(const struct facts *f, struct verdict *v)
{
	char names[VERDICT_TEXT];
	int advised = 0;

	if (!f->now->keepers)
		return;
	name_keepers(f->now, names);
	evidence(v,
		 "possible owners, for their libraries are mapped, and known to keep "
		 "memory outside every heap: %s",
		 names);
	for (size_t i = 0; i < nkeepers; i++) {
		if (!(f->now->keepers & (1u << i)) || advised++ >= ADVISED)
			continue;
		if (advised == 1)
			evidence(v, "%s keeps %s", keepers[i].name, keepers[i].keeps);
		advise(v, UNKNOWN, false, "%s", keepers[i].setting);
	}
}

bool show_uring(const struct facts *f, struct verdict *v)
{
	char size[SIZE_TEXT];

	if (!f->now->uring_buffers)
		return false;
	evidence(v,
		 "%zu buffers with %s in all are registered with %zu io_uring instances, "
		 "by the kernel's own list: they are pinned until they are unregistered",
		 f->now->uring_buffers, size_format(size, f->now->uring_bytes),
		 f->now->urings);
	advise(v, f->now->uring_bytes, true,
	       "io_uring_unregister_buffers() of those that are no longer used, or close "
	       "the instance; and unmap them");
	return true;
}
