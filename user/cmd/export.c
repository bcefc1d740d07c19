// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow export: looks at several processes, for programs that gather such. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/size.h"
#include "render/csv.h"
#include "render/escape.h"
#include "render/html.h"
#include "render/openmetrics.h"
#include "store/stored.h"
#include "store/write.h"
#include "target/processes.h"

static const char usage[] =
	"usage: fallow export TARGET... [options]\n"
	"       fallow export --all [--top=N] [options]\n"
	"\n"
	"A look at each of some processes, for programs. TARGET is a pid, a process "
	"name,\n"
	"or a look in a file, see fallow record --help.\n"
	"\n"
	"  --format=F        openmetrics, which node_exporter's textfile collector "
	"takes\n"
	"                    (default); json, an object a line as of report --json; "
	"csv,\n"
	"                    the ledger; or html, one process as a page for a browser\n"
	"  -o, --output=FILE to this file, replaced once all is written, instead of\n"
	"                    standard output; metrics for all to read, else for its "
	"owner\n"
	"  --all             the processes that have most anonymous memory; how many "
	"are\n"
	"                    left out is told, too\n"
	"  --top=N           of these, N at most (1 to 1000, default 20)\n"
	"  --quick           of glibc's heaps, follow the lists of free blocks, and of\n"
	"                    Python's, gperftools' and mimalloc's, read how many of a\n"
	"                    pool, span or page are free, instead of all of them\n"
	"  --freeze          stop each process (SIGSTOP) during its look\n" HELP_TARGET;

struct export
{
	const struct options *o;
	struct export_counts counts;
	struct openmetrics *metrics;
	FILE *lines; /* of the other formats */
};

struct rows {
	struct html *page;
	uint64_t last_ns; /* when the look that is shown was taken */
};

/* Which look is the last one may be another by now: none after the one that is shown. */
static int add_row(void *arg, const struct moment *m, struct error *e)
{
	const struct rows *rows = arg;

	if (m->monotonic_ns > rows->last_ns || !html_row(rows->page, m))
		return 0;
	return error_set(e, EXIT_FAILED, "writing the page failed");
}

/* Of a recording, all that is before the look; of others, that alone is its time. */
static int add_rows(struct html *page, const struct view *v, const char *stored,
		    struct error *e)
{
	struct moment only = moment_of(v->now);
	struct rows rows = { page, only.monotonic_ns };
	struct recording *r;
	size_t i;
	int err;

	if (!stored || !stored_is_recording(stored))
		return add_row(&rows, &only, e);
	if (stored_replay(&r, &i, stored, e))
		return -1;
	err = recording_moments(r, i, add_row, &rows, e);
	recording_close(r);
	return err;
}

static int write_page(FILE *out, const struct view *v, const char *stored,
		      struct error *e)
{
	struct html page;

	if (html_begin(&page, out))
		return error_set(e, EXIT_FAILED, "writing the page failed");
	if (add_rows(&page, v, stored, e)) {
		html_cancel(&page);
		return -1;
	}
	if (html_end(&page, v))
		return error_set(e, EXIT_FAILED, "writing the page failed");
	return 0;
}

/* For -o, what is gathered waits in a file without a name: JSON may be large. */
static int begin(struct export *x, const struct options *o, struct error *e)
{
	*x = (struct export){ .o = o, .lines = stdout };
	if (o->format == EXPORT_OPENMETRICS) {
		x->metrics = openmetrics_new();
		return x->metrics ? 0 : error_sys(e, ENOMEM, "export");
	}
	if (o->output)
		x->lines = tmpfile();
	if (!x->lines)
		return error_sys(e, errno, "export: a temporary file (TMPDIR)");
	if (o->format == EXPORT_CSV)
		csv_header(x->lines);
	return 0;
}

static void end(struct export *x)
{
	openmetrics_free(x->metrics);
	if (x->lines != stdout)
		fclose(x->lines);
}

/* What was asked for twice is there, though not as two. */
static int add_metrics(struct export *x, const struct view *v, struct error *e)
{
	const struct process *p = &v->now->process;
	int added = openmetrics_add(x->metrics, v);
	char name[256];

	if (added > 0)
		fprintf(stderr,
			"fallow: process %d (%s) was exported already: left out\n",
			(int)p->pid, escape_terminal(name, sizeof(name), p->comm));
	x->counts.exported += !added;
	return added < 0 ? error_sys(e, ENOMEM, "export") : 0;
}

/* @stored: the file that @s is from, or NULL. */
static int show(struct export *x, const struct snapshot *s, const char *stored,
		struct error *e)
{
	struct verdicts verdicts;
	struct view view = { s, NULL, &verdicts, false };

	verdicts_judge(&verdicts, s, NULL);
	switch (x->o->format) {
	case EXPORT_JSON:
		if (json_snapshot(x->lines, &view, true))
			return error_set(e, EXIT_FAILED, "writing process %d failed",
					 (int)s->process.pid);
		break;
	case EXPORT_CSV:
		csv_ledger(x->lines, &view);
		break;
	case EXPORT_HTML:
		if (write_page(x->lines, &view, stored, e))
			return -1;
		break;
	default:
		return add_metrics(x, &view, e);
	}
	x->counts.exported++;
	return 0;
}

static int look_at(struct export *x, const struct options *o, struct error *e)
{
	struct session ss;
	struct snapshot s;
	int err;

	if (session_open(&ss, o, e))
		return -1;
	err = session_look(&ss, o, &s, e);
	session_close(&ss);
	if (err)
		return -1;
	err = show(x, &s, ss.stored, e);
	snapshot_free(&s);
	return err;
}

static void count(struct export_counts *n, const struct error *e)
{
	if (e->status == EXIT_GONE)
		n->gone++;
	else if (e->status == EXIT_DENIED)
		n->denied++;
	else
		n->failed++;
}

/* What was named and cannot be looked at is said, and the others are exported all the same. */
static int look_at_named(struct export *x)
{
	struct options one = *x->o;
	int status = EXIT_DONE;
	struct error e;

	for (size_t i = 0; i < (one.cgroup ? 1 : x->o->ntargets); i++) {
		int told;

		one.target = one.cgroup ? NULL : x->o->targets[i];
		if (!look_at(x, &one, &e))
			continue;
		count(&x->counts, &e);
		told = report_error(&e);
		status = status ? status : told;
	}
	return status;
}

/*
 * Of all processes, some always end meanwhile, and some are not the caller's: that is in the
 * counts. It is an error if none could be looked at.
 */
static int look_at_all(struct export *x, struct error *e)
{
	struct options one = *x->o;
	struct process_list list;
	struct error last;
	char pid[16];

	if (processes_list(&list, e))
		return report_error(e);
	for (size_t i = 0; i < list.n; i++) {
		if (x->counts.exported >= x->o->top) {
			x->counts.left_out++;
			x->counts.left_out_bytes += list.v[i].rss;
			continue;
		}
		snprintf(pid, sizeof(pid), "%d", (int)list.v[i].pid);
		one.target = pid;
		if (look_at(x, &one, &last))
			count(&x->counts, &last);
	}
	processes_free(&list);
	if (x->counts.exported)
		return EXIT_DONE;
	if (!(x->counts.gone + x->counts.denied + x->counts.failed))
		error_set(&last, EXIT_GONE, "no process has memory of its own");
	return report_error(&last);
}

/* What was gathered. write_shared()'s @fill. */
static int fill(FILE *out, const void *arg)
{
	const struct export *x = arg;
	char buf[1 << 16];
	size_t n;

	if (x->metrics)
		return openmetrics_write(out, x->metrics);
	if (fflush(x->lines) || fseek(x->lines, 0, SEEK_SET))
		return -1;
	while ((n = fread(buf, 1, sizeof(buf), x->lines)))
		if (fwrite(buf, 1, n, out) != n)
			return -1;
	return ferror(x->lines) ? -1 : 0;
}

/* The other formats have no place for it. */
static void tell_rest(const struct export *x)
{
	const struct export_counts *n = &x->counts;
	char size[SIZE_TEXT];

	if (!x->o->all || x->metrics)
		return;
	if (n->left_out)
		fprintf(stderr,
			"fallow: %" PRIu64 " more processes, RSS %s, left out (--top)\n",
			n->left_out, size_format(size, n->left_out_bytes));
	if (n->gone + n->denied + n->failed)
		fprintf(stderr,
			"fallow: of others, %" PRIu64 " ended, %" PRIu64
			" may not be looked at, %" PRIu64 " failed\n",
			n->gone, n->denied, n->failed);
}

static int finish(struct export *x, struct error *e)
{
	/* Metrics are for another user's collector; the rest has command lines, too. */
	mode_t mode = x->metrics ? 0644 : 0600;

	if (x->metrics)
		openmetrics_count(x->metrics, &x->counts);
	else if (!x->counts.exported)
		return 0; /* what was written earlier is better than nothing */
	if (x->o->output)
		return write_shared(x->o->output, mode, fill, x, e);
	if (x->metrics && openmetrics_write(stdout, x->metrics))
		return error_sys(e, ENOMEM, "export");
	return 0;
}

int cmd_export(int argc, char **argv)
{
	struct options o;
	struct export x;
	struct error e;
	int status = options_parse(&o, argc, argv,
				   OPT_EXPORT | OPT_SOURCE | OPT_FREEZE | OPT_QUICK,
				   usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (begin(&x, &o, &e))
		return report_error(&e);
	status = o.all ? look_at_all(&x, &e) : look_at_named(&x);
	tell_rest(&x);
	if (finish(&x, &e))
		status = report_error(&e);
	end(&x);
	return status;
}
