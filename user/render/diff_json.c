// SPDX-License-Identifier: GPL-2.0-or-later
/* What changed as JSON; the schema is in Documentation/fallow-diff.schema.json. */
#include "render/diff.h"
#include "render/member.h"

static const char *const count_keys[RECORD_COUNTS] = {
	[RECORD_RESIDENT] = "resident_bytes",
	[RECORD_LIVE] = "live_bytes",
	[RECORD_FREE] = "free_bytes",
	[RECORD_STRANDED] = "stranded_bytes",
	[RECORD_RETURNABLE] = "returnable_bytes",
	[RECORD_FALLOW] = "fallow_bytes",
};

static json_t *change_value(int64_t change)
{
	return change == CHANGE_UNKNOWN ? json_null() : json_integer(change);
}

static json_t *text_list(char *const *texts, size_t n, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		value_append(list, value_text(texts[i]), ok);
	return list;
}

static json_t *origin(const struct record *r, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "time", value_time(&r->time), ok);
	value_set(o, "host", value_text(r->host), ok);
	value_set(o, "kernel", value_text(r->kernel), ok);
	value_set(o, "source", value_text(r->source), ok);
	value_set(o, "pid", json_integer(r->pid), ok);
	value_set(o, "starttime", value_count(r->starttime), ok);
	value_set(o, "comm", value_text(r->comm), ok);
	value_set(o, "rss_bytes", value_count(r->rss), ok);
	value_set(o, "swap_bytes", value_count(r->swap), ok);
	value_set(o, "torn_bytes", value_count(r->torn), ok);
	value_set(o, "warnings", text_list(r->warnings, r->nwarnings, ok), ok);
	return o;
}

/* Adds what was, what is, how they differ and how fast. */
static void set_change(json_t *o, const struct diff *d, uint64_t before, uint64_t now,
		       bool *ok)
{
	int64_t change = change_of(before, now);

	value_set(o, "before_bytes", value_count(before), ok);
	value_set(o, "now_bytes", value_count(now), ok);
	value_set(o, "change_bytes", change_value(change), ok);
	value_set(o, "bytes_per_minute", change_value(diff_rate(d, change)), ok);
}

static json_t *rss(const struct diff *d, bool *ok)
{
	json_t *o = json_object();

	set_change(o, d, d->before->rss, d->now->rss, ok);
	return o;
}

static json_t *ledger(const struct diff *d, bool *ok)
{
	json_t *list = json_array();

	for (int c = 0; c < LEDGER_CLASSES; c++) {
		json_t *o = json_object();

		value_set(o, "class", json_string(ledger_name(c)), ok);
		set_change(o, d, d->before->resident[c], d->now->resident[c], ok);
		value_set(o, "swapped_change_bytes",
			  change_value(
				  change_of(d->before->swapped[c], d->now->swapped[c])),
			  ok);
		value_append(list, o, ok);
	}
	return list;
}

static json_t *counts(const uint64_t *count, bool *ok)
{
	json_t *o = json_object();

	for (int c = 0; c < RECORD_COUNTS; c++)
		value_set(o, count_keys[c], value_count(count[c]), ok);
	return o;
}

static json_t *arena(const struct diff_arena *a, bool *ok)
{
	const struct record_arena *known = a->now ? a->now : a->before;
	json_t *o = json_object(), *change = json_object();

	for (int c = 0; c < RECORD_COUNTS; c++)
		value_set(change, count_keys[c], change_value(diff_arena_change(a, c)),
			  ok);
	value_set(o, "kind", value_text(known->kind), ok);
	value_set(o, "address",
		  known->address ? value_address(known->address) : json_null(), ok);
	value_set(o, "before", a->before ? counts(a->before->count, ok) : json_null(),
		  ok);
	value_set(o, "now", a->now ? counts(a->now->count, ok) : json_null(), ok);
	value_set(o, "change", change, ok);
	return o;
}

static json_t *setting_value(const struct record_setting *s)
{
	return s ? json_integer(s->value) : json_null();
}

static json_t *settings(const struct diff_heap *h, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->nsettings; i++) {
		const struct diff_setting *s = &h->settings[i];
		json_t *o = json_object();

		value_set(o, "name", value_text((s->now ? s->now : s->before)->name), ok);
		value_set(o, "before", setting_value(s->before), ok);
		value_set(o, "now", setting_value(s->now), ok);
		value_append(list, o, ok);
	}
	return list;
}

/* An allocator in one of the looks; null if it was not there. */
static json_t *heap_side(const struct record_heap *h, bool *ok)
{
	json_t *o;

	if (!h)
		return json_null();
	o = counts(h->count, ok);
	value_set(o, "version", value_text(h->version), ok);
	value_set(o, "status", json_string(heap_status_name(h->status)), ok);
	value_set(o, "reason", value_text(h->reason), ok);
	value_set(o, "quick", json_boolean(h->quick), ok);
	return o;
}

static json_t *heap(const struct diff_heap *h, bool *ok)
{
	json_t *o = json_object(), *change = json_object(), *arenas = json_array();

	for (int c = 0; c < RECORD_COUNTS; c++)
		value_set(change, count_keys[c], change_value(diff_heap_change(h, c)),
			  ok);
	for (size_t i = 0; i < h->narenas; i++)
		value_append(arenas, arena(&h->arenas[i], ok), ok);
	value_set(o, "name", value_text((h->now ? h->now : h->before)->name), ok);
	value_set(o, "before", heap_side(h->before, ok), ok);
	value_set(o, "now", heap_side(h->now, ok), ok);
	value_set(o, "change", change, ok);
	value_set(o, "arenas", arenas, ok);
	value_set(o, "settings_changed", settings(h, ok), ok);
	return o;
}

static json_t *heaps(const struct diff *d, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->nheaps; i++)
		value_append(list, heap(&d->heaps[i], ok), ok);
	return list;
}

static json_t *outside(const struct diff *d, bool *ok)
{
	json_t *o = json_object();

	set_change(o, d, d->outside_before, d->outside_now, ok);
	return o;
}

/* A region, or several that belong together, in one of the looks. */
static json_t *region_side(const struct match_side *s, bool *ok)
{
	json_t *o;

	if (!s->n)
		return json_null();
	o = json_object();
	value_set(o, "start", value_address(s->first->start), ok);
	value_set(o, "end", value_address(s->end), ok);
	value_set(o, "regions", json_integer((json_int_t)s->n), ok);
	value_set(o, "perms", json_string(s->first->perms), ok);
	value_set(o, "name", value_text(s->first->name), ok);
	value_set(o, "owner",
		  s->first->owner[0] ? value_text(s->first->owner) : json_null(), ok);
	value_set(o, "size_bytes", value_count(s->size), ok);
	value_set(o, "resident_bytes", value_count(s->resident), ok);
	value_set(o, "swapped_bytes", value_count(s->swapped), ok);
	return o;
}

static json_t *region(const struct match *m, bool *ok)
{
	json_t *o = json_object();

	value_set(o, "what", json_string(match_name(m->kind)), ok);
	value_set(o, "before", region_side(&m->before, ok), ok);
	value_set(o, "now", region_side(&m->now, ok), ok);
	value_set(o, "change_bytes", json_integer(m->change), ok);
	return o;
}

static void regions(struct members *m, const struct diff *d, bool *ok)
{
	size_t shown = 0, same = 0;
	uint64_t resident = 0;
	json_t *o;

	member_list_begin(m, "regions");
	for (size_t i = 0; i < d->nregions && !m->failed; i++) {
		if (match_changed(&d->regions[i])) {
			member_list_add(m, shown++, region(&d->regions[i], ok));
		} else {
			same += d->regions[i].now.n;
			resident += d->regions[i].now.resident;
		}
	}
	member_list_end(m);
	o = json_object();
	value_set(o, "regions", json_integer((json_int_t)same), ok);
	value_set(o, "resident_bytes", value_count(resident), ok);
	member_write(m, "unchanged", o);
}

int json_diff(FILE *out, const struct diff *d)
{
	struct members m = { .out = out };
	bool ok = true;

	member_write(&m, "schema", json_string("fallow.diff/1"));
	member_write(&m, "before", origin(d->before, &ok));
	member_write(&m, "now", origin(d->now, &ok));
	member_write(&m, "same_host", json_boolean(d->same_host));
	member_write(&m, "same_process", json_boolean(d->same_process));
	member_write(&m, "interval_ns",
		     value_count(d->ordered ? d->interval_ns : UNKNOWN));
	member_write(&m, "rss", rss(d, &ok));
	member_write(&m, "ledger", ledger(d, &ok));
	member_write(&m, "allocators", heaps(d, &ok));
	member_write(&m, "no_allocator", outside(d, &ok));
	regions(&m, d, &ok);
	return members_end(&m) || !ok ? -1 : 0;
}
