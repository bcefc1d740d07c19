// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow report: the ledger, the allocators and the verdicts of one process. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <unistd.h>

#include "store/stored.h"

static const char usage[] =
	"usage: fallow report TARGET [options]\n"
	"\n"
	"What of a process' memory its application uses, what its allocator keeps, and\n"
	"what gives the rest back. TARGET is a pid or a process name.\n"
	"\n"
	"  --after=TIME      look for TIME (30s, 2m), up to twelve times, and judge the\n"
	"                    change; of a look in a recording, over TIME before it "
	"(else\n"
	"                    over all of the recording before it)\n"
	"  --trace=TIME      the same, and follow meanwhile which functions map memory:\n"
	"                    verdicts name them. Takes root. With --after, for the "
	"longer\n"
	"                    of both\n"
	"  --fail-on=V[,V]   exit with 10 if one of these verdicts holds (see the "
	"manual:\n"
	"                    live-growth, retention, fragmentation, ...)\n"
	"  --idle=TIME       also what was not accessed for TIME (10ms to 1h): takes "
	"the\n"
	"                    module, and so long. Once each TIME, accessed bits of the\n"
	"                    process' pages are taken and its TLBs flushed: some\n"
	"                    microseconds in which it waits, and page walks afterwards.\n"
	"                    Reclaim is given what was taken\n"
	"  --freeze          stop the process (SIGSTOP) during each look, for exact\n"
	"                    numbers. It does not run meanwhile: about 0.4 s a GiB of\n"
	"                    heap; clients may time out, and a parent may notice\n"
	"  --quick           of glibc's heaps, follow the lists of free blocks, and of\n"
	"                    Python's, gperftools' and mimalloc's, read how many of a\n"
	"                    pool, span or page are free, instead of all of them:\n"
	"                    milliseconds, with the bounds of its error\n"
	"  -j, --json        one JSON object, sizes in bytes\n" HELP_TARGET;

static bool fails_on(const struct verdicts *all, uint32_t bits)
{
	for (size_t i = 0; i < all->n; i++)
		if (bits & (1u << all->v[i].id))
			return true;
	return false;
}

static int show(const struct options *o, const struct snapshot *now,
		const struct snapshot *before, const struct growth *growth)
{
	struct verdicts verdicts;
	struct view view = { now, before, &verdicts, want_colour(STDOUT_FILENO) };

	verdicts_judge_growth(&verdicts, now, before, growth);
	if (o->json ? json_snapshot(stdout, &view, false)
		    : (text_report(stdout, &view), 0))
		return EXIT_FAILED;
	return fails_on(&verdicts, o->fail_on) ? EXIT_VERDICT : EXIT_DONE;
}

/* What it was before it called exec is no earlier state of what it is now. */
static const struct snapshot *earlier_of(struct snapshot *now,
					 const struct snapshot *before)
{
	if (before->process.execs == now->process.execs)
		return before;
	snapshot_warn(now, "it called exec between the looks: what it had before that is "
			   "not compared with");
	return NULL;
}

static int look_on(struct session *ss, const struct options *o, struct error *e)
{
	const struct snapshot *before;
	struct follow f;
	int status;

	if (session_follow(ss, o, &f, e))
		return -1;
	/* Not while somebody pages through what is shown. */
	pages_age_end(&ss->pages, &ss->target);
	before = f.nlooks > 1 ? earlier_of(&f.last, &f.first) : NULL;
	status = show(o, &f.last, before, before ? &f.growth : NULL);
	if (f.ended && status != EXIT_FAILED)
		status = EXIT_GONE;
	follow_free(&f);
	return status;
}

static int look(struct session *ss, const struct options *o, struct error *e)
{
	struct snapshot s;
	int status;

	if (o->idle_ns && session_watch_idle(ss, o, e))
		return -1;
	if (o->after_ns || o->trace_ns || (ss->stored && stored_is_recording(ss->stored)))
		return look_on(ss, o, e);
	if (session_look(ss, o, &s, e))
		return -1;
	pages_age_end(&ss->pages, &ss->target);
	status = show(o, &s, NULL, NULL);
	snapshot_free(&s);
	return status;
}

int cmd_report(int argc, char **argv)
{
	struct options o;
	struct session ss;
	struct error e;
	int status = options_parse(&o, argc, argv,
				   OPT_TARGET | OPT_SOURCE | OPT_JSON | OPT_AFTER |
					   OPT_FREEZE | OPT_FAIL_ON | OPT_IDLE |
					   OPT_QUICK | OPT_TRACE,
				   usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	if (session_open(&ss, &o, &e))
		return report_error(&e);
	status = look(&ss, &o, &e);
	session_close(&ss);
	return status < 0 ? report_error(&e) : status;
}
