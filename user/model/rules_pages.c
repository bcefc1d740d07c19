// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules of memory by what kind of pages it is, whoever maps it. */
#include "model/rules.h"

#include "model/knobs.h"
#include "model/size.h"

#define FILES_FLOOR (64 * MIB)

/* What has some of that memory, as far as it is known, and what it can be asked to do. */
static void show_unsupported(const struct heap *h, struct verdict *v)
{
	const struct knobs *k = knobs_of(h);
	char size[SIZE_TEXT];

	if (h->narenas)
		evidence(v, "%s is recognised, not decoded; it has %s of this, or more",
			 h->ops->name, size_format(size, heap_totals(h).resident));
	else
		evidence(v,
			 "%s is recognised, not decoded; how much of this it has is not "
			 "known",
			 h->ops->name);
	if (k->purge)
		advise(v, UNKNOWN, false, "%s", k->purge);
	if (k->setting)
		advise(v, UNKNOWN, false, "%s", k->setting);
}

/* What of a class is resident for nothing but that its mappings are locked. */
static bool show_locked(const struct facts *f, enum ledger_class class, struct verdict *v)
{
	uint64_t locked = f->now->locked_whole[class];
	char size[SIZE_TEXT];

	if (!significant(f, locked))
		return false;
	evidence(v,
		 "%s of it are in mappings that are locked (mlock, mlockall), and "
		 "resident "
		 "from end to end, whether they were ever touched or not",
		 size_format(size, locked));
	advise(v, locked, true,
	       "lock what is touched alone: mlockall(MCL_CURRENT | MCL_FUTURE | "
	       "MCL_ONFAULT), mlock2(MLOCK_ONFAULT); with smaller stacks "
	       "(pthread_attr_setstacksize) and reservations, less is locked");
	return true;
}

static void rule_undetermined(const struct facts *f, struct verdicts *out)
{
	uint64_t other = f->now->ledger[LEDGER_ANON_OTHER].resident;
	uint64_t unread = f->now->ledger[LEDGER_HEAP_UNREAD].resident;
	char size[SIZE_TEXT];
	bool told = is_explained(out, VERDICT_UNDETERMINED, other + unread);
	struct verdict *v;

	if (!significant(f, other + unread) || other + unread < f->now->rss / 3)
		return;
	v = speak(out, VERDICT_UNDETERMINED, CONFIDENCE_CERTAIN, other + unread);
	if (other)
		evidence(v,
			 "%s of anonymous memory belong to no allocator that is known "
			 "here%s",
			 size_format(size, other),
			 f->now->nheaps ? "" : "; no known allocator was found at all");
	show_places(f, v);
	show_locked(f, LEDGER_ANON_OTHER, v);
	if (unread)
		evidence(v, "%s of heap could not be decoded", size_format(size, unread));
	if (!told)
		show_growth(f, v);
	for (size_t i = 0; i < f->now->nheaps; i++)
		if (f->now->heaps[i]->status == HEAP_UNSUPPORTED)
			show_unsupported(f->now->heaps[i], v);
	if (told)
		return;
	show_uring(f, v);
	show_keepers(f, v);
	advise(v, UNKNOWN, false,
	       "see the largest mappings: fallow regions %d; whether they grow: fallow "
	       "report %d --after=60s",
	       (int)f->now->process.pid, (int)f->now->process.pid);
}

static void rule_file_cache(const struct facts *f, struct verdicts *out)
{
	uint64_t clean = f->now->ledger[LEDGER_FILE_CLEAN].resident;
	uint64_t sum = clean + f->now->ledger[LEDGER_FILE_DIRTY].resident;
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];
	struct verdict *v;

	/* Libraries alone are no more than that. */
	if (sum < FILES_FLOOR || sum < f->now->rss / 2)
		return;
	v = speak(out, VERDICT_FILE_CACHE, CONFIDENCE_CERTAIN, sum);
	evidence(v,
		 "%s of %s RSS are mapped files, %s of it clean: the kernel drops that "
		 "when it needs memory, and reads it again on demand",
		 size_format(a, sum), size_format(b, f->now->rss), size_format(c, clean));
	show_change(f, v);
	advise(v, clean, true,
	       "nothing leaks; to see RSS fall, write the number of bytes to "
	       "memory.reclaim "
	       "of the process' control group, or have it call madvise(MADV_DONTNEED)");
}

/* More threads have more stacks, however shallow. */
static void show_threads(const struct facts *f, struct verdict *v)
{
	unsigned int now = f->now->process.threads;
	unsigned int was = f->before ? f->before->process.threads : now;

	if (now < was + was / FLOOR_SHARE + 1)
		return;
	evidence(v, "there are %u threads, and were %u: they grow in number", now, was);
	advise(v, UNKNOWN, false,
	       "end threads that are no longer needed, or use a pool of them; where they "
	       "wait: gdb -p %d -batch -ex 'thread apply all backtrace' (stops it "
	       "meanwhile)",
	       (int)f->now->process.pid);
}

static void rule_stack_depth(const struct facts *f, struct verdicts *out)
{
	uint64_t dead = f->now->ledger[LEDGER_STACK_DEAD].resident;
	uint64_t live = f->now->ledger[LEDGER_STACK_LIVE].resident;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct verdict *v;
	bool locked;

	if (!significant(f, dead + live))
		return;
	v = speak(out, VERDICT_STACK_DEPTH, CONFIDENCE_CERTAIN, dead + live);
	evidence(v,
		 "stacks of %u thread%s have %s resident below their stack pointers, "
		 "where "
		 "no call is any more, and %s above",
		 f->now->process.threads, f->now->process.threads == 1 ? "" : "s",
		 size_format(a, dead), size_format(b, live));
	locked = show_locked(f, LEDGER_STACK_DEAD, v);
	show_change(f, v);
	show_threads(f, v);
	if (dead >= FLOOR_BYTES && !locked)
		advise(v, dead, true,
		       "a stack is given back when its thread ends: end idle threads, or "
		       "have them call madvise(MADV_DONTNEED) below their stack pointer");
	advise(v, UNKNOWN, false,
	       "less recursion and fewer large local arrays; a smaller stack size "
	       "(ulimit "
	       "-s, pthread_attr_setstacksize) bounds what a thread can touch");
}

static void rule_lazyfree(const struct facts *f, struct verdicts *out)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct verdict *v;

	if (f->now->lazyfree == UNKNOWN || !significant(f, f->now->lazyfree))
		return;
	v = speak(out, VERDICT_LAZYFREE, CONFIDENCE_CERTAIN, f->now->lazyfree);
	evidence(v,
		 "of %s RSS, the process gave up %s by madvise(MADV_FREE): the kernel "
		 "takes "
		 "that when it needs memory, and counts it until then",
		 size_format(a, f->now->rss), size_format(b, f->now->lazyfree));
	show_change(f, v);
	advise(v, f->now->lazyfree, true,
	       "nothing leaks; to see RSS fall, write the number of bytes to "
	       "memory.reclaim "
	       "of the process' control group");
	advise(v, f->now->lazyfree, true,
	       "restart with what gives up pages at once: GODEBUG=madvdontneed=1 (Go), "
	       "MALLOC_CONF=muzzy_decay_ms:0 (jemalloc), MIMALLOC_PURGE_DECOMMITS=1; "
	       "what is taken again is faulted in anew");
}

static void rule_thp_bloat(const struct facts *f, struct verdicts *out)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];
	struct verdict *v;

	if (f->now->huge_zero == UNKNOWN || !significant(f, f->now->huge_zero))
		return;
	v = speak(out, VERDICT_THP_BLOAT, CONFIDENCE_LIKELY, f->now->huge_zero);
	evidence(v,
		 "of %s in transparent huge pages, %s are zeros, in whole small pages: "
		 "most "
		 "likely never written, but resident because their neighbours were",
		 size_format(a, f->now->huge), size_format(b, f->now->huge_zero));
	show_change(f, v);
	advise(v, f->now->huge_zero, true,
	       "restart without huge pages for this process: prctl(PR_SET_THP_DISABLE), "
	       "madvise(MADV_NOHUGEPAGE) for the mapping, or for all: echo madvise "
	       "> /sys/kernel/mm/transparent_hugepage/enabled; what is used densely is "
	       "slower then");
}

/* A quick look that did not follow all lists: what they have may be much. */
static void rule_unseen(const struct facts *f, struct verdicts *out)
{
	char size[SIZE_TEXT];
	struct verdict *v;

	if (!significant(f, f->unseen) || has_verdict(out, VERDICT_UNDETERMINED))
		return;
	v = speak(out, VERDICT_UNDETERMINED, CONFIDENCE_CERTAIN, f->unseen);
	evidence(v,
		 "up to %s of heap may be free, too: a quick look does not follow lists "
		 "of "
		 "free blocks that are so long",
		 size_format(size, f->unseen));
	advise(v, UNKNOWN, false, "look at all of it: fallow report %d",
	       (int)f->now->process.pid);
}

void rules_pages(const struct facts *f, struct verdicts *out)
{
	rule_undetermined(f, out);
	rule_unseen(f, out);
	rule_file_cache(f, out);
	rule_stack_depth(f, out);
	rule_lazyfree(f, out);
	rule_thp_bloat(f, out);
}
