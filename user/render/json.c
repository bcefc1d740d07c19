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
	static const char *const kinds[] = { "main", "thread", "mmapped" };
	json_t *list = json_array();

	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];
		json_t *o = json_object();

		set(o, "kind", json_string(kinds[a->kind]), ok);
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

static json_t *settings(const struct heap *h, bool *ok)
{
	json_t *o = json_object();

	for (size_t i = 0; i < h->nsettings; i++)
		set(o, h->settings[i].name, count(h->settings[i].value), ok);
	return o;
}

static json_t *allocator(const struct heap *h, bool *ok)
{
	static const char *const status[] = { "exact", "partial", "unsupported" };
	struct heap_totals t = heap_totals(h);
	bool known = h->status != HEAP_UNSUPPORTED;
	json_t *o = json_object();

	set(o, "name", json_string(h->ops->name), ok);
	set(o, "version", text(h->version), ok);
	set(o, "status", json_string(status[h->status]), ok);
	if (h->reason[0])
		set(o, "reason", text(h->reason), ok);
	set(o, "mapped_bytes", count(known ? t.mapped : UNKNOWN), ok);
	set(o, "live_bytes", count(known ? t.live : UNKNOWN), ok);
	set(o, "free_bytes", count(known ? t.free : UNKNOWN), ok);
	set(o, "own_free_bytes", count(known ? h->own_free : UNKNOWN), ok);
	set(o, "stranded_bytes", count(known ? t.stranded : UNKNOWN), ok);
	set(o, "resident_bytes", count(known ? t.resident : UNKNOWN), ok);
	set(o, "fallow_bytes", count(known ? t.returnable + t.held : UNKNOWN), ok);
	set(o, "returnable_bytes", count(known ? t.returnable : UNKNOWN), ok);
	set(o, "torn_bytes", count(h->torn), ok);
	set(o, "purge", json_string(h->ops->purge), ok);
	set(o, "settings", settings(h, ok), ok);
	set(o, "arenas", arenas(h, ok), ok);
	return o;
}

static json_t *allocators(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nheaps; i++)
		append(list, allocator(s->heaps[i], ok), ok);
	return list;
}

static json_t *perms(const struct vma *v)
{
	return json_sprintf("%c%c%c%c", v->flags & VMA_READ ? 'r' : '-',
			    v->flags & VMA_WRITE ? 'w' : '-',
			    v->flags & VMA_EXEC ? 'x' : '-',
			    v->flags & VMA_SHARED ? 's' : 'p');
}

static const struct {
	const char *key;
	size_t offset;
} stats[] =
	{
#define STAT(key)                                                                        \
	{                                                                                \
#key "_bytes", offsetof(struct vma_stats, key)                           \
	}
		STAT(rss),    STAT(pss),	STAT(anon),	STAT(file),
		STAT(shmem),  STAT(anon_huge),	STAT(dirty),	STAT(file_dirty),
		STAT(shared), STAT(referenced), STAT(lazyfree), STAT(ksm),
		STAT(locked), STAT(swap),	STAT(hugetlb),	STAT(zero),
		STAT(pinned),
#undef STAT
},
  split[] = {
#define STAT(key)                                                                        \
	{                                                                                \
#key "_bytes", offsetof(struct vma_stats, key)                           \
	}
	  STAT(drop), STAT(writeback), STAT(swappable), STAT(noswap), STAT(unevictable),
#undef STAT
};

static uint64_t stat_at(const struct vma_stats *st, size_t offset)
{
	return *(const uint64_t *)((const char *)st + offset);
}

static json_t *classes(const struct region *r, bool *ok)
{
	json_t *o = json_object();

	for (int c = 0; c < LEDGER_CLASSES; c++)
		if (r->resident[c])
			set(o, ledger_name(c), count(r->resident[c]), ok);
	return o;
}

static json_t *region(const struct vma *v, const struct region *r, bool *ok)
{
	json_t *o = json_object(), *reclaim = json_object();

	set(o, "start", address(v->start), ok);
	set(o, "end", address(v->end), ok);
	set(o, "perms", perms(v), ok);
	set(o, "name", text(v->name), ok);
	set(o, "owner", r->owner[0] ? json_string(r->owner) : json_null(), ok);
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		set(o, stats[i].key, count(stat_at(&v->st, stats[i].offset)), ok);
	for (size_t i = 0; i < sizeof(split) / sizeof(split[0]); i++)
		set(reclaim, split[i].key, count(stat_at(&v->st, split[i].offset)), ok);
	set(o, "reclaim", reclaim, ok);
	set(o, "classes", classes(r, ok), ok);
	return o;
}

static json_t *regions(const struct snapshot *s, bool *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->vmas.n; i++)
		append(list, region(&s->vmas.v[i], &s->regions[i], ok), ok);
	return list;
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

static json_t *snapshot(const struct view *v, bool *ok)
{
	const struct snapshot *s = v->now;
	json_t *o = json_object();

	set(o, "schema", json_string("fallow.snapshot/1"), ok);
	set(o, "time", rfc3339(&s->time), ok);
	set(o, "host", text(s->host), ok);
	set(o, "kernel", text(s->kernel), ok);
	set(o, "source", json_string(s->source), ok);
	set(o, "duration_ns", count(s->duration_ns), ok);
	set(o, "idle_ns", count(s->idle_ns ? s->idle_ns : UNKNOWN), ok);
	set(o, "process", process(s, ok), ok);
	set(o, "ledger", ledger(s, ok), ok);
	set(o, "allocators", allocators(s, ok), ok);
	set(o, "regions", regions(s, ok), ok);
	set(o, "verdicts", verdict_list(v->verdicts, ok), ok);
	if (v->before)
		set(o, "baseline", baseline(v, ok), ok);
	set(o, "torn_bytes", count(s->torn), ok);
	set(o, "warnings", warnings(s, ok), ok);
	return o;
}

int json_snapshot(FILE *out, const struct view *v, bool one_line)
{
	bool ok = true;
	json_t *o = snapshot(v, &ok);
	int err = !o || !ok ||
		  json_dumpf(o, out, one_line ? JSON_COMPACT : JSON_INDENT(2)) ||
		  fputc('\n', out) == EOF || fflush(out);

	json_decref(o);
	return err ? -1 : 0;
}
