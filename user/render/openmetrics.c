// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics. The samples of a metric have to stand together, whatever process they are of:
 * each metric gathers its own.
 */
#include "render/openmetrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "render/escape.h"
#include "target/container.h"
#include "version.h"

#define VALUE_MAX 256 /* bytes of a label's value: a name may be as long as a path */

enum metric {
	INFO,
	RESIDENT,
	SWAPPED,
	PINNED,
	TORN,
	THREADS,
	DURATION,
	ALLOCATOR_INFO,
	ALLOCATOR_RESIDENT,
	ALLOCATOR_LIVE,
	ALLOCATOR_FREE,
	ALLOCATOR_STRANDED,
	ALLOCATOR_FALLOW,
	ALLOCATOR_RETURNABLE,
	VERDICT,
	PROCESSES,
	LEFT_OUT,
	TIME,
	BUILD,
	METRICS
};

static const struct {
	const char *name;
	const char *unit;
	const char *help;
} about[METRICS] = {
	[INFO] = { "fallow_process_info", "",
		   "What a process is and where it runs, as labels; 1." },
	[RESIDENT] = { "fallow_process_resident_bytes", "bytes",
		       "Resident memory by class; all classes add up to RSS." },
	[SWAPPED] = { "fallow_process_swapped_bytes", "bytes",
		      "Memory on swap by class." },
	[PINNED] = { "fallow_process_pinned_bytes", "bytes",
		     "Resident memory that is pinned for DMA." },
	[TORN] = { "fallow_process_torn_bytes", "bytes",
		   "Memory that changed under the look." },
	[THREADS] = { "fallow_process_threads", "", "Threads." },
	[DURATION] = { "fallow_process_look_duration_seconds", "seconds",
		       "How long the look at the process took." },
	[ALLOCATOR_INFO] = { "fallow_allocator_info", "",
			     "An allocator in a process: version, and how far it is "
			     "decoded; 1." },
	[ALLOCATOR_RESIDENT] = { "fallow_allocator_resident_bytes", "bytes",
				 "Resident memory of an allocator." },
	[ALLOCATOR_LIVE] = { "fallow_allocator_live_bytes", "bytes",
			     "Blocks that the application holds." },
	[ALLOCATOR_FREE] = { "fallow_allocator_free_bytes", "bytes",
			     "Free memory that an allocator has, resident or not." },
	[ALLOCATOR_STRANDED] = { "fallow_allocator_stranded_bytes", "bytes",
				 "Free bytes on pages that a live block shares." },
	[ALLOCATOR_FALLOW] = { "fallow_allocator_fallow_bytes", "bytes",
			       "Resident pages of which the application holds nothing." },
	[ALLOCATOR_RETURNABLE] = { "fallow_allocator_returnable_bytes", "bytes",
				   "Of these, what the allocator's purge would give "
				   "back." },
	[VERDICT] = { "fallow_verdict_bytes", "bytes",
		      "Memory that a verdict concerns; there as long as it holds." },
	[PROCESSES] = { "fallow_export_processes", "",
			"Processes by what became of them in this export." },
	[LEFT_OUT] = { "fallow_export_left_out_bytes", "bytes",
		       "RSS of the processes that are left out." },
	[TIME] = { "fallow_export_timestamp_seconds", "seconds",
		   "When the export ended, in Unix time." },
	[BUILD] = { "fallow_build_info", "", "The version of fallow; 1." },
};

struct family {
	FILE *samples;
	char *text;
	size_t len;
};

/* What the samples of a process are told from those of others by. */
struct subject {
	char pid[16];
	char comm[VALUE_MAX]; /* clean */
};

struct openmetrics {
	struct family family[METRICS];
	struct subject *subjects; /* whose samples are there */
	size_t nsubjects;
};

struct openmetrics *openmetrics_new(void)
{
	struct openmetrics *m = calloc(1, sizeof(*m));

	for (int i = 0; m && i < METRICS; i++) {
		struct family *f = &m->family[i];

		f->samples = open_memstream(&f->text, &f->len);
		if (!f->samples) {
			openmetrics_free(m);
			return NULL;
		}
	}
	return m;
}

void openmetrics_free(struct openmetrics *m)
{
	for (int i = 0; m && i < METRICS; i++) {
		if (m->family[i].samples)
			fclose(m->family[i].samples);
		free(m->family[i].text);
	}
	if (m)
		free(m->subjects);
	free(m);
}

/* A value between quotes. */
static void write_value(FILE *out, const char *raw)
{
	char clean[VALUE_MAX];

	fputc('"', out);
	for (const char *s = escape_terminal(clean, sizeof(clean), raw); *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

struct label {
	const char *name, *value;
};

/* Begins a sample with the labels that come before one without a name. */
static FILE *begin(struct openmetrics *m, enum metric metric, const struct label *labels)
{
	FILE *out = m->family[metric].samples;

	fputs(about[metric].name, out);
	for (size_t i = 0; labels[i].name; i++) {
		fprintf(out, "%s%s=", i ? "," : "{", labels[i].name);
		write_value(out, labels[i].value);
	}
	fputs(labels[0].name ? "} " : " ", out);
	return out;
}

#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { NULL, NULL } })

static void sample(struct openmetrics *m, enum metric metric, const struct label *labels,
		   uint64_t value)
{
	if (value != UNKNOWN)
		fprintf(begin(m, metric, labels), "%" PRIu64 "\n", value);
}

#define OF(s)                                                                            \
	{ "pid", (s)->pid },                                                             \
	{                                                                                \
		"comm", (s)->comm                                                        \
	}

static void add_process(struct openmetrics *m, const struct snapshot *s,
			const struct subject *of)
{
	const struct process *p = &s->process;
	struct container c;

	container_of_cgroup(&c, p->cgroup);
	sample(m, INFO,
	       LABELS(OF(of), { "exe", p->exe }, { "cgroup", p->cgroup },
		      { "container_id", c.id }, { "pod_uid", c.pod },
		      { "source", s->source }),
	       1);
	sample(m, THREADS, LABELS(OF(of)), p->threads);
	sample(m, TORN, LABELS(OF(of)), s->torn);
	sample(m, PINNED, LABELS(OF(of)), s->pinned);
	fprintf(begin(m, DURATION, LABELS(OF(of))), "%.6f\n",
		(double)s->duration_ns / 1e9);
}

static void add_ledger(struct openmetrics *m, const struct snapshot *s,
		       const struct subject *of)
{
	for (int c = 0; c < LEDGER_CLASSES; c++) {
		const struct ledger_line *l = &s->ledger[c];
		const struct label *labels = LABELS(OF(of), { "class", ledger_name(c) });

		sample(m, RESIDENT, labels, l->resident);
		sample(m, SWAPPED, labels, l->swapped);
	}
}

/* Counts of allocators of the same name, of which a process may have several. */
struct sums {
	uint64_t resident, live, free, stranded, fallow, returnable;
};

static void sum(struct sums *to, const struct heap *h)
{
	struct heap_totals t = heap_totals(h);
	bool known = h->status != HEAP_UNSUPPORTED;

	to->resident =
		count_add(to->resident, known || h->narenas ? t.resident : UNKNOWN);
	to->live = count_add(to->live, known ? t.live : UNKNOWN);
	to->free = count_add(to->free, known ? t.free : UNKNOWN);
	to->stranded = count_add(to->stranded, known ? t.stranded : UNKNOWN);
	to->fallow = count_add(to->fallow, known ? t.returnable + t.held : UNKNOWN);
	to->returnable = count_add(to->returnable, known ? t.returnable : UNKNOWN);
}

static bool same_name(const struct snapshot *s, size_t a, size_t b)
{
	return !strcmp(s->heaps[a]->ops->name, s->heaps[b]->ops->name);
}

static void add_allocator(struct openmetrics *m, const struct snapshot *s, size_t first,
			  const struct subject *of)
{
	const struct heap *h = s->heaps[first];
	const struct label *labels = LABELS(OF(of), { "allocator", h->ops->name });
	struct sums all = { 0 };

	for (size_t i = first; i < s->nheaps; i++)
		if (same_name(s, i, first))
			sum(&all, s->heaps[i]);
	sample(m, ALLOCATOR_INFO,
	       LABELS(OF(of), { "allocator", h->ops->name }, { "version", h->version },
		      { "status", heap_status_name(h->status) }),
	       1);
	sample(m, ALLOCATOR_RESIDENT, labels, all.resident);
	sample(m, ALLOCATOR_LIVE, labels, all.live);
	sample(m, ALLOCATOR_FREE, labels, all.free);
	sample(m, ALLOCATOR_STRANDED, labels, all.stranded);
	sample(m, ALLOCATOR_FALLOW, labels, all.fallow);
	sample(m, ALLOCATOR_RETURNABLE, labels, all.returnable);
}

static void add_allocators(struct openmetrics *m, const struct snapshot *s,
			   const struct subject *of)
{
	for (size_t i = 0; i < s->nheaps; i++) {
		size_t first = 0;

		while (!same_name(s, first, i))
			first++;
		if (first == i)
			add_allocator(m, s, i, of);
	}
}

static void add_all(struct openmetrics *m, const struct view *v, const struct subject *of)
{
	add_process(m, v->now, of);
	add_ledger(m, v->now, of);
	add_allocators(m, v->now, of);
	for (size_t i = 0; i < v->verdicts->n; i++) {
		const struct verdict *w = &v->verdicts->v[i];

		sample(m, VERDICT,
		       LABELS(OF(of), { "verdict", verdict_name(w->id) },
			      { "confidence", confidence_name(w->confidence) }),
		       w->bytes);
	}
}

int openmetrics_add(struct openmetrics *m, const struct view *v)
{
	const struct process *p = &v->now->process;
	struct subject of, *grown;

	snprintf(of.pid, sizeof(of.pid), "%d", (int)p->pid);
	escape_terminal(of.comm, sizeof(of.comm), p->comm);
	for (size_t i = 0; i < m->nsubjects; i++)
		if (!strcmp(m->subjects[i].pid, of.pid) &&
		    !strcmp(m->subjects[i].comm, of.comm))
			return 1;
	grown = realloc(m->subjects, (m->nsubjects + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	m->subjects = grown;
	grown[m->nsubjects++] = of;
	add_all(m, v, &of);
	return 0;
}

void openmetrics_count(struct openmetrics *m, const struct export_counts *n)
{
	struct timespec now;

	sample(m, PROCESSES, LABELS({ "result", "exported" }), n->exported);
	sample(m, PROCESSES, LABELS({ "result", "left_out" }), n->left_out);
	sample(m, PROCESSES, LABELS({ "result", "gone" }), n->gone);
	sample(m, PROCESSES, LABELS({ "result", "denied" }), n->denied);
	sample(m, PROCESSES, LABELS({ "result", "failed" }), n->failed);
	sample(m, LEFT_OUT, LABELS({ NULL, NULL }), n->left_out_bytes);
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(begin(m, TIME, LABELS({ NULL, NULL })), "%lld.%03ld\n",
		(long long)now.tv_sec, now.tv_nsec / 1000000);
	sample(m, BUILD, LABELS({ "version", FALLOW_VERSION }), 1);
}

int openmetrics_write(FILE *out, struct openmetrics *m)
{
	for (int i = 0; i < METRICS; i++) {
		struct family *f = &m->family[i];

		if (fflush(f->samples) || ferror(f->samples))
			return -1;
		if (!f->len)
			continue;
		fprintf(out, "# TYPE %s gauge\n", about[i].name);
		if (about[i].unit[0])
			fprintf(out, "# UNIT %s %s\n", about[i].name, about[i].unit);
		fprintf(out, "# HELP %s %s\n%s", about[i].name, about[i].help, f->text);
	}
	fputs("# EOF\n", out);
	return ferror(out) ? -1 : 0;
}
