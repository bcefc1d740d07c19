// SPDX-License-Identifier: GPL-2.0-or-later
/* The record of a look; see record.h. What a file says of it comes from render/json.c. */
#include "store/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"

/* As it would be read back from a file. */
static char *copy_text(const char *raw, bool *ok)
{
	size_t size = 4 * strlen(raw) + 1;
	char *clean = malloc(size);

	if (!clean)
		*ok = false;
	else
		escape_utf8(clean, size, raw);
	return clean;
}

/* calloc() that takes 0. */
static void *array_of(size_t n, size_t size, bool *ok)
{
	void *a = calloc(n ? n : 1, size);

	if (!a)
		*ok = false;
	return a;
}

static void take_process(struct record *r, const struct snapshot *s, bool *ok)
{
	r->time = s->time;
	r->time.tv_nsec -= r->time.tv_nsec % 1000000;
	r->uptime_ns = s->uptime_ns;
	memcpy(r->boot_id, s->boot_id, sizeof(r->boot_id));
	r->host = copy_text(s->host, ok);
	r->kernel = copy_text(s->kernel, ok);
	r->source = copy_text(s->source, ok);
	r->pid = s->process.pid;
	r->starttime = s->process.starttime;
	r->comm = copy_text(s->process.comm, ok);
	r->rss = s->rss;
	r->swap = s->swap;
	r->torn = s->torn;
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		r->resident[c] = s->ledger[c].resident;
		r->swapped[c] = s->ledger[c].swapped;
	}
}

static void take_arena(struct record_arena *to, const struct heap_arena *a, bool *ok)
{
	to->kind = copy_text(arena_name(a->kind), ok);
	to->address = a->address;
	to->count[RECORD_RESIDENT] = a->resident;
	to->count[RECORD_LIVE] = a->bytes[EXTENT_LIVE];
	to->count[RECORD_FREE] = a->bytes[EXTENT_FREE] + a->bytes[EXTENT_CACHED] +
				 a->bytes[EXTENT_TOP] + a->bytes[EXTENT_RETURNABLE];
	to->count[RECORD_STRANDED] = a->stranded;
	to->count[RECORD_RETURNABLE] = a->returnable;
	to->count[RECORD_FALLOW] = a->returnable + a->held;
}

static void take_settings(struct record_heap *to, const struct heap *h, bool *ok)
{
	to->settings = array_of(h->nsettings, sizeof(*to->settings), ok);
	for (size_t i = 0; *ok && i < h->nsettings; i++, to->nsettings++) {
		to->settings[i].name = copy_text(h->settings[i].name, ok);
		to->settings[i].value = h->settings[i].value;
		to->settings[i].is_bytes = h->settings[i].is_bytes;
	}
}

static void take_counts(struct record_heap *to, const struct heap *h)
{
	struct heap_totals t = heap_totals(h);
	bool known = h->status != HEAP_UNSUPPORTED;

	to->count[RECORD_RESIDENT] = t.resident;
	to->count[RECORD_LIVE] = known ? t.live : UNKNOWN;
	to->count[RECORD_FREE] = known ? t.free : UNKNOWN;
	to->count[RECORD_STRANDED] = known ? t.stranded : UNKNOWN;
	to->count[RECORD_RETURNABLE] = known ? t.returnable : UNKNOWN;
	to->count[RECORD_FALLOW] = known ? t.returnable + t.held : UNKNOWN;
}

static void take_heap(struct record_heap *to, const struct heap *h, bool *ok)
{
	to->name = copy_text(h->ops->name, ok);
	to->version = copy_text(h->version, ok);
	to->reason = copy_text(h->reason, ok);
	to->status = h->status;
	to->quick = h->quick;
	take_counts(to, h);
	take_settings(to, h, ok);
	to->arenas = array_of(h->narenas, sizeof(*to->arenas), ok);
	for (size_t i = 0; *ok && i < h->narenas; i++)
		take_arena(&to->arenas[to->narenas++], &h->arenas[i], ok);
}

static void take_heaps(struct record *r, const struct snapshot *s, bool *ok)
{
	r->heaps = array_of(s->nheaps, sizeof(*r->heaps), ok);
	for (size_t i = 0; *ok && i < s->nheaps; i++)
		take_heap(&r->heaps[r->nheaps++], s->heaps[i], ok);
}

static void take_region(struct record_region *to, const struct vma *v,
			const struct region *r, bool *ok)
{
	char dev[32];

	snprintf(dev, sizeof(dev), "%02x:%02x", v->dev_major, v->dev_minor);
	*to = (struct record_region){
		.start = v->start,
		.end = v->end,
		.offset = v->offset,
		.inode = v->inode,
		.dev = copy_text(dev, ok),
		.name = copy_text(v->name, ok),
		.owner = copy_text(r->owner, ok),
		.swapped = v->st.swap,
	};
	vma_perms(v, to->perms);
	for (int c = 0; c < LEDGER_CLASSES; c++)
		to->resident += r->resident[c];
}

static void take_regions(struct record *r, const struct snapshot *s, bool *ok)
{
	r->regions = array_of(s->vmas.n, sizeof(*r->regions), ok);
	for (size_t i = 0; *ok && i < s->vmas.n; i++)
		take_region(&r->regions[r->nregions++], &s->vmas.v[i], &s->regions[i],
			    ok);
}

static void take_warnings(struct record *r, const struct snapshot *s, bool *ok)
{
	r->warnings = array_of(s->nwarnings, sizeof(*r->warnings), ok);
	for (size_t i = 0; *ok && i < s->nwarnings; i++)
		r->warnings[r->nwarnings++] = copy_text(s->warnings[i], ok);
}

int record_take(struct record *r, const struct snapshot *s, struct error *e)
{
	bool ok = true;

	*r = (struct record){ 0 };
	take_process(r, s, &ok);
	take_heaps(r, s, &ok);
	take_regions(r, s, &ok);
	take_warnings(r, s, &ok);
	if (!ok) {
		record_free(r);
		return error_sys(e, ENOMEM, "the record of process %d",
				 (int)s->process.pid);
	}
	record_sort(r);
	return 0;
}
