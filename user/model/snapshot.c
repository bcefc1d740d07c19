// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes a snapshot. The order is the point: counts per VMA first, for a look
 * at the heap marks pages as referenced; then stacks, heaps, and residency
 * along with them.
 */
#include "model/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "clock.h"
#include "heap/keepers.h"
#include "heap/known.h"
#include "heap/recall.h"
#include "model/mappers.h"
#include "model/size.h"
#include "model/sweep.h"
#include "model/zeros.h"
#include "target/uring.h"

/* Huge pages that are worth to be read: so many bytes, and one of so many of all. */
#define HUGE_FLOOR (8u << 20)
#define HUGE_SHARE 10

void snapshot_warn(struct snapshot *s, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (s->nwarnings == SNAPSHOT_WARNINGS)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		s->warnings[s->nwarnings++] = text;
	va_end(ap);
}

struct heap_totals heap_totals(const struct heap *h)
{
	struct heap_totals sum = { 0 };

	for (size_t i = 0; i < h->narenas; i++) {
		const struct heap_arena *a = &h->arenas[i];

		sum.mapped += a->mapped;
		sum.live += a->bytes[EXTENT_LIVE];
		sum.free += a->bytes[EXTENT_FREE] + a->bytes[EXTENT_CACHED] +
			    a->bytes[EXTENT_TOP] + a->bytes[EXTENT_RETURNABLE];
		sum.resident += a->resident;
		sum.used += a->used;
		sum.stranded += a->stranded;
		sum.returnable += a->returnable;
		sum.returnable_top += a->returnable_top;
		sum.held += a->held;
		sum.held_cached += a->held_cached;
		sum.held_top += a->held_top;
		sum.held_unit += a->held_unit;
		sum.swapped += a->swapped;
	}
	return sum;
}

static int copy_process(struct snapshot *s, struct target *t, struct error *e)
{
	struct process *p = &s->process;

	if (target_refresh(t, e))
		return -1;
	*p = (struct process){
		.pid = t->pid,
		.comm = strdup(t->comm),
		.cmdline = strdup(t->cmdline),
		.exe = strdup(t->exe),
		.cgroup = strdup(t->cgroup),
		.starttime = t->starttime,
		.threads = t->threads,
		.execs = t->execs,
	};
	if (!p->comm || !p->cmdline || !p->exe || !p->cgroup)
		return error_sys(e, ENOMEM, "process %d", (int)t->pid);
	return 0;
}

static void name_host(struct snapshot *s)
{
	struct utsname u;

	if (uname(&u))
		return;
	snprintf(s->host, sizeof(s->host), "%s", u.nodename);
	snprintf(s->kernel, sizeof(s->kernel), "%s", u.release);
}

static void name_boot(struct snapshot *s)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f)
		return;
	if (fscanf(f, "%36[0-9a-f-]", s->boot_id) != 1)
		s->boot_id[0] = '\0';
	fclose(f);
}

static int read_vmas(struct snapshot *s, struct target *t, struct pages *p,
		     struct error *e)
{
	bool torn;

	if (p->ops->vmas(p, t, &s->vmas, &torn, e))
		return -1;
	if (torn)
		snapshot_warn(
			s,
			"the address space kept changing while its mappings were read");
	s->regions = calloc(s->vmas.n, sizeof(*s->regions));
	if (!s->regions)
		return error_sys(e, ENOMEM, "%zu mappings", s->vmas.n);
	for (size_t i = 0; i < s->vmas.n; i++)
		s->regions[i].owner = "";
	return 0;
}

static int begin_map(struct snapshot *s, const struct target *t, struct error *e)
{
	s->map = map_new(&s->vmas, t->reader.page_size);
	return s->map ? 0 : error_sys(e, ENOMEM, "the map of %zu mappings", s->vmas.n);
}

/* What could not be looked through may hide an allocator. */
static void warn_of_heaps(struct snapshot *s, const struct target *t, size_t decoded)
{
	uint64_t swapped = 0;

	for (size_t i = 0; i < s->vmas.n; i++)
		if (!(s->vmas.v[i].flags & VMA_SHARED))
			swapped += s->vmas.v[i].st.swap;
	if (!decoded)
		snapshot_warn(s,
			      "no %s allocator was found: anonymous memory is "
			      "unclaimed, which does not mean that it is in use",
			      s->nheaps ? "decoded" : "known");
	if (!decoded && target_is_32_bit(t))
		snapshot_warn(s, "this is a 32-bit program: allocators of such are not "
				 "decoded");
	if (swapped)
		snapshot_warn(s,
			      "%" PRIu64 " KiB of private memory are on swap: an "
			      "allocator whose roots are among them is not found",
			      swapped >> 10);
}

static void drop_heaps(struct snapshot *s)
{
	for (size_t i = 0; i < s->nheaps; i++) {
		free(s->heaps[i]->classes);
		s->heaps[i]->ops->free(s->heaps[i]);
	}
	s->nheaps = 0;
}

/* 1: not all that were known of are where they were. */
static int detect_all(struct snapshot *s, const struct heap_source *src, struct error *e)
{
	bool known = recall_known(src->recall);

	for (size_t i = 0; i < heap_ndecoders; i++) {
		struct heap *h;

		if (heap_decoders[i]->detect(src, &h, e))
			return -1;
		if (!h && known && recall_had_decoder(src->recall, i))
			return 1;
		if (!h)
			continue;
		recall_note_decoder(src->recall, i);
		s->heaps[s->nheaps++] = h;
	}
	return 0;
}

static int find_heaps(struct snapshot *s, struct target *t, struct recall *recall,
		      struct error *e)
{
	struct heap_source src = { .target = t, .vmas = &s->vmas, .recall = recall };
	size_t decoded;
	int err;

	s->heaps = calloc(heap_ndecoders + known_count, sizeof(*s->heaps));
	if (!s->heaps)
		return error_sys(e, ENOMEM, "heaps");
	recall_begin(recall, &s->vmas);
	err = detect_all(s, &src, e);
	if (err > 0) {
		drop_heaps(s);
		recall_forget(recall);
		err = detect_all(s, &src, e);
	}
	if (err)
		return -1;
	decoded = s->nheaps;
	if (known_detect(&src, s->heaps, &s->nheaps, e) ||
	    keepers_find(&src, &s->keepers, e))
		return -1;
	warn_of_heaps(s, t, decoded);
	return 0;
}

/*
 * Of a source that does not tell which pages are mapped huge: the count of a
 * whole VMA belongs to the only class that has pages there; where several have, a
 * count that is not 0 cannot be split.
 */
static void spread_huge(struct snapshot *s, size_t i)
{
	const struct region *r = &s->regions[i];
	uint64_t count = s->vmas.v[i].st.anon_huge;
	int classes = 0;

	for (int c = 0; c < LEDGER_CLASSES; c++)
		classes += r->resident[c] != 0;
	for (int c = 0; c < LEDGER_CLASSES; c++)
		if (r->resident[c])
			s->ledger[c].huge =
				count_add(s->ledger[c].huge,
					  count && classes > 1 ? UNKNOWN : count);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Takes back what the sweep could not know. */
static void settle_line(struct ledger_line *l, const struct snapshot *s, uint32_t known)
{
	if (l->resident && !(known & RUN_PINNED))
		l->pinned = UNKNOWN;
	if (!(known & RUN_ZERO))
		l->zero = UNKNOWN;
	if (!s->idle_ns)
		l->idle_unknown = UNKNOWN;
	/* Where some ages are known, what is idle by them is so at least. */
	if (!s->idle_ns || (l->resident && l->idle_unknown >= l->resident))
		l->idle = UNKNOWN;
}

/* mlockall(2) makes all of a mapping resident, unless it is told MCL_ONFAULT. */
static void add_locked(struct snapshot *s, size_t i)
{
	const struct vma *v = &s->vmas.v[i];

	if (!(v->flags & VMA_LOCKED) || v->st.rss < v->end - v->start)
		return;
	for (int c = 0; c < LEDGER_CLASSES; c++)
		s->locked_whole[c] += s->regions[i].resident[c];
}

int snapshot_add_kinds(struct snapshot *s, struct error *e)
{
	s->pieces = calloc(s->vmas.n + 1, sizeof(*s->pieces));
	if (!s->pieces)
		return error_sys(e, ENOMEM, "%zu mappings", s->vmas.n);
	for (size_t i = 0; i < s->vmas.n; i++) {
		const struct vma *v = &s->vmas.v[i];
		uint64_t other = s->regions[i].resident[LEDGER_ANON_OTHER];

		s->lazyfree = count_add(s->lazyfree, v->st.lazyfree);
		s->huge = count_add(s->huge, v->st.anon_huge);
		add_locked(s, i);
		if (other)
			s->pieces[s->npieces++] =
				(struct piece){ v->start, v->end, other };
	}
	return 0;
}

/* By page, if the source tells; else as drivers account for it: VmPin. */
static void add_pinned(struct snapshot *s, const struct target *t)
{
	uint64_t sum = 0;

	for (int c = 0; c < LEDGER_CLASSES; c++)
		sum = count_add(sum, s->ledger[c].pinned);
	s->pinned = sum == UNKNOWN ? target_status(t, "VmPin") : sum;
}

/* Of what is pinned, who pins it, where the kernel tells. */
static int add_uring(struct snapshot *s, const struct target *t, struct error *e)
{
	struct uring_buffers u;
	int err;

	if (!s->pinned)
		return 0;
	err = uring_buffers_read(t, &u);
	if (err)
		return error_sys(e, -err, "process %d, its io_uring buffers",
				 (int)t->pid);
	s->uring_bytes = u.bytes;
	s->uring_buffers = u.registered;
	s->urings = u.rings;
	if (u.partial)
		snapshot_warn(
			s,
			"there are too many open files, or io_uring buffers, to look at "
			"all of them: more may be registered");
	for (size_t i = 0; i < s->vmas.n; i++)
		if (!s->regions[i].owner[0] &&
		    uring_buffers_touch(&u, s->vmas.v[i].start, s->vmas.v[i].end))
			s->regions[i].owner = "io_uring";
	uring_buffers_free(&u);
	return 0;
}

/* Reading huge pages takes time: only where they are a good part of all. */
static int add_zeros(struct snapshot *s, struct target *t, const struct look *how,
		     struct error *e)
{
	s->huge_zero = UNKNOWN;
	if (how->quick || s->huge == UNKNOWN || s->huge < HUGE_FLOOR ||
	    s->huge < s->rss / HUGE_SHARE)
		return 0;
	return zeros_count(t, &s->vmas, &s->huge_zero, e);
}

static int add_beside(struct snapshot *s, struct target *t, const struct look *how,
		      struct error *e)
{
	int err;

	if (how->totals)
		return 0;
	err = beside_read(&s->beside, t, how->quick ? NULL : &s->vmas);
	return err ? error_sys(e, -err, "process %d, what it has open", (int)t->pid) : 0;
}

static void warn_of_ages(struct snapshot *s)
{
	char size[SIZE_TEXT];
	uint64_t unknown = 0;

	for (int c = 0; s->idle_ns && c < LEDGER_CLASSES; c++)
		unknown += s->ledger[c].idle_unknown;
	if (unknown)
		snapshot_warn(s,
			      "of %s it is not known when they were accessed (pinned for "
			      "DMA, or new): they are not counted as idle",
			      size_format(size, unknown));
}

static void add_up(struct snapshot *s, uint32_t known)
{
	for (size_t i = 0; i < s->vmas.n; i++) {
		uint64_t resident = 0;

		for (int c = 0; c < LEDGER_CLASSES; c++) {
			s->ledger[c].resident += s->regions[i].resident[c];
			s->ledger[c].swapped += s->regions[i].swapped[c];
			resident += s->regions[i].resident[c];
		}
		if (!(known & RUN_HUGE) && !s->vmas.v[i].huge_told)
			spread_huge(s, i);
		s->torn += distance(resident, s->vmas.v[i].st.rss);
	}
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		s->rss += s->ledger[c].resident;
		s->swap += s->ledger[c].swapped;
		settle_line(&s->ledger[c], s, known);
	}
	warn_of_ages(s);
}

static int take(struct snapshot *s, struct target *t, struct pages *p,
		const struct look *how, struct error *e)
{
	struct stack_pointers sp = { 0 };
	int err;

	if (copy_process(s, t, e) || read_vmas(s, t, p, e) ||
	    (how->map && begin_map(s, t, e)))
		return -1;
	err = stack_pointers_read(t, &sp);
	if (err)
		return error_sys(e, -err, "process %d, reading its threads", (int)t->pid);
	if (sp.unknown)
		snapshot_warn(s,
			      "%zu of %u threads were running: their stacks are not "
			      "split, or are in anon.other",
			      sp.unknown, s->process.threads);
	err = find_heaps(s, t, how->recall, e) || sweep(s, t, p, &sp, how, e);
	stack_pointers_free(&sp);
	return err ? -1 : 0;
}

static int take_once(struct snapshot *s, struct target *t, struct pages *p,
		     const struct look *how, struct error *e)
{
	*s = (struct snapshot){ .source = p->ops->name,
				.reader = reader_name(&t->reader),
				.idle_ns = how->idle_ns };
	clock_gettime(CLOCK_REALTIME, &s->time);
	s->monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	s->uptime_ns = clock_ns(CLOCK_BOOTTIME);
	name_host(s);
	name_boot(s);
	if (take(s, t, p, how, e)) {
		snapshot_free(s);
		return -1;
	}
	add_up(s, p->known);
	add_pinned(s, t);
	if (add_uring(s, t, e) || snapshot_add_kinds(s, e) || add_zeros(s, t, how, e) ||
	    add_beside(s, t, how, e)) {
		snapshot_free(s);
		return -1;
	}
	s->duration_ns = clock_ns(CLOCK_MONOTONIC) - s->monotonic_ns;
	return 0;
}

int snapshot_take(struct snapshot *s, struct target *t, struct pages *p,
		  const struct look *how, struct error *e)
{
	int err = take_once(s, t, p, how, e);

	/* What calls exec meanwhile is there, with other memory. */
	if (err && e->status == EXIT_GONE && reader_is_gone(&t->reader))
		err = take_once(s, t, p, how, e);
	if (!err && recall_missed(how->recall, s->ledger[LEDGER_ANON_OTHER].resident)) {
		snapshot_free(s);
		err = take_once(s, t, p, how, e);
		if (!err)
			recall_missed(how->recall, s->ledger[LEDGER_ANON_OTHER].resident);
	}
	return err;
}

void snapshot_shed(struct snapshot *s)
{
	for (size_t i = 0; s->regions && i < s->vmas.n; i++)
		free(s->regions[i].mapped_by);
	free(s->regions);
	s->regions = NULL;
	map_free(s->map);
	s->map = NULL;
	vma_list_free(&s->vmas);
}

void snapshot_free(struct snapshot *s)
{
	drop_heaps(s);
	free(s->heaps);
	snapshot_shed(s);
	free(s->pieces);
	mappers_free(s->mappers);
	free(s->process.comm);
	free(s->process.cmdline);
	free(s->process.exe);
	free(s->process.cgroup);
	for (size_t i = 0; i < s->nwarnings; i++)
		free(s->warnings[i]);
	for (size_t i = 0; i < s->nnames; i++)
		free(s->names[i]);
	free(s->names);
	*s = (struct snapshot){ 0 };
}
