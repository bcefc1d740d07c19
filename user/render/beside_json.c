// SPDX-License-Identifier: GPL-2.0-or-later
/* What RSS does not count, and the control group, in JSON. */
#include "render/beside_json.h"

#include "render/member.h"

static json_t *counted(size_t n, uint64_t bytes, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "count", value_count(n), ok);
	value_set(o, "bytes", value_count(bytes), ok);
	return o;
}

static json_t *sockets(const struct socket_sums *s, bool *ok)
{
	json_t *o = counted(s->n, s->told || !s->n ? s->bytes : UNKNOWN, ok);

	value_set(o, "known", value_count(s->told), ok);
	value_set(o, "queues_only", json_boolean(s->queued_only), ok);
	return o;
}

static json_t *rings(const struct held *h, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "count", value_count(h->nrings), ok);
	value_set(o, "buffers_bytes", value_count(h->buffers), ok);
	value_set(o, "unmapped_bytes", value_count(h->buffers_unmapped), ok);
	return o;
}

static json_t *descriptors(const struct held *h, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "sockets", sockets(&h->sockets, ok), ok);
	value_set(o, "tmpfs_files", counted(h->nfiles, h->files, ok), ok);
	value_set(o, "pipes", counted(h->npipes, h->npipes ? UNKNOWN : 0, ok), ok);
	value_set(o, "io_uring", rings(h, ok), ok);
	value_set(o, "bpf_maps", counted(h->nmaps, h->maps, ok), ok);
	value_set(o, "dmabufs", counted(h->ndmabufs, h->dmabufs, ok), ok);
	value_set(o, "cut", json_boolean(h->cut), ok);
	return o;
}

json_t *value_beside(const struct beside *b, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "page_tables_bytes", value_count(b->page_tables), ok);
	value_set(o, "hugetlb_bytes", value_count(b->hugetlb), ok);
	value_set(o, "descriptors",
		  b->held.known ? descriptors(&b->held, ok) : json_null(), ok);
	return o;
}

static json_t *limit(uint64_t bytes)
{
	return bytes == CGROUP_NO_LIMIT ? json_string("max") : value_count(bytes);
}

static json_t *path(const char *path)
{
	return value_text(path[0] ? path : "/");
}

json_t *value_cgroup(const struct cgroup_memory *c, bool *ok)
{
	bool limited = c->limit < CGROUP_NO_LIMIT;
	json_t *o = json_object();

	value_set(o, "version", c->version ? json_integer(c->version) : json_null(), ok);
	value_set(o, "path", c->version ? path(c->path) : json_null(), ok);
	if (!c->version)
		value_set(o, "reason", json_string(c->why), ok);
	value_set(o, "current_bytes", value_count(c->current), ok);
	value_set(o, "swap_bytes", value_count(c->swap), ok);
	value_set(o, "limit_bytes", limit(c->limit), ok);
	value_set(o, "limit_of", limited ? path(c->limit_of) : json_null(), ok);
	value_set(o, "high_bytes", limit(c->high), ok);
	value_set(o, "oom_kills", value_count(c->oom_kills), ok);
	return o;
}
