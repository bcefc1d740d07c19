// SPDX-License-Identifier: GPL-2.0-or-later
/* The allocators of a look that is read back; see revive.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/decoder.h"
#include "store/parts.h"
#include "store/revive_parts.h"

#define SETTINGS_MAX ((size_t)RECORD_SETTINGS)

static enum arena_kind take_kind(struct fields *f, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "kind"));
	enum arena_kind k = ARENA_MAIN;

	while (name && k <= ARENA_PLAIN && strcmp(name, arena_name(k)) != 0)
		k++;
	if (!name || k > ARENA_PLAIN) {
		fields_fail(f, "no kind of arena is named \"%.64s\"", name ? name : "");
		return ARENA_PLAIN;
	}
	return k;
}

/* What not every fallow has written; 0 then, of which take_members() warns. */
static uint64_t newer(struct fields *f, const json_t *o, const char *key)
{
	uint64_t n = field_maybe(f, o, key);

	return n == UNKNOWN ? 0 : n;
}

static void take_arena(struct fields *f, const json_t *o, struct heap_arena *a)
{
	uint64_t free = field_known(f, o, "free_bytes");
	uint64_t cached = field_known(f, o, "cached_bytes");

	*a = (struct heap_arena){
		.kind = take_kind(f, o),
		.address = field_address(f, o, "address", true),
		.mapped = field_known(f, o, "mapped_bytes"),
		.resident = field_known(f, o, "resident_bytes"),
		.stranded = field_known(f, o, "stranded_bytes"),
		.returnable = field_known(f, o, "returnable_bytes"),
		.held = field_known(f, o, "held_bytes"),
		.used = newer(f, o, "used_bytes"),
		.swapped = newer(f, o, "swapped_bytes"),
		.returnable_top = newer(f, o, "returnable_top_bytes"),
		.held_cached = newer(f, o, "held_cached_bytes"),
		.held_top = newer(f, o, "held_top_bytes"),
		.held_unit = newer(f, o, "held_unit_bytes"),
	};
	if (cached > free)
		fields_fail(f, "more of an arena is in caches than is free");
	a->bytes[EXTENT_LIVE] = field_known(f, o, "live_bytes");
	a->bytes[EXTENT_CACHED] = cached;
	a->bytes[EXTENT_FREE] = free - cached;
	a->bytes[EXTENT_META] = field_known(f, o, "metadata_bytes");
	a->bytes[EXTENT_UNREAD] = field_known(f, o, "unread_bytes");
}

static void take_arenas(struct fields *f, const json_t *o, struct heap *h)
{
	const json_t *list = field_list(f, o, "arenas", ARENAS_MAX);

	if (!list)
		return;
	h->arenas = fields_array(f, json_array_size(list), sizeof(*h->arenas));
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++)
		take_arena(f, json_array_get(list, i), &h->arenas[h->narenas++]);
}

static void take_setting(struct fields *f, json_t *all, const char *name,
			 const json_t *bytes, struct heap_setting *to, struct snapshot *s)
{
	json_t *as_text = json_pack("{s:s}", "name", name);
	const json_t *j;
	size_t i;

	to->value = (int64_t)field_bits(f, all, name);
	to->name = revive_name(f, as_text, "name", s);
	json_array_foreach (bytes, i, j)
		if (json_is_string(j) && !strcmp(json_string_value(j), name))
			to->is_bytes = true;
	json_decref(as_text);
}

static void take_settings(struct fields *f, const json_t *o, struct heap *h,
			  struct snapshot *s)
{
	json_t *all = (json_t *)field_object(f, o, "settings"), *j;
	const json_t *bytes = json_object_get(o, "settings_in_bytes");
	const char *name;

	if (json_object_size(all) > SETTINGS_MAX || json_array_size(bytes) > SETTINGS_MAX)
		fields_fail(f, "more than %zu settings", SETTINGS_MAX);
	if (f->failed)
		return;
	h->settings = fields_array(f, json_object_size(all), sizeof(*h->settings));
	json_object_foreach (all, name, j) {
		(void)j;
		if (f->failed)
			return;
		take_setting(f, all, name, bytes, &h->settings[h->nsettings++], s);
	}
}

static void take_class(struct fields *f, const json_t *o, struct heap *h, uint64_t *sum)
{
	struct heap_class *c = &h->classes[h->nclasses];

	c->size = field_known(f, o, "size_bytes");
	c->live = field_known(f, o, "live_bytes");
	c->free = field_known(f, o, "free_bytes");
	c->stranded = field_known(f, o, "stranded_bytes");
	*sum += c->live + c->free;
	if (c->stranded > c->free || *sum > RECORD_MAX ||
	    (h->nclasses && c[-1].size >= c->size))
		fields_fail(f, "the size classes do not add up, or are not in order");
	h->nclasses++;
}

static void take_size_classes(struct fields *f, const json_t *o, struct heap *h)
{
	const json_t *list;
	uint64_t sum = 0;

	if (!json_object_get(o, "classes"))
		return;
	list = field_list(f, o, "classes", CLASSES_MAX);
	h->classes = fields_array(f, json_array_size(list), sizeof(*h->classes));
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++)
		take_class(f, json_array_get(list, i), h, &sum);
}

static void take_data(struct fields *f, const json_t *o, struct remnant *r)
{
	const char *hex = json_string_value(json_object_get(o, "data"));
	unsigned int byte;

	if (!hex)
		return;
	if (strlen(hex) > 2 * sizeof(r->data) || strlen(hex) % 2 ||
	    strspn(hex, "0123456789abcdef") != strlen(hex))
		fields_fail(f, "\"data\" is no text such as \"00ff\", or too long");
	while (!f->failed && sscanf(hex + 2 * r->ndata, "%2x", &byte) == 1)
		r->data[r->ndata++] = (uint8_t)byte;
}

static void take_remnant(struct fields *f, const json_t *o, struct remnant *r)
{
	r->block = field_address(f, o, "block", false);
	r->unit.start = field_address(f, o, "start", false);
	r->unit.end = field_address(f, o, "end", false);
	r->unit.arena = (uint32_t)field_number(f, o, "arena", UINT32_MAX);
	r->live = field_known(f, o, "live_bytes");
	r->free = field_known(f, o, "free_bytes");
	take_data(f, o, r);
}

static void take_remnants(struct fields *f, const json_t *o, struct heap *h)
{
	const json_t *all = field_object(f, o, "remnants");
	const json_t *list = field_list(f, all, "worst", REMNANTS_MAX);

	h->pinning = field_known(f, all, "count");
	h->pinning_live = field_known(f, all, "live_bytes");
	h->pinning_free = field_known(f, all, "free_bytes");
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++)
		take_remnant(f, json_array_get(list, i), &h->remnants[h->nremnants++]);
}

static void take_error(struct fields *f, const json_t *o, struct heap *h)
{
	const json_t *error = json_object_get(o, "error_bytes");

	h->quick = error;
	if (!error)
		return;
	h->error.live = field_known(f, error, "live");
	h->error.returnable = field_known(f, error, "returnable");
	h->error.held = field_known(f, error, "held");
}

static void copy(struct fields *f, const json_t *o, const char *key, char *to,
		 size_t size)
{
	char *text = field_text(f, o, key, true);

	snprintf(to, size, "%s", text ? text : "");
	free(text);
}

static void take_heap(struct fields *f, const json_t *o, struct heap *h,
		      struct snapshot *s)
{
	uint64_t own = field_maybe(f, o, "own_free_bytes");

	copy(f, o, "version", h->version, sizeof(h->version));
	copy(f, o, "reason", h->reason, sizeof(h->reason));
	h->status = part_status(f, o);
	h->torn = field_known(f, o, "torn_bytes");
	h->own_free = own == UNKNOWN ? 0 : own;
	take_error(f, o, h);
	take_settings(f, o, h, s);
	take_arenas(f, o, h);
	take_size_classes(f, o, h);
	take_remnants(f, o, h);
}

static bool counts_by_name(const char *name)
{
	for (size_t i = 0; i < heap_ndecoders; i++)
		if (name && !strcmp(heap_decoders[i]->name, name))
			return heap_decoders[i]->counts;
	return false;
}

/* It is shown, and never walked: its operations are a name, and what frees it. */
static struct heap *new_heap(struct fields *f, const json_t *o, struct snapshot *s)
{
	struct heap *h = decoder_heap(NULL, sizeof(struct heap_ops));
	struct heap_ops *ops;

	if (!h) {
		fields_fail(f, "out of memory");
		return NULL;
	}
	ops = h->priv;
	h->ops = ops;
	ops->free = decoder_free;
	ops->versions = "";
	ops->name = revive_name(f, o, "name", s);
	ops->counts = counts_by_name(ops->name);
	if (!json_is_null(json_object_get(o, "purge")))
		ops->purge = revive_name(f, o, "purge", s);
	return h;
}

void revive_heaps(struct fields *f, const json_t *members, struct snapshot *s)
{
	const json_t *list = field_list(f, members, "allocators", RECORD_HEAPS);

	if (!list)
		return;
	f->part = "allocators";
	s->heaps = fields_array(f, json_array_size(list), sizeof(*s->heaps));
	for (size_t i = 0; !f->failed && i < json_array_size(list); i++) {
		struct heap *h = new_heap(f, json_array_get(list, i), s);

		f->index = i + 1;
		if (!h)
			break;
		s->heaps[s->nheaps++] = h;
		take_heap(f, json_array_get(list, i), h, s);
	}
	f->index = 0;
	f->part = "";
}
