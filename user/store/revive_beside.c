// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads back what RSS does not count, and the control group. */
#include "store/revive_parts.h"

#include <stdlib.h>
#include <string.h>

/* What is counted is known, or there is none of it. */
static uint64_t bytes_of(struct fields *f, const json_t *o, const char *key)
{
	uint64_t n = field_maybe(f, o, key);

	return n == UNKNOWN ? 0 : n;
}

static size_t count_of(struct fields *f, const json_t *o)
{
	return (size_t)field_known(f, o, "count");
}

static bool flag_of(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void take_sockets(struct fields *f, const json_t *o, struct socket_sums *s)
{
	s->n = count_of(f, o);
	s->told = (size_t)field_known(f, o, "known");
	s->bytes = bytes_of(f, o, "bytes");
	s->queued_only = flag_of(o, "queues_only");
	if (s->told > s->n)
		fields_fail(f, "more sockets are known than there are");
}

static void take_descriptors(struct fields *f, const json_t *o, struct held *h)
{
	const json_t *files = field_object(f, o, "tmpfs_files");
	const json_t *rings = field_object(f, o, "io_uring");
	const json_t *maps = field_object(f, o, "bpf_maps");
	const json_t *dmabufs = field_object(f, o, "dmabufs");

	h->known = true;
	h->cut = flag_of(o, "cut");
	take_sockets(f, field_object(f, o, "sockets"), &h->sockets);
	h->nfiles = count_of(f, files);
	h->files = bytes_of(f, files, "bytes");
	h->npipes = count_of(f, field_object(f, o, "pipes"));
	h->nrings = count_of(f, rings);
	h->buffers = bytes_of(f, rings, "buffers_bytes");
	h->buffers_unmapped = bytes_of(f, rings, "unmapped_bytes");
	h->nmaps = count_of(f, maps);
	h->maps = bytes_of(f, maps, "bytes");
	h->ndmabufs = count_of(f, dmabufs);
	h->dmabufs = bytes_of(f, dmabufs, "bytes");
}

static uint64_t limit_of(struct fields *f, const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && !strcmp(text, "max") ? CGROUP_NO_LIMIT : field_maybe(f, o, key);
}

static void take_path(struct fields *f, const json_t *o, const char *key,
		      char path[PATH_MAX])
{
	char *text = field_text(f, o, key, true);

	if (text && strlen(text) >= PATH_MAX)
		fields_fail(f, "\"%s\" is longer than a path", key);
	else if (text)
		strcpy(path, text);
	free(text);
}

static void take_group(struct fields *f, const json_t *o, struct snapshot *s)
{
	struct cgroup_memory *c = &s->beside.cgroup;

	if (!json_is_null(json_object_get(o, "version")))
		c->version = (int)field_number(f, o, "version", 2);
	c->why = revive_name(f, o, "reason", s);
	take_path(f, o, "path", c->path);
	take_path(f, o, "limit_of", c->limit_of);
	c->current = field_maybe(f, o, "current_bytes");
	c->swap = field_maybe(f, o, "swap_bytes");
	c->limit = limit_of(f, o, "limit_bytes");
	c->high = limit_of(f, o, "high_bytes");
	c->oom_kills = field_maybe(f, o, "oom_kills");
}

void revive_beside(struct fields *f, const json_t *members, struct snapshot *s)
{
	const json_t *o = json_object_get(members, "beside_rss"), *held;

	/* Files of old may have none. */
	if (!o || json_is_null(o))
		return;
	f->part = "beside_rss";
	s->beside.known = true;
	s->beside.page_tables = field_maybe(f, o, "page_tables_bytes");
	s->beside.hugetlb = field_maybe(f, o, "hugetlb_bytes");
	held = json_object_get(o, "descriptors");
	if (held && !json_is_null(held))
		take_descriptors(f, held, &s->beside.held);
	f->part = "cgroup_memory";
	take_group(f, field_object(f, members, "cgroup_memory"), s);
	f->part = "";
}
