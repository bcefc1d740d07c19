// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/parts.h"
#include "store/parse.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_boot(struct fields *f, const json_t *members, struct record *r)
{
	char *id = field_text(f, members, "boot_id", true);

	r->uptime_ns = json_object_get(members, "uptime_ns")
			       ? field_number(f, members, "uptime_ns", NUMBER_MAX)
			       : UNKNOWN;
	if (id && strlen(id) < sizeof(r->boot_id))
		strcpy(r->boot_id, id);
	else
		fields_fail(f, "\"boot_id\" is longer than a UUID");
	free(id);
}

static void take_process(struct fields *f, const json_t *members, struct record *r)
{
	const json_t *o = field_object(f, members, "process");

	f->part = "process";
	r->pid = (pid_t)field_number(f, o, "pid", INT_MAX);
	r->starttime = field_number(f, o, "starttime", NUMBER_MAX);
	r->comm = field_text(f, o, "comm", false);
	r->rss = field_known(f, o, "rss_bytes");
	r->swap = field_known(f, o, "swap_bytes");
	f->part = "";
}

enum ledger_class part_class(const char *name)
{
	int c = 0;

	while (c < LEDGER_CLASSES && strcmp(name, ledger_name(c)) != 0)
		c++;
	return c;
}

static void take_line(struct fields *f, const json_t *o, struct record *r, uint32_t *seen)
{
	char *name = field_text(f, o, "class", false);
	enum ledger_class c = name ? part_class(name) : LEDGER_CLASSES;

	if (c == LEDGER_CLASSES) {
		fields_fail(f, "no class is named \"%.64s\"", name ? name : "");
	} else if (*seen & 1u << c) {
		fields_fail(f, "the class %s is there twice", name);
	} else {
		*seen |= 1u << c;
		r->resident[c] = field_known(f, o, "resident_bytes");
		r->swapped[c] = field_known(f, o, "swapped_bytes");
	}
	free(name);
}

static void take_ledger(struct fields *f, const json_t *members, struct record *r)
{
	const json_t *list = field_list(f, members, "ledger", LEDGER_CLASSES);
	uint32_t seen = 0;

	f->part = "ledger";
	for (size_t i = 0; i < json_array_size(list); i++) {
		f->index = i + 1;
		take_line(f, json_array_get(list, i), r, &seen);
	}
	f->index = 0;
	if (list && seen != (1u << LEDGER_CLASSES) - 1)
		fields_fail(f, "it has not all classes");
	f->part = "";
}

enum heap_status part_status(struct fields *f, const json_t *o)
{
	char *name = field_text(f, o, "status", false);
	enum heap_status s = HEAP_EXACT;

	while (name && s <= HEAP_UNSUPPORTED && strcmp(name, heap_status_name(s)) != 0)
		s++;
	if (s > HEAP_UNSUPPORTED)
		fields_fail(f, "no status is named \"%.64s\"", name);
	free(name);
	return s > HEAP_UNSUPPORTED ? HEAP_UNSUPPORTED : s;
}

static bool in_list(const json_t *list, const char *name)
{
	const json_t *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (json_is_string(j) && !strcmp(json_string_value(j), name))
			return true;
	return false;
}

static void take_settings(struct fields *f, const json_t *o, struct record_heap *h)
{
	json_t *all = (json_t *)field_object(f, o, "settings"), *j;
	const json_t *bytes = json_object_get(o, "settings_in_bytes");
	const char *name;

	if (json_object_size(all) > RECORD_SETTINGS ||
	    json_array_size(bytes) > RECORD_SETTINGS)
		fields_fail(f, "more than %d settings", RECORD_SETTINGS);
	if (f->failed)
		return;
	h->settings = fields_array(f, json_object_size(all), sizeof(*h->settings));
	json_object_foreach (all, name, j) {
		struct record_setting *s;

		if (f->failed)
			return;
		s = &h->settings[h->nsettings++];
		s->name = strdup(name);
		if (!s->name)
			fields_fail(f, "out of memory");
		s->value = (int64_t)field_bits(f, all, name);
		s->is_bytes = in_list(bytes, name);
	}
}

static void take_arena(struct fields *f, const json_t *o, struct record_arena *a)
{
	a->kind = field_text(f, o, "kind", false);
	a->address = field_address(f, o, "address", true);
	a->count[RECORD_RESIDENT] = field_known(f, o, "resident_bytes");
	a->count[RECORD_LIVE] = field_known(f, o, "live_bytes");
	a->count[RECORD_FREE] = field_known(f, o, "free_bytes");
	a->count[RECORD_STRANDED] = field_known(f, o, "stranded_bytes");
	a->count[RECORD_RETURNABLE] = field_known(f, o, "returnable_bytes");
	a->count[RECORD_FALLOW] =
		a->count[RECORD_RETURNABLE] + field_known(f, o, "held_bytes");
}

static void take_arenas(struct fields *f, const json_t *o, struct record_heap *h)
{
	const json_t *list = field_list(f, o, "arenas", ARENAS_MAX);

	if (!list)
		return;
	h->arenas = fields_array(f, json_array_size(list), sizeof(*h->arenas));
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++)
		take_arena(f, json_array_get(list, i), &h->arenas[h->narenas++]);
}

static void take_heap(struct fields *f, const json_t *o, struct record_heap *h)
{
	h->name = field_text(f, o, "name", false);
	h->version = field_text(f, o, "version", false);
	h->reason = field_text(f, o, "reason", true);
	h->status = part_status(f, o);
	h->quick = json_object_get(o, "error_bytes");
	h->count[RECORD_RESIDENT] = field_count(f, o, "resident_bytes");
	if (h->count[RECORD_RESIDENT] == UNKNOWN)
		h->count[RECORD_RESIDENT] = 0;
	h->count[RECORD_LIVE] = field_count(f, o, "live_bytes");
	h->count[RECORD_FREE] = field_count(f, o, "free_bytes");
	h->count[RECORD_STRANDED] = field_count(f, o, "stranded_bytes");
	h->count[RECORD_RETURNABLE] = field_count(f, o, "returnable_bytes");
	h->count[RECORD_FALLOW] = field_count(f, o, "fallow_bytes");
	take_settings(f, o, h);
	take_arenas(f, o, h);
}

static void take_heaps(struct fields *f, const json_t *members, struct record *r)
{
	const json_t *list = field_list(f, members, "allocators", RECORD_HEAPS);

	if (!list)
		return;
	f->part = "allocators";
	r->heaps = fields_array(f, json_array_size(list), sizeof(*r->heaps));
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++) {
		f->index = i + 1;
		take_heap(f, json_array_get(list, i), &r->heaps[r->nheaps++]);
	}
	f->index = 0;
	f->part = "";
}

static void take_warnings(struct fields *f, const json_t *members, struct record *r)
{
	const json_t *list = field_list(f, members, "warnings", RECORD_WARNINGS);

	if (!list)
		return;
	r->warnings = fields_array(f, json_array_size(list), sizeof(*r->warnings));
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s)
			r->warnings[r->nwarnings] = strdup(s);
		if (!s || !r->warnings[r->nwarnings++])
			fields_fail(f, "a warning is no string");
	}
}

static void take_members(struct fields *f, const json_t *members, void *arg)
{
	struct record *r = arg;

	r->time = field_time(f, members, "time");
	take_boot(f, members, r);
	r->host = field_text(f, members, "host", false);
	r->kernel = field_text(f, members, "kernel", false);
	r->source = field_text(f, members, "source", false);
	r->torn = field_known(f, members, "torn_bytes");
	take_process(f, members, r);
	take_ledger(f, members, r);
	take_heaps(f, members, r);
	take_warnings(f, members, r);
}

static uint64_t resident_of(struct fields *f, const json_t *o)
{
	json_t *classes = (json_t *)field_object(f, o, "classes"), *j;
	const char *name;
	uint64_t sum = 0;

	json_object_foreach (classes, name, j) {
		(void)j;
		if (part_class(name) == LEDGER_CLASSES)
			fields_fail(f, "no class is named \"%.64s\"", name);
		sum += field_known(f, classes, name);
	}
	return sum;
}

static void take_perms(struct fields *f, const json_t *o, struct record_region *to)
{
	char *perms = field_text(f, o, "perms", false);

	if (perms && strlen(perms) == 4 && strspn(perms, "rwxsp-") == 4)
		strcpy(to->perms, perms);
	else
		fields_fail(f, "\"perms\" are none such as \"rw-p\"");
	free(perms);
}

static void take_region(struct fields *f, const json_t *o, struct record_region *to)
{
	to->start = field_address(f, o, "start", false);
	to->end = field_address(f, o, "end", false);
	if (to->start >= to->end || to->end > ADDRESS_MAX)
		fields_fail(f, "it does not end behind its start, or too high");
	take_perms(f, o, to);
	to->offset = field_bits(f, o, "offset");
	to->inode = field_bits(f, o, "inode");
	to->dev = field_text(f, o, "dev", false);
	to->name = field_text(f, o, "name", false);
	to->owner = field_text(f, o, "owner", true);
	to->resident = resident_of(f, o);
	to->swapped = field_count(f, o, "swap_bytes");
	if (to->resident > to->end - to->start)
		fields_fail(f, "more of it is resident than there is");
}

static void add_region(struct fields *f, const json_t *o, void *arg, size_t n)
{
	struct record *r = arg;

	if (n == REGIONS_MAX) {
		fields_fail(f, "more than %zu regions", REGIONS_MAX);
		return;
	}
	/* Doubled whenever it is full. */
	if (!(n & (n - 1))) {
		void *grown = realloc(r->regions, (n ? 2 * n : 1) * sizeof(*r->regions));

		if (!grown) {
			fields_fail(f, "out of memory");
			return;
		}
		r->regions = grown;
	}
	r->regions[n] = (struct record_region){ 0 };
	r->nregions = n + 1;
	take_region(f, o, &r->regions[n]);
}

/* Past ADDRESS_MAX, which each addend keeps to, a sum stays there. */
static void add(uint64_t *sum, uint64_t n)
{
	if (*sum <= ADDRESS_MAX)
		*sum += n;
}

static void check_ledger(struct fields *f, const struct record *r)
{
	uint64_t resident = 0, swapped = 0;

	for (int c = 0; c < LEDGER_CLASSES; c++) {
		resident += r->resident[c];
		swapped += r->swapped[c];
	}
	if (resident != r->rss || swapped != r->swap)
		fields_fail(f, "the ledger does not add up to the process' rss and swap");
}

static void check_regions(struct fields *f, const struct record *r)
{
	uint64_t resident = 0, swapped = 0, size = 0;

	for (size_t i = 0; i < r->nregions; i++) {
		const struct record_region *v = &r->regions[i];

		add(&resident, v->resident);
		add(&swapped, v->swapped == UNKNOWN ? 0 : v->swapped);
		add(&size, v->end - v->start);
	}
	if (resident != r->rss)
		fields_fail(f, "the regions do not add up to the process' rss");
	if (swapped > ADDRESS_MAX || size > ADDRESS_MAX)
		fields_fail(f, "the regions are larger than all addresses");
}

/* What is known of a heap is the sum over its arenas. */
static void check_heap(struct fields *f, const struct record_heap *h)
{
	for (int c = 0; c < RECORD_COUNTS; c++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < h->narenas; i++)
			add(&sum, h->arenas[i].count[c]);
		if (sum > ADDRESS_MAX || (h->count[c] != UNKNOWN && sum != h->count[c]))
			fields_fail(f, "the arenas of %.64s do not add up", h->name);
	}
}

static void check_heaps(struct fields *f, const struct record *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->nheaps; i++) {
		check_heap(f, &r->heaps[i]);
		add(&sum, r->heaps[i].count[RECORD_RESIDENT]);
	}
	if (sum > r->rss)
		fields_fail(f, "the allocators have more than the process' rss");
}

void parts_check(struct fields *f, const struct record *r)
{
	check_ledger(f, r);
	check_regions(f, r);
	check_heaps(f, r);
}

int record_parse(struct record *r, const char *text, size_t len, const char *name,
		 struct error *e)
{
	static const struct parse_sink sink = { take_members, add_region };
	struct fields f = { .file = name, .part = "", .e = e };

	*r = (struct record){ 0 };
	parse_snapshot(&f, text, len, &sink, r);
	if (!f.failed) {
		record_sort(r);
		parts_check(&f, r);
	}
	if (f.failed)
		record_free(r);
	return f.failed ? -1 : 0;
}
