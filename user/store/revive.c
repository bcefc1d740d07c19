// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/revive.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/keepers.h"
#include "render/columns.h"
#include "render/escape.h"
#include "store/parse.h"
#include "store/parts.h"
#include "store/revive_parts.h"

/* Allocators with their settings, owners, sources: a look has a few dozen. */
#define NAMES_MAX ((size_t)4096)

/* Takes @name. */
static const char *keep_name(struct fields *f, char *name, struct snapshot *s)
{
	size_t n = s->nnames;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(s->names[i], name)) {
			free(name);
			return s->names[i];
		}
	if (n == NAMES_MAX)
		fields_fail(f, "more than %zu names", NAMES_MAX);
	/* Doubled whenever it is full. */
	if (!f->failed && !(n & (n - 1))) {
		char **grown = realloc(s->names, (n ? 2 * n : 1) * sizeof(*grown));

		if (grown)
			s->names = grown;
		else
			fields_fail(f, "out of memory");
	}
	if (f->failed) {
		free(name);
		return "";
	}
	return s->names[s->nnames++] = name;
}

const char *revive_name(struct fields *f, const json_t *o, const char *key,
			struct snapshot *s)
{
	char *name = field_clean(f, o, key, true);

	return name ? keep_name(f, name, s) : "";
}

static void copy_text(struct fields *f, const json_t *members, const char *key, char *to,
		      size_t size)
{
	char *text = field_text(f, members, key, true);

	if (text && strlen(text) >= size)
		fields_fail(f, "\"%s\" is longer than %zu bytes", key, size - 1);
	else if (text)
		strcpy(to, text);
	free(text);
}

static void take_times(struct fields *f, const json_t *members, struct snapshot *s)
{
	uint64_t asked = field_maybe(f, members, "idle_ns");

	s->time = field_time(f, members, "time");
	s->uptime_ns = json_object_get(members, "uptime_ns")
			       ? field_number(f, members, "uptime_ns", NUMBER_MAX)
			       : UNKNOWN;
	s->monotonic_ns = s->uptime_ns != UNKNOWN
				  ? s->uptime_ns
				  : (uint64_t)s->time.tv_sec * 1000000000u +
					    (uint64_t)s->time.tv_nsec;
	s->duration_ns = field_number(f, members, "duration_ns", NUMBER_MAX);
	s->idle_ns = asked == UNKNOWN ? 0 : asked;
}

static void take_process(struct fields *f, const json_t *members, struct snapshot *s)
{
	const json_t *o = field_object(f, members, "process");

	f->part = "process";
	s->process.pid = (pid_t)field_number(f, o, "pid", INT_MAX);
	s->process.comm = field_text(f, o, "comm", false);
	s->process.cmdline = field_text(f, o, "cmdline", false);
	s->process.exe = field_text(f, o, "exe", false);
	s->process.cgroup = field_text(f, o, "cgroup", false);
	s->process.starttime = field_number(f, o, "starttime", NUMBER_MAX);
	s->process.threads = (unsigned int)field_number(f, o, "threads", INT_MAX);
	s->rss = field_known(f, o, "rss_bytes");
	s->swap = field_known(f, o, "swap_bytes");
	f->part = "";
}

static void take_line(struct fields *f, const json_t *o, struct snapshot *s)
{
	const char *name = json_string_value(json_object_get(o, "class"));
	enum ledger_class c = name ? part_class(name) : LEDGER_CLASSES;

	if (c == LEDGER_CLASSES) {
		fields_fail(f, "no class is named \"%.64s\"", name ? name : "");
		return;
	}
	s->ledger[c] = (struct ledger_line){
		.resident = field_known(f, o, "resident_bytes"),
		.swapped = field_known(f, o, "swapped_bytes"),
		.idle = field_maybe(f, o, "idle_bytes"),
		.idle_unknown = field_maybe(f, o, "idle_unknown_bytes"),
		.pinned = field_maybe(f, o, "pinned_bytes"),
		.huge = field_maybe(f, o, "huge_bytes"),
		.zero = field_maybe(f, o, "zero_bytes"),
	};
	if (c == LEDGER_HEAP_USED) {
		s->live_bytes = field_known(f, o, "live_bytes");
		s->stranded_bytes = field_known(f, o, "stranded_bytes");
	}
}

/* That each class is there once, the sums tell: a class that is missing is 0. */
static void take_ledger(struct fields *f, const json_t *members, struct snapshot *s)
{
	const json_t *list = field_list(f, members, "ledger", LEDGER_CLASSES);

	f->part = "ledger";
	for (size_t i = 0; i < json_array_size(list); i++) {
		f->index = i + 1;
		take_line(f, json_array_get(list, i), s);
	}
	f->index = 0;
	f->part = "";
	if (list && json_array_size(list) != LEDGER_CLASSES)
		fields_fail(f, "the ledger has not all classes");
}

static void take_warnings(struct fields *f, const json_t *members, struct snapshot *s)
{
	const json_t *list = field_list(f, members, "warnings", SNAPSHOT_WARNINGS);
	char clean[1024];

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text)
			fields_fail(f, "a warning is no string");
		else
			snapshot_warn(s, "%s",
				      escape_terminal(clean, sizeof(clean), text));
	}
}

static void take_keeper(const char *name, struct snapshot *s)
{
	for (size_t i = 0; i < nkeepers; i++)
		if (!strcmp(name, keepers[i].name))
			s->keepers |= 1u << i;
}

/* Who may keep memory outside every heap. */
static void take_keepers(struct fields *f, const json_t *members, struct snapshot *s)
{
	const json_t *list = json_object_get(members, "keepers"), *j;
	const json_t *uring = json_object_get(members, "io_uring");
	size_t i;

	json_array_foreach (list, i, j)
		if (json_is_string(j))
			take_keeper(json_string_value(j), s);
	if (!uring)
		return;
	s->urings = field_known(f, uring, "rings");
	s->uring_buffers = field_known(f, uring, "buffers");
	s->uring_bytes = field_known(f, uring, "registered_bytes");
}

/* Of files of old. */
static void warn_of_age(const json_t *members, struct snapshot *s)
{
	if (!json_object_get(members, "keepers"))
		snapshot_warn(s, "an older fallow wrote this: who keeps memory outside "
				 "of heaps, and what of what is held is in thread caches "
				 "or tops of arenas, is not known");
}

static void take_members(struct fields *f, const json_t *members, void *arg)
{
	struct snapshot *s = arg;

	take_times(f, members, s);
	copy_text(f, members, "boot_id", s->boot_id, sizeof(s->boot_id));
	copy_text(f, members, "host", s->host, sizeof(s->host));
	copy_text(f, members, "kernel", s->kernel, sizeof(s->kernel));
	s->source = revive_name(f, members, "source", s);
	s->reader = revive_name(f, members, "reader", s);
	take_process(f, members, s);
	take_ledger(f, members, s);
	s->pinned = field_maybe(f, members, "pinned_bytes");
	s->huge_zero = field_maybe(f, members, "huge_zero_bytes");
	s->torn = field_known(f, members, "torn_bytes");
	take_warnings(f, members, s);
	take_keepers(f, members, s);
	revive_beside(f, members, s);
	warn_of_age(members, s);
	if (!f->failed)
		revive_heaps(f, members, s);
}

static uint32_t flag_of(char mark, char wanted, uint32_t flag)
{
	return mark == wanted ? flag : 0;
}

static void take_flags(struct fields *f, const json_t *o, struct vma *v)
{
	const char *perms = json_string_value(json_object_get(o, "perms"));
	const json_t *list = json_object_get(o, "flags"), *j;
	size_t n;

	if (!perms || strlen(perms) != 4 || strspn(perms, "rwxsp-") != 4) {
		fields_fail(f, "\"perms\" are none such as \"rw-p\"");
		return;
	}
	v->flags = flag_of(perms[0], 'r', VMA_READ) | flag_of(perms[1], 'w', VMA_WRITE) |
		   flag_of(perms[2], 'x', VMA_EXEC) | flag_of(perms[3], 's', VMA_SHARED);
	json_array_foreach (list, n, j)
		for (size_t i = 0; i < VMA_FLAGS && json_is_string(j); i++)
			if (!strcmp(vma_flags[i].name, json_string_value(j)))
				v->flags |= vma_flags[i].flag;
}

static void take_counts(struct fields *f, const json_t *o, struct vma_stats *st)
{
	const json_t *reclaim = json_object_get(o, "reclaim");
	char key[32];

	for (size_t i = 0; i < VMA_STATS; i++)
		*vma_stat(st, i * sizeof(uint64_t)) = UNKNOWN;
	for (size_t i = 0; i < ncolumns; i++) {
		const struct column *c = &columns[i];

		if (!(c->flags & COLUMN_COUNT) || c->number)
			continue;
		snprintf(key, sizeof(key), "%s_bytes", c->name);
		*vma_stat(st, c->stat) =
			field_maybe(f, c->flags & COLUMN_SPLIT ? reclaim : o, key);
	}
}

static void take_vma(struct fields *f, const json_t *o, struct vma *v)
{
	const char *dev = json_string_value(json_object_get(o, "dev"));
	int used = 0;

	v->start = field_address(f, o, "start", false);
	v->end = field_address(f, o, "end", false);
	if (v->start >= v->end || v->end > ADDRESS_MAX)
		fields_fail(f, "it does not end behind its start, or too high");
	v->offset = field_bits(f, o, "offset");
	v->inode = field_bits(f, o, "inode");
	if (!dev || strlen(dev) > 16 ||
	    sscanf(dev, "%x:%x%n", &v->dev_major, &v->dev_minor, &used) != 2 || dev[used])
		fields_fail(f, "\"dev\" is no device such as \"08:01\"");
	take_flags(f, o, v);
	take_counts(f, o, &v->st);
}

static void take_classes(struct fields *f, const json_t *object,
			 uint64_t bytes[LEDGER_CLASSES])
{
	json_t *classes = (json_t *)object, *j;
	const char *name;

	json_object_foreach (classes, name, j) {
		enum ledger_class c = part_class(name);

		(void)j;
		if (c == LEDGER_CLASSES)
			fields_fail(f, "no class is named \"%.64s\"", name);
		else
			bytes[c] = field_known(f, classes, name);
	}
}

static uint64_t sum_of(const uint64_t bytes[LEDGER_CLASSES])
{
	uint64_t sum = 0;

	for (int c = 0; c < LEDGER_CLASSES; c++)
		sum += bytes[c];
	return sum;
}

/* Room for the @n-th region: doubled whenever it is full. */
static struct region *room(struct fields *f, struct snapshot *s, size_t n)
{
	struct region *grown;

	if (n == REGIONS_MAX)
		fields_fail(f, "more than %zu regions", REGIONS_MAX);
	if (f->failed)
		return NULL;
	if (n & (n - 1))
		return &s->regions[n];
	grown = realloc(s->regions, (n ? 2 * n : 1) * sizeof(*grown));
	if (!grown) {
		fields_fail(f, "out of memory");
		return NULL;
	}
	s->regions = grown;
	return &grown[n];
}

static void add_region(struct fields *f, const json_t *o, void *arg, size_t n)
{
	struct snapshot *s = arg;
	struct region *r = room(f, s, n);
	struct vma v = { 0 };

	if (!r)
		return;
	*r = (struct region){ .owner = revive_name(f, o, "owner", s) };
	take_classes(f, field_object(f, o, "classes"), r->resident);
	take_classes(f, json_object_get(o, "idle"), r->idle);
	take_vma(f, o, &v);
	if (sum_of(r->resident) > v.end - v.start)
		fields_fail(f, "more of it is resident than there is");
	if (sum_of(r->idle) > sum_of(r->resident))
		fields_fail(f, "more of it is idle than is resident");
	v.name = field_text(f, o, "name", false);
	if (n && s->vmas.v[n - 1].end > v.start)
		fields_fail(f, "it does not lie behind the one before");
	if (!f->failed && !vma_list_add(&s->vmas, &v))
		fields_fail(f, "out of memory");
	free(v.name);
}

/*
 * Which pages of files are dirty is not always known by page: of what is idle, it is not known
 * then either, and all counts as clean.
 */
static void check_idle(struct fields *f, const struct ledger_line ledger[LEDGER_CLASSES])
{
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const struct ledger_line *l = &ledger[c];
		uint64_t most = l->resident;

		if (c == LEDGER_FILE_CLEAN)
			most += ledger[LEDGER_FILE_DIRTY].resident;
		if ((l->idle != UNKNOWN && l->idle > most) ||
		    (l->idle_unknown != UNKNOWN && l->idle_unknown > most))
			fields_fail(f, "more of %s is idle than is resident",
				    ledger_name(c));
	}
}

/* By the rules of all records. */
static void check(struct fields *f, const struct snapshot *s)
{
	struct record r;

	if (record_take(&r, s, f->e)) {
		f->failed = true;
		return;
	}
	parts_check(f, &r);
	check_idle(f, s->ledger);
	record_free(&r);
}

int snapshot_revive(struct snapshot *s, const char *text, size_t len, const char *name,
		    struct error *e)
{
	static const struct parse_sink sink = { take_members, add_region };
	struct fields f = { .file = name, .part = "", .e = e };

	*s = (struct snapshot){ .recorded = true };
	parse_snapshot(&f, text, len, &sink, s);
	if (!f.failed)
		check(&f, s);
	if (f.failed || snapshot_add_kinds(s, e)) {
		snapshot_free(s);
		return -1;
	}
	return 0;
}
