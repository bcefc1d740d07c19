// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot as JSON; the schema is in Documentation/fallow.schema.json. */
#include "render/render.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "render/escape.h"

static json_t *text(const char *raw)
{
	size_t size = 4 * strlen(raw) + 1;
	char *clean = malloc(size);
	json_t *j = clean ? json_string(escape_utf8(clean, size, raw)) : NULL;

	free(clean);
	return j;
}

static json_t *count(uint64_t n)
{
	return n == UNKNOWN ? json_null() : json_integer((json_int_t)n);
}

static json_t *address(uint64_t a)
{
	return json_sprintf("0x%" PRIx64, a);
}

static json_t *rfc3339(const struct timespec *ts)
{
	char date[32];
	struct tm tm;

	gmtime_r(&ts->tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	return json_sprintf("%s.%03ldZ", date, ts->tv_nsec / 1000000);
}

/* Takes the reference to @value, also on failure; *ok remembers it. */
static void set(json_t *o, const char *key, json_t *value, bool *ok)
{
	if (json_object_set_new(o, key, value))
		*ok = false;
}

static void append(json_t *list, json_t *value, bool *ok)
{
	if (json_array_append_new(list, value))
		*ok = false;
}

static json_t *process(const struct snapshot *s, bool *ok)
{
	json_t *o = json_object();

	set(o, "pid", json_integer(s->process.pid), ok);
	set(o, "comm", text(s->process.comm), ok);
	set(o, "cmdline", text(s->process.cmdline), ok);
	set(o, "exe", text(s->process.exe), ok);
	set(o, "starttime", count(s->process.starttime), ok);
	set(o, "threads", json_integer(s->process.threads), ok);
	set(o, "cgroup", text(s->process.cgroup), ok);
	set(o, "rss_bytes", count(s->rss), ok);
	set(o, "swap_bytes", count(s->swap), ok);
	return o;
}

static json_t *ledger(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const struct ledger_line *l = &s->ledger[c];
		json_t *o = json_object();

		set(o, "class", json_string(ledger_name(c)), ok);
		set(o, "resident_bytes", count(l->resident), ok);
		set(o, "swapped_bytes", count(l->swapped), ok);
		set(o, "idle_bytes", count(l->idle), ok);
		set(o, "idle_unknown_bytes", count(l->idle_unknown), ok);
		set(o, "pinned_bytes", count(l->pinned), ok);
		set(o, "huge_bytes", count(l->huge), ok);
		set(o, "zero_bytes", count(l->zero), ok);
		if (c == LEDGER_HEAP_USED) {
			set(o, "live_bytes", count(s->live_bytes), ok);
			set(o, "stranded_bytes", count(s->stranded_bytes), ok);
		}
		append(list, o, ok);
	}
	return list;
}

static json_t *arenas(const struct heap *h, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];
		json_t *o = json_object();

		set(o, "kind", json_string(arena_name(a->kind)), ok);
		set(o, "address", a->address ? address(a->address) : json_null(), ok);
		set(o, "mapped_bytes", count(a->mapped), ok);
		set(o, "live_bytes", count(a->bytes[EXTENT_LIVE]), ok);
		set(o, "free_bytes",
		    count(a->bytes[EXTENT_FREE] + a->bytes[EXTENT_CACHED] +
			  a->bytes[EXTENT_TOP] + a->bytes[EXTENT_RETURNABLE]),
		    ok);
		set(o, "cached_bytes", count(a->bytes[EXTENT_CACHED]), ok);
		set(o, "metadata_bytes", count(a->bytes[EXTENT_META]), ok);
		set(o, "unread_bytes", count(a->bytes[EXTENT_UNREAD]), ok);
		set(o, "resident_bytes", count(a->resident), ok);
		set(o, "stranded_bytes", count(a->stranded), ok);
		set(o, "returnable_bytes", count(a->returnable), ok);
		set(o, "held_bytes", count(a->held), ok);
		append(list, o, ok);
	}
	return list;
}

static json_t *size_classes(const struct heap *h, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->nclasses; i++) {
		const struct heap_class *c = &h->classes[i];
		json_t *o = json_object();

		set(o, "size_bytes", count(c->size), ok);
		set(o, "live_bytes", count(c->live), ok);
		set(o, "free_bytes", count(c->free), ok);
		set(o, "stranded_bytes", count(c->stranded), ok);
		append(list, o, ok);
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

		set(one, "block", address(r->block), ok);
		set(one, "start", address(r->unit.start), ok);
		set(one, "end", address(r->unit.end), ok);
		set(one, "arena", json_integer(r->unit.arena), ok);
		set(one, "live_bytes", count(r->live), ok);
		set(one, "free_bytes", count(r->free), ok);
		if (r->ndata)
			set(one, "data", data(r), ok);
		append(list, one, ok);
	}
	set(o, "count", count(h->pinning), ok);
	set(o, "live_bytes", count(h->pinning_live), ok);
	set(o, "free_bytes", count(h->pinning_free), ok);
	set(o, "worst", list, ok);
	return o;
}

static json_t *settings(const struct heap *h, bool *ok)
{
	json_t *o = json_object();

	for (size_t i = 0; i < h->nsettings; i++)
		set(o, h->settings[i].name, json_integer(h->settings[i].value), ok);
	return o;
}

/* Of a quick look. */
static json_t *quick_error(const struct heap *h, bool *ok)
{
	json_t *o = json_object();

	set(o, "live", count(h->error.live), ok);
	set(o, "returnable", count(h->error.returnable), ok);
	set(o, "held", count(h->error.held), ok);
	return o;
}

static json_t *allocator(const struct heap *h, bool *ok)
{
	static const char *const status[] = { "exact", "partial", "unsupported" };
	struct heap_totals t = heap_totals(h);
	bool known = h->status != HEAP_UNSUPPORTED;
	bool has_memory = known || h->narenas;
	json_t *o = json_object();

	set(o, "name", json_string(h->ops->name), ok);
	set(o, "version", text(h->version), ok);
	set(o, "status", json_string(status[h->status]), ok);
	if (h->reason[0])
		set(o, "reason", text(h->reason), ok);
	set(o, "mapped_bytes", count(has_memory ? t.mapped : UNKNOWN), ok);
	set(o, "live_bytes", count(known ? t.live : UNKNOWN), ok);
	set(o, "free_bytes", count(known ? t.free : UNKNOWN), ok);
	set(o, "own_free_bytes", count(known ? h->own_free : UNKNOWN), ok);
	set(o, "stranded_bytes", count(known ? t.stranded : UNKNOWN), ok);
	set(o, "resident_bytes", count(has_memory ? t.resident : UNKNOWN), ok);
	set(o, "fallow_bytes", count(known ? t.returnable + t.held : UNKNOWN), ok);
	set(o, "returnable_bytes", count(known ? t.returnable : UNKNOWN), ok);
	set(o, "torn_bytes", count(h->torn), ok);
	if (h->quick)
		set(o, "error_bytes", quick_error(h, ok), ok);
	set(o, "purge", h->ops->purge ? json_string(h->ops->purge) : json_null(), ok);
	set(o, "settings", settings(h, ok), ok);
	set(o, "arenas", arenas(h, ok), ok);
	if (h->classes)
		set(o, "classes", size_classes(h, ok), ok);
	set(o, "remnants", remnants(h, ok), ok);
	return o;
}

static json_t *allocators(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nheaps; i++)
		append(list, allocator(s->heaps[i], ok), ok);
	return list;
}

static json_t *classes(const struct region *r, bool *ok)
{
	json_t *o = json_object();

	for (int c = 0; c < LEDGER_CLASSES; c++)
		if (r->resident[c])
			set(o, ledger_name(c), count(r->resident[c]), ok);
	return o;
}

static json_t *flags(const struct vma *v, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < VMA_FLAGS; i++)
		if (v->flags & vma_flags[i].flag)
			append(list, json_string(vma_flags[i].name), ok);
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
		set(c->flags & COLUMN_SPLIT ? reclaim : o, key,
		    count(column_count(c, v, r)), ok);
	}
}

static json_t *region(const struct vma *v, const struct region *r, bool *ok)
{
	json_t *o = json_object(), *reclaim = json_object();
	char perms[5];

	set(o, "start", address(v->start), ok);
	set(o, "end", address(v->end), ok);
	set(o, "perms", json_string(vma_perms(v, perms)), ok);
	set(o, "offset", count(v->offset), ok);
	set(o, "dev", json_sprintf("%02x:%02x", v->dev_major, v->dev_minor), ok);
	set(o, "inode", count(v->inode), ok);
	set(o, "name", text(v->name), ok);
	set(o, "flags", flags(v, ok), ok);
	set(o, "owner", r->owner[0] ? json_string(r->owner) : json_null(), ok);
	counts(o, reclaim, v, r, ok);
	set(o, "reclaim", reclaim, ok);
	set(o, "classes", classes(r, ok), ok);
	return o;
}

static json_t *verdict(const struct verdict *v, bool *ok)
{
	json_t *o = json_object(), *facts = json_array(), *advice = json_array();

	for (size_t i = 0; i < v->nevidence; i++)
		append(facts, text(v->evidence[i]), ok);
	for (size_t i = 0; i < v->nadvice; i++) {
		json_t *a = json_object();

		set(a, "text", text(v->advice[i].text), ok);
		set(a, "gives_back_bytes", count(v->advice[i].bytes), ok);
		set(a, "at_most", json_boolean(v->advice[i].at_most), ok);
		append(advice, a, ok);
	}
	set(o, "id", json_string(verdict_name(v->id)), ok);
	set(o, "bytes", count(v->bytes), ok);
	set(o, "confidence", json_string(confidence_name(v->confidence)), ok);
	set(o, "evidence", facts, ok);
	set(o, "advice", advice, ok);
	return o;
}

static json_t *verdict_list(const struct verdicts *all, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < all->n; i++)
		append(list, verdict(&all->v[i], ok), ok);
	return list;
}

static json_t *warnings(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nwarnings; i++)
		append(list, text(s->warnings[i]), ok);
	return list;
}

/* The earlier look, as far as change is judged by it. */
static json_t *baseline(const struct view *v, bool *ok)
{
	json_t *o = json_object();

	set(o, "time", rfc3339(&v->before->time), ok);
	set(o, "interval_ns", count(v->now->monotonic_ns - v->before->monotonic_ns), ok);
	set(o, "rss_bytes", count(v->before->rss), ok);
	set(o, "ledger", ledger(v->before, ok), ok);
	return o;
}

/* An object that is written member by member. */
struct stream {
	FILE *out;
	bool one_line;
	size_t members;
	bool failed;
};

/* Writes what the encoder made; a line break is never within a string. */
static int write_indented(const char *text, size_t len, void *arg)
{
	struct stream *w = arg;
	const char *newline;

	while ((newline = memchr(text, '\n', len))) {
		size_t line = (size_t)(newline - text) + 1;

		fwrite(text, 1, line, w->out);
		fputs("  ", w->out);
		text += line;
		len -= line;
	}
	fwrite(text, 1, len, w->out);
	return ferror(w->out) ? -1 : 0;
}

static void begin_member(struct stream *w, const char *key)
{
	const char *mark = w->members++ ? "," : "{";

	fprintf(w->out, w->one_line ? "%s\"%s\":" : "%s\n  \"%s\": ", mark, key);
}

static void encode(struct stream *w, json_t *value, size_t flags)
{
	if (!value ||
	    json_dump_callback(value, write_indented, w, flags | JSON_ENCODE_ANY))
		w->failed = true;
	json_decref(value);
}

/* Takes the reference to @value. */
static void member(struct stream *w, const char *key, json_t *value)
{
	begin_member(w, key);
	encode(w, value, w->one_line ? JSON_COMPACT : JSON_INDENT(2));
}

/* One at a time: there may be 65,000. A line each, so that text tools find them. */
static void regions(struct stream *w, const struct snapshot *s, bool *ok)
{
	const char *line = w->one_line ? "" : "\n    ";

	begin_member(w, "regions");
	fputc('[', w->out);
	for (size_t i = 0; i < s->vmas.n && !w->failed; i++) {
		fprintf(w->out, "%s%s", i ? "," : "", line);
		encode(w, region(&s->vmas.v[i], &s->regions[i], ok), JSON_COMPACT);
	}
	fputs(w->one_line ? "]" : "\n  ]", w->out);
}

static void snapshot(struct stream *w, const struct view *v, bool *ok)
{
	const struct snapshot *s = v->now;

	member(w, "schema", json_string("fallow.snapshot/1"));
	member(w, "time", rfc3339(&s->time));
	member(w, "host", text(s->host));
	member(w, "kernel", text(s->kernel));
	member(w, "source", json_string(s->source));
	member(w, "reader", json_string(s->reader));
	member(w, "duration_ns", count(s->duration_ns));
	member(w, "idle_ns", count(s->idle_ns ? s->idle_ns : UNKNOWN));
	member(w, "process", process(s, ok));
	member(w, "ledger", ledger(s, ok));
	member(w, "allocators", allocators(s, ok));
	regions(w, s, ok);
	member(w, "verdicts", verdict_list(v->verdicts, ok));
	if (v->before)
		member(w, "baseline", baseline(v, ok));
	member(w, "torn_bytes", count(s->torn));
	member(w, "warnings", warnings(s, ok));
	fputs(w->one_line ? "}\n" : "\n}\n", w->out);
}

int json_snapshot(FILE *out, const struct view *v, bool one_line)
{
	struct stream w = { .out = out, .one_line = one_line };
	bool ok = true;

	snapshot(&w, v, &ok);
	return fflush(out) || ferror(out) || w.failed || !ok ? -1 : 0;
}
