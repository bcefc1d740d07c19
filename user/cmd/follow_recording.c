// SPDX-License-Identifier: GPL-2.0-or-later
/* Several looks over a time that a recording has, as follow.c takes them at a process. */
#include <string.h>

#include "cmd/cmd.h"
#include "store/stored.h"

/* What another program left in the process says nothing of this one's growth. */
static bool goes_before(const struct snapshot *s, const struct snapshot *last,
			const struct follow *f)
{
	uint64_t after = f->nlooks > 1 ? f->last.monotonic_ns : f->first.monotonic_ns;

	return s->monotonic_ns < last->monotonic_ns &&
	       (!f->nlooks || s->monotonic_ns > after) &&
	       !strcmp(s->process.exe, last->process.exe);
}

/* The @i-th, if it is there still. */
static int add_earlier(struct follow *f, struct recording *r, size_t i,
		       const struct snapshot *last, struct error *e)
{
	struct snapshot s;

	if (recording_look(r, i, &s, e))
		return e->status == EXIT_GONE ? 0 : -1;
	if (goes_before(&s, last, f))
		return follow_add(f, &s, e);
	snapshot_free(&s);
	return 0;
}

/* As many as --after looks, and as evenly as they lie, from @first on before @last. */
static int add_all_earlier(struct follow *f, struct recording *r, size_t first,
			   size_t last, const struct snapshot *s, struct error *e)
{
	size_t n = last - first < FOLLOW_LOOKS - 1 ? last - first : FOLLOW_LOOKS - 1;

	for (size_t k = 0; k < n; k++)
		if (add_earlier(f, r, first + (last - first) * k / n, s, e))
			return -1;
	return 0;
}

/* Of less time than was asked for, that is said. */
static int check_span(struct follow *f, const char *where, uint64_t span_ns,
		      struct error *e)
{
	uint64_t is = f->last.monotonic_ns - f->first.monotonic_ns;

	if (!span_ns)
		return 0;
	if (f->nlooks < 2)
		return error_set(e, EXIT_FAILED,
				 "--after: %s: the recording has no look at this program "
				 "before that one (fallow info lists its looks)",
				 where);
	if (is < span_ns)
		snapshot_warn(&f->last,
			      "the recording has looks at this program of %.1f s before "
			      "this one, not of %.1f s: the change is over that",
			      (double)is / 1e9, (double)span_ns / 1e9);
	return 0;
}

static int add_last(struct follow *f, const struct snapshot *s, struct error *e)
{
	if (f->nlooks)
		return follow_add(f, s, e);
	f->last = *s;
	f->nlooks = 1;
	return 0;
}

int follow_recording(struct follow *f, const char *where, uint64_t span_ns,
		     struct error *e)
{
	struct recording *r;
	struct snapshot s;
	size_t i;
	int err;

	if (stored_replay(&r, &i, where, e))
		return -1;
	err = recording_look(r, i, &s, e);
	if (!err) {
		size_t first = 0;

		/* Where there is none so old: all that there are. */
		if (span_ns)
			recording_before(r, i, span_ns, &first);
		err = add_all_earlier(f, r, first, i, &s, e);
		if (err)
			snapshot_free(&s);
		else
			err = add_last(f, &s, e);
	}
	recording_close(r);
	return err ? -1 : check_span(f, where, span_ns, e);
}
