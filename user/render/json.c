// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot as JSON; the schema is in Documentation/fallow.schema.json. */
#include "render/render.h"

#include "heap/keepers.h"
#include "render/beside_json.h"
#include "render/member.h"

static json_t *process(const struct snapshot *s, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "pid", json_integer(s->process.pid), ok);
	value_set(o, "comm", value_text(s->process.comm), ok);
	value_set(o, "cmdline", value_text(s->process.cmdline), ok);
	value_set(o, "exe", value_text(s->process.exe), ok);
	value_set(o, "starttime", value_count(s->process.starttime), ok);
	value_set(o, "threads", json_integer(s->process.threads), ok);
	value_set(o, "cgroup", value_text(s->process.cgroup), ok);
	value_set(o, "rss_bytes", value_count(s->rss), ok);
	value_set(o, "swap_bytes", value_count(s->swap), ok);
	return o;
}

/* What was accessed within the time that was asked for. */
static uint64_t active_of(const struct ledger_line *l)
{
	uint64_t others = count_add(l->idle, l->idle_unknown);

	return others > l->resident ? UNKNOWN : l->resident - others;
}

static json_t *ledger(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const struct ledger_line *l = &s->ledger[c];
		json_t *o = json_object();

		value_set(o, "class", json_string(ledger_name(c)), ok);
		value_set(o, "resident_bytes", value_count(l->resident), ok);
		value_set(o, "swapped_bytes", value_count(l->swapped), ok);
		value_set(o, "active_bytes", value_count(active_of(l)), ok);
		value_set(o, "idle_bytes", value_count(l->idle), ok);
		value_set(o, "idle_unknown_bytes", value_count(l->idle_unknown), ok);
		value_set(o, "pinned_bytes", value_count(l->pinned), ok);
		value_set(o, "huge_bytes", value_count(l->huge), ok);
		value_set(o, "zero_bytes", value_count(l->zero), ok);
		if (c == LEDGER_HEAP_USED) {
			value_set(o, "live_bytes", value_count(s->live_bytes), ok);
			value_set(o, "stranded_bytes", value_count(s->stranded_bytes),
				  ok);
		}
		value_append(list, o, ok);
	}
	return list;
}

static json_t *arenas(const struct heap *h, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];
		json_t *o = json_object();

		value_set(o, "kind", json_string(arena_name(a->kind)), ok);
		value_set(o, "address",
			  a->address ? value_address(a->address) : json_null(), ok);
		value_set(o, "mapped_bytes", value_count(a->mapped), ok);
		value_set(o, "live_bytes", value_count(a->bytes[EXTENT_LIVE]), ok);
		value_set(o, "free_bytes",
			  value_count(a->bytes[EXTENT_FREE] + a->bytes[EXTENT_CACHED] +
				      a->bytes[EXTENT_TOP] + a->bytes[EXTENT_RETURNABLE]),
			  ok);
		value_set(o, "cached_bytes", value_count(a->bytes[EXTENT_CACHED]), ok);
		value_set(o, "metadata_bytes", value_count(a->bytes[EXTENT_META]), ok);
		value_set(o, "unread_bytes", value_count(a->bytes[EXTENT_UNREAD]), ok);
		value_set(o, "resident_bytes", value_count(a->resident), ok);
		value_set(o, "stranded_bytes", value_count(a->stranded), ok);
		value_set(o, "returnable_bytes", value_count(a->returnable), ok);
		value_set(o, "held_bytes", value_count(a->held), ok);
		value_set(o, "swapped_bytes", value_count(a->swapped), ok);
		value_set(o, "used_bytes", value_count(a->used), ok);
		value_set(o, "returnable_top_bytes", value_count(a->returnable_top), ok);
		value_set(o, "held_cached_bytes", value_count(a->held_cached), ok);
		value_set(o, "held_top_bytes", value_count(a->held_top), ok);
		value_set(o, "held_unit_bytes", value_count(a->held_unit), ok);
		value_append(list, o, ok);
	}
	return list;
}

static json_t *size_classes(const struct heap *h, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->nclasses; i++) {
		const struct heap_class *c = &h->classes[i];
		json_t *o = json_object();

		value_set(o, "size_bytes", value_count(c->size), ok);
		value_set(o, "live_bytes", value_count(c->live), ok);
		value_set(o, "free_bytes", value_count(c->free), ok);
		value_set(o, "stranded_bytes", value_count(c->stranded), ok);
		value_append(list, o, ok);
	}
	return list;
}

static json_t *data(const struct remnant *r)
{
	char hex[2 * sizeof(r->data) + 1] = "";

	for (size_t i = 0; i < r->ndata; i++)
		sprintf(hex + 2 * i, "%02x", r->data[i]);
	return json_string(hex);
}

static json_t *remnants(const struct heap *h, bool *ok)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < h->nremnants; i++) {
		const struct remnant *r = &h->remnants[i];
		json_t *one = json_object();

		value_set(one, "block", value_address(r->block), ok);
		value_set(one, "start", value_address(r->unit.start), ok);
		value_set(one, "end", value_address(r->unit.end), ok);
		value_set(one, "arena", json_integer(r->unit.arena), ok);
		value_set(one, "live_bytes", value_count(r->live), ok);
		value_set(one, "free_bytes", value_count(r->free), ok);
		if (r->ndata)
			value_set(one, "data", data(r), ok);
		value_append(list, one, ok);
	}
	value_set(o, "count", value_count(h->pinning), ok);
	value_set(o, "live_bytes", value_count(h->pinning_live), ok);
	value_set(o, "free_bytes", value_count(h->pinning_free), ok);
	value_set(o, "worst", list, ok);
	return o;
}

static json_t *settings(const struct heap *h, bool *ok)
{
	json_t *o = json_object();

	for (size_t i = 0; i < h->nsettings; i++)
		value_set(o, h->settings[i].name, json_integer(h->settings[i].value), ok);
	return o;
}

static json_t *settings_in_bytes(const struct heap *h, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->nsettings; i++)
		if (h->settings[i].is_bytes)
			value_append(list, json_string(h->settings[i].name), ok);
	return list;
}

/* Of a quick look. */
static json_t *quick_error(const struct heap *h, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "live", value_count(h->error.live), ok);
	value_set(o, "returnable", value_count(h->error.returnable), ok);
	value_set(o, "held", value_count(h->error.held), ok);
	return o;
}

static json_t *allocator(const struct heap *h, bool *ok)
{
	struct heap_totals t = heap_totals(h);
	bool known = h->status != HEAP_UNSUPPORTED;
	bool has_memory = known || h->narenas;
	json_t *o = json_object();

	value_set(o, "name", json_string(h->ops->name), ok);
	value_set(o, "version", value_text(h->version), ok);
	value_set(o, "status", json_string(heap_status_name(h->status)), ok);
	if (h->reason[0])
		value_set(o, "reason", value_text(h->reason), ok);
	value_set(o, "mapped_bytes", value_count(has_memory ? t.mapped : UNKNOWN), ok);
	value_set(o, "live_bytes", value_count(known ? t.live : UNKNOWN), ok);
	value_set(o, "free_bytes", value_count(known ? t.free : UNKNOWN), ok);
	value_set(o, "own_free_bytes", value_count(known ? h->own_free : UNKNOWN), ok);
	value_set(o, "stranded_bytes", value_count(known ? t.stranded : UNKNOWN), ok);
	value_set(o, "resident_bytes", value_count(has_memory ? t.resident : UNKNOWN),
		  ok);
	value_set(o, "fallow_bytes", value_count(known ? t.returnable + t.held : UNKNOWN),
		  ok);
	value_set(o, "returnable_bytes", value_count(known ? t.returnable : UNKNOWN), ok);
	value_set(o, "torn_bytes", value_count(h->torn), ok);
	if (h->quick)
		value_set(o, "error_bytes", quick_error(h, ok), ok);
	value_set(o, "purge", h->ops->purge ? json_string(h->ops->purge) : json_null(),
		  ok);
	value_set(o, "settings", settings(h, ok), ok);
	value_set(o, "settings_in_bytes", settings_in_bytes(h, ok), ok);
	value_set(o, "arenas", arenas(h, ok), ok);
	if (h->classes)
		value_set(o, "classes", size_classes(h, ok), ok);
	value_set(o, "remnants", remnants(h, ok), ok);
	return o;
}

static json_t *allocators(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nheaps; i++)
		value_append(list, allocator(s->heaps[i], ok), ok);
	return list;
}

static json_t *classes(const uint64_t bytes[LEDGER_CLASSES], bool *ok)
{
	json_t *o = json_object();

	for (int c = 0; c < LEDGER_CLASSES; c++)
		if (bytes[c])
			value_set(o, ledger_name(c), value_count(bytes[c]), ok);
	return o;
}

static json_t *flags(const struct vma *v, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < VMA_FLAGS; i++)
		if (v->flags & vma_flags[i].flag)
			value_append(list, json_string(vma_flags[i].name), ok);
	return list;
}

static void counts(json_t *o, json_t *reclaim, const struct vma *v,
		   const struct region *r, bool *ok)
{
	char key[32];

	for (size_t i = 0; i < ncolumns; i++) {
		const struct column *c = &columns[i];

		if (!(c->flags & COLUMN_COUNT))
			continue;
		snprintf(key, sizeof(key), "%s_bytes", c->name);
		value_set(c->flags & COLUMN_SPLIT ? reclaim : o, key,
			  value_count(column_count(c, v, r)), ok);
	}
}

static json_t *region(const struct vma *v, const struct region *r, bool idle, bool *ok)
{
	json_t *o = json_object(), *reclaim = json_object();
	char perms[5];

	value_set(o, "start", value_address(v->start), ok);
	value_set(o, "end", value_address(v->end), ok);
	value_set(o, "perms", json_string(vma_perms(v, perms)), ok);
	value_set(o, "offset", value_number(v->offset), ok);
	value_set(o, "dev", json_sprintf("%02x:%02x", v->dev_major, v->dev_minor), ok);
	value_set(o, "inode", value_number(v->inode), ok);
	value_set(o, "name", value_text(v->name), ok);
	value_set(o, "flags", flags(v, ok), ok);
	value_set(o, "owner", r->owner[0] ? json_string(r->owner) : json_null(), ok);
	value_set(o, "mapped_by", r->mapped_by ? value_text(r->mapped_by) : json_null(),
		  ok);
	counts(o, reclaim, v, r, ok);
	value_set(o, "reclaim", reclaim, ok);
	value_set(o, "classes", classes(r->resident, ok), ok);
	if (idle)
		value_set(o, "idle", classes(r->idle, ok), ok);
	return o;
}

static json_t *verdict(const struct verdict *v, bool *ok)
{
	json_t *o = json_object(), *facts = json_array(), *advice = json_array();

	for (size_t i = 0; i < v->nevidence; i++)
		value_append(facts, value_text(v->evidence[i]), ok);
	for (size_t i = 0; i < v->nadvice; i++) {
		json_t *a = json_object();

		value_set(a, "text", value_text(v->advice[i].text), ok);
		value_set(a, "gives_back_bytes", value_count(v->advice[i].bytes), ok);
		value_set(a, "at_most", json_boolean(v->advice[i].at_most), ok);
		value_append(advice, a, ok);
	}
	value_set(o, "id", json_string(verdict_name(v->id)), ok);
	value_set(o, "bytes", value_count(v->bytes), ok);
	value_set(o, "confidence", json_string(confidence_name(v->confidence)), ok);
	value_set(o, "same_memory_as",
		  v->same_as == VERDICT_IDS ? json_null()
					    : json_string(verdict_name(v->same_as)),
		  ok);
	value_set(o, "evidence", facts, ok);
	value_set(o, "advice", advice, ok);
	return o;
}

static json_t *verdict_list(const struct verdicts *all, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < all->n; i++)
		value_append(list, verdict(&all->v[i], ok), ok);
	return list;
}

static json_t *warnings(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nwarnings; i++)
		value_append(list, value_text(s->warnings[i]), ok);
	return list;
}

/* Libraries that are known to keep memory. */
static json_t *keepers_mapped(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nkeepers; i++)
		if (s->keepers & (1u << i))
			value_append(list, json_string(keepers[i].name), ok);
	return list;
}

static json_t *uring(const struct snapshot *s, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "rings", value_count(s->urings), ok);
	value_set(o, "buffers", value_count(s->uring_buffers), ok);
	value_set(o, "registered_bytes", value_count(s->uring_bytes), ok);
	return o;
}

/* The earlier look, as far as change is judged by it. */
static json_t *baseline(const struct view *v, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "time", value_time(&v->before->time), ok);
	value_set(o, "interval_ns",
		  value_count(v->now->monotonic_ns - v->before->monotonic_ns), ok);
	value_set(o, "rss_bytes", value_count(v->before->rss), ok);
	value_set(o, "ledger", ledger(v->before, ok), ok);
	return o;
}

static void trend(json_t *o, const struct trend *t, bool *ok)
{
	bool fitted = t->kind != TREND_NONE;

	value_set(o, "kind", json_string(trend_name(t->kind)), ok);
	value_set(o, "looks", value_count(t->n), ok);
	value_set(o, "bytes_per_minute",
		  fitted ? json_real(trend_per_minute(t)) : json_null(), ok);
	value_set(o, "standard_error",
		  t->n > 2 ? json_real(t->error * 60e9) : json_null(), ok);
	value_set(o, "r2", t->n > 2 ? json_real(t->r2) : json_null(), ok);
}

static json_t *group_trends(const struct growth *g, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->ngroups; i++) {
		const struct growth_group *last = &g->groups[i].last;
		json_t *o = json_object();

		value_set(o, "class", json_string(ledger_name(last->class)), ok);
		value_set(o, "name", value_text(last->name), ok);
		value_set(o, "resident_bytes", value_count(last->bytes), ok);
		trend(o, &g->groups[i].trend, ok);
		value_append(list, o, ok);
	}
	return list;
}

static json_t *growth(const struct growth *g, bool *ok)
{
	json_t *o = json_object(), *list = json_array();

	for (int id = 0; id < SERIES; id++) {
		json_t *one = json_object();

		value_set(one, "name", json_string(series_name(id)), ok);
		trend(one, &g->series[id], ok);
		value_append(list, one, ok);
	}
	value_set(o, "looks", value_count(g->n), ok);
	value_set(o, "step_bytes", value_count(g->step ? g->step : UNKNOWN), ok);
	value_set(o, "series", list, ok);
	value_set(o, "mappings", group_trends(g, ok), ok);
	return o;
}

static void regions(struct members *m, const struct snapshot *s, bool *ok)
{
	member_list_begin(m, "regions");
	for (size_t i = 0; i < s->vmas.n && !m->failed; i++)
		member_list_add(m, i,
				region(&s->vmas.v[i], &s->regions[i], s->idle_ns, ok));
	member_list_end(m);
}

static void snapshot(struct members *m, const struct view *v, bool *ok)
{
	const struct snapshot *s = v->now;

	member_write(m, "schema", json_string("fallow.snapshot/1"));
	member_write(m, "time", value_time(&s->time));
	member_write(m, "uptime_ns", value_count(s->uptime_ns));
	member_write(m, "boot_id", s->boot_id[0] ? json_string(s->boot_id) : json_null());
	member_write(m, "host", value_text(s->host));
	member_write(m, "kernel", value_text(s->kernel));
	member_write(m, "source", json_string(s->source));
	member_write(m, "reader", json_string(s->reader));
	member_write(m, "duration_ns", value_count(s->duration_ns));
	member_write(m, "idle_ns", value_count(s->idle_ns ? s->idle_ns : UNKNOWN));
	member_write(m, "process", process(s, ok));
	member_write(m, "ledger", ledger(s, ok));
	member_write(m, "beside_rss",
		     s->beside.known ? value_beside(&s->beside, ok) : json_null());
	member_write(m, "cgroup_memory",
		     s->beside.known ? value_cgroup(&s->beside.cgroup, ok) : json_null());
	member_write(m, "allocators", allocators(s, ok));
	regions(m, s, ok);
	member_write(m, "verdicts", verdict_list(v->verdicts, ok));
	if (v->before)
		member_write(m, "baseline", baseline(v, ok));
	member_write(m, "keepers", keepers_mapped(s, ok));
	member_write(m, "io_uring", uring(s, ok));
	member_write(m, "pinned_bytes", value_count(s->pinned));
	member_write(m, "huge_zero_bytes", value_count(s->huge_zero));
	if (v->verdicts->growth)
		member_write(m, "growth", growth(v->verdicts->growth, ok));
	member_write(m, "torn_bytes", value_count(s->torn));
	member_write(m, "warnings", warnings(s, ok));
}

int json_snapshot(FILE *out, const struct view *v, bool one_line)
{
	struct members m = { .out = out, .one_line = one_line };
	bool ok = true;

	snapshot(&m, v, &ok);
	return members_end(&m) || !ok ? -1 : 0;
}
