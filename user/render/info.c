// SPDX-License-Identifier: GPL-2.0-or-later
/* What can be told here, as text and as JSON (schema fallow.info/1). */
#include "render/info.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "heap/heap.h"
#include "heap/known.h"
#include "linux/fallow.h"
#include "model/size.h"
#include "render/columns.h"
#include "version.h"

#define INDENT "            "
#define WIDTH  80

/* Why the column's count is unknown; NULL if it is known, or no count of a page source. */
static const char *reason(const struct probed_source *s, const struct column *c)
{
	if (!(c->flags & COLUMN_COUNT) || c->number)
		return NULL;
	return s->unknown[c->stat / sizeof(uint64_t)];
}

/* A word of a list, on a new line if it does not fit. */
static void put_word(FILE *out, int *at, const char *word, const char *after)
{
	int len = (int)(strlen(word) + strlen(after)) + 1;

	if (*at + len > WIDTH) {
		fprintf(out, "\n" INDENT " ");
		*at = (int)strlen(INDENT) + 1;
	}
	*at += fprintf(out, " %s%s", word, after);
}

/* The first column from @i on that is unknown because of @why; ncolumns if none is. */
static size_t next_unknown(const struct probed_source *s, const char *why, size_t i)
{
	for (; i < ncolumns; i++) {
		const char *other = reason(s, &columns[i]);

		if (other && !strcmp(other, why))
			break;
	}
	return i;
}

static void put_unknown(FILE *out, const struct probed_source *s, const char *why)
{
	int at = fprintf(out, INDENT "unknown:");

	for (size_t next, i = next_unknown(s, why, 0); i < ncolumns; i = next) {
		next = next_unknown(s, why, i + 1);
		put_word(out, &at, columns[i].name, next < ncolumns ? "," : "");
	}
	fprintf(out, " (%s)\n", why);
}

static void put_source(FILE *out, const struct probed_source *s)
{
	for (size_t i = 0; i < s->nabilities; i++) {
		const struct ability *a = &s->abilities[i];

		fprintf(out, INDENT "%s: %s%s\n", a->about,
			a->can ? "yes" : "no: ", a->why);
	}
	for (size_t i = 0; i < ncolumns; i++) {
		const char *why = reason(s, &columns[i]);

		if (why && next_unknown(s, why, 0) == i)
			put_unknown(out, s, why);
	}
}

static void put_module(FILE *out, const struct probe *p)
{
	const struct kmod_info *k = &p->info;
	char a[SIZE_TEXT], b[SIZE_TEXT];

	if (!p->loaded) {
		fprintf(out, "kmod        not in use: %s\n", p->kmod.why.text);
		return;
	}
	fprintf(out, "kmod        fallow %s%s%s\n", k->version,
		p->kmod.usable ? "" : ", not in use: ",
		p->kmod.usable ? "" : p->kmod.why.text);
	fprintf(out, INDENT "lock budget %u us; longest hold so far %.1f us\n",
		k->lock_budget_us, (double)k->lock_max_ns / 1e3);
	fprintf(out,
		INDENT "%" PRIu64 " pages looked at in %" PRIu64
		       " lock holds so far, %.3f s\n",
		k->pages, k->slices, (double)k->walk_ns / 1e9);
	fprintf(out, INDENT "%u trackers; ages take %s of at most %s\n", k->trackers,
		size_format(a, k->age_bytes), size_format(b, k->age_max_bytes));
	put_source(out, &p->kmod);
}

/* Those that are named and not decoded. */
static void put_recognised(FILE *out)
{
	int at = fprintf(out, "recognised ");

	for (size_t i = 0; i < known_count; i++)
		if (!known_heaps[i].decoded)
			put_word(out, &at, known_heaps[i].ops.name,
				 i + 1 < known_count ? "," : "");
	fputc('\n', out);
}

void text_info(FILE *out, const struct probe *p, const char *kernel)
{
	fprintf(out, "fallow      %s\n", FALLOW_VERSION);
	fprintf(out, "kernel      %s\n", kernel);
	fprintf(out, "source      %s, unless --source is given\n",
		p->automatic ? p->automatic : "none");
	fprintf(out, "reader      %s\n", p->reader);
	put_module(out, p);
	fprintf(out, "procfs      %s\n",
		p->procfs.usable ? "can be used" : p->procfs.why.text);
	put_source(out, &p->procfs);
	for (size_t i = 0; i < heap_ndecoders; i++)
		fprintf(out, "%-11s %s (%s)\n", i ? "" : "allocators",
			heap_decoders[i]->name, heap_decoders[i]->versions);
	put_recognised(out);
}

static json_t *ability(const struct ability *a)
{
	return json_pack("{s:b, s:s?}", "available", a->can, "reason",
			 a->can ? NULL : a->why);
}

static json_t *source_json(const struct probed_source *s)
{
	json_t *can = json_object(), *unknown = json_object();

	for (size_t i = 0; i < s->nabilities; i++)
		json_object_set_new(can, s->abilities[i].key, ability(&s->abilities[i]));
	for (size_t i = 0; i < ncolumns; i++)
		if (reason(s, &columns[i]))
			json_object_set_new(unknown, columns[i].name,
					    json_string(reason(s, &columns[i])));
	return json_pack("{s:b, s:s?, s:o, s:o}", "usable", s->usable, "reason",
			 s->usable ? NULL : s->why.text, "abilities", can, "unknown",
			 unknown);
}

static json_t *module_json(const struct kmod_info *k)
{
	return json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "version",
		k->version, "page_size_bytes", (json_int_t)k->page_size, "lock_budget_us",
		(json_int_t)k->lock_budget_us, "lock_max_ns", (json_int_t)k->lock_max_ns,
		"slices", (json_int_t)k->slices, "pages", (json_int_t)k->pages, "walk_ns",
		(json_int_t)k->walk_ns, "trackers", (json_int_t)k->trackers, "age_bytes",
		(json_int_t)k->age_bytes, "age_max_bytes", (json_int_t)k->age_max_bytes);
}

static json_t *allocators(void)
{
	json_t *names = json_array();

	for (size_t i = 0; i < heap_ndecoders; i++)
		json_array_append_new(names, json_string(heap_decoders[i]->name));
	return names;
}

static json_t *recognised(void)
{
	json_t *names = json_array();

	for (size_t i = 0; i < known_count; i++)
		if (!known_heaps[i].decoded)
			json_array_append_new(names,
					      json_string(known_heaps[i].ops.name));
	return names;
}

int json_info(FILE *out, const struct probe *p, const char *kernel)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s?, s:s, s:o, s:{s:o, s:o}, s:o, s:o}", "schema",
		"fallow.info/1", "version", FALLOW_VERSION, "kernel", kernel, "source",
		p->automatic, "reader", p->reader, "module",
		p->loaded ? module_json(&p->info) : json_null(), "sources", "kmod",
		source_json(&p->kmod), "procfs", source_json(&p->procfs), "allocators",
		allocators(), "recognised", recognised());
	int err = !o || json_dumpf(o, out, JSON_INDENT(2)) || fputc('\n', out) == EOF;

	json_decref(o);
	return err ? -1 : 0;
}
