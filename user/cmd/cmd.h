/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What subcommands share: options, opening a target, one look. A subcommand
 * parses, calls and renders; it holds no logic that another one needs.
 */
#ifndef FALLOW_CMD_H
#define FALLOW_CMD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "model/growth.h"
#include "model/snapshot.h"
#include "model/when.h"
#include "pages/pages.h"
#include "render/render.h"
#include "store/recorder.h"
#include "target/target.h"

/* Options that a command takes, besides --help. */
#define OPT_TARGET   (1u << 0) /* TARGET or --cgroup, and --source */
#define OPT_JSON     (1u << 1)
#define OPT_AFTER    (1u << 2)
#define OPT_FREEZE   (1u << 3)
#define OPT_FAIL_ON  (1u << 4)
#define OPT_INTERVAL (1u << 5)
#define OPT_SOURCE   (1u << 6)
#define OPT_IDLE     (1u << 7)
#define OPT_COLUMNS  (1u << 8) /* --columns and --sort */
#define OPT_HEAP     (1u << 9) /* --show-data, and heaps by size class */
#define OPT_QUICK    (1u << 10)
#define OPT_FOR	     (1u << 11)
#define OPT_OUTPUT   (1u << 12) /* -o, which is then a must */
#define OPT_FILES    (1u << 13) /* two files instead of OPT_TARGET and --after */
#define OPT_TRACE    (1u << 15)
#define OPT_EXPORT   (1u << 14) /* several targets or --all, --format, maybe -o */
#define OPT_ONCE     (1u << 20)
#define OPT_FILE     (1u << 22) /* maybe one file, as options.target */
#define OPT_RECORD   (1u << 21) /* --all instead of a target; --keep, --when, --rate */

enum export_format {
	EXPORT_OPENMETRICS,
	EXPORT_JSON,
	EXPORT_CSV,
	EXPORT_HTML,
	EXPORT_FORMATS
};

/* At most so many looks in any such time; 0: as many as there are. */
struct rate {
	size_t looks;
	uint64_t ns;
};

#define RATE_MAX 100000

struct options {
	const char *target; /* as typed; NULL with cgroup */
	char **targets; /* instead of this one */
	size_t ntargets;
	bool all; /* instead of these: every process, up to @top of them */
	size_t top;
	enum export_format format;
	const char *cgroup;
	const char *files[2]; /* instead of these two */
	const char *output;
	enum pages_source source;
	bool json, freeze;
	bool show_data; /* of what pins memory */
	bool by_size; /* heaps by size class */
	bool quick; /* heaps by their free lists */
	bool map; /* of the address space */
	bool once; /* no live screen */
	bool quiet; /* no progress: the screen is drawn upon */
	uint64_t after_ns; /* 0: one look */
	uint64_t interval_ns;
	uint64_t idle_ns; /* 0: ages are not asked for */
	uint64_t for_ns; /* 0, of a command that records: until it is ended */
	struct keep keep;
	struct when_list when;
	struct rate rate;
	uint64_t trace_ns; /* 0: calls that map memory are not followed */
	uint32_t fail_on; /* bit per enum verdict_id */
	struct column_list columns;
	const struct column *sort;
};

/* The help for what most commands take. */
#define HELP_SOURCE_LINE                                                                 \
	"  --source=S        page facts from kmod, procfs, or auto (kmod if it "         \
	"answers)\n"

#define HELP_TARGET                                                                      \
	HELP_SOURCE_LINE                                                                 \
	"  --cgroup=PATH     the process in this cgroup, instead of TARGET\n"            \
	"  -h, --help\n"

/* For one that takes no target. */
#define HELP_SOURCE HELP_SOURCE_LINE "  -h, --help\n"

#define HELP_VIEW                                                                        \
	"  --freeze          stop the process (SIGSTOP) during the look\n"               \
	"  -j, --json        one JSON object, sizes in bytes\n" HELP_TARGET

/*
 * Parses @argv, where argv[0] is the command's name, by the OPT_* in @accepts.
 * Returns 0; 1 if help was asked for and printed; -1 with @e set.
 */
int options_parse(struct options *o, int argc, char **argv, unsigned int accepts,
		  const char *usage, struct error *e);

/* "30s", "1.5m", "2h", "500ms"; a bare number is seconds. -1 if it is none. */
int parse_duration(const char *s, uint64_t *ns);

struct recall;

/* The values of --keep and --rate. */
int parse_keep(const char *arg, struct keep *keep, struct error *e);
int parse_rate(const char *arg, struct rate *rate, struct error *e);

/* A target and the source that is used to look at it; or a look in a file. */
struct session {
	struct target target;
	struct pages pages;
	struct recall *recall; /* from look to look; NULL: nothing is kept */
	const char *stored; /* where, as in store/stored.h; the rest is unused then */
};

int session_open(struct session *ss, const struct options *o, struct error *e);
void session_close(struct session *ss);

/*
 * With --idle: begins to learn when the target's pages are accessed, and waits
 * until what was not accessed for o->idle_ns is known. A signal that ends the
 * program ends that first. pages_age_end() is for the caller, after its last look.
 */
int session_watch_idle(struct session *ss, const struct options *o, struct error *e);

/* snapshot_take(), with the target stopped meanwhile if @o asks for that. */
int session_look(struct session *ss, const struct options *o, struct snapshot *s,
		 struct error *e);

/*
 * After a look failed with @e: whether to look again, by /proc, for the module, which was not
 * asked for by name, went while it was used. Then @p is /proc, and @e has a note of that.
 */
bool source_go_on(struct pages *p, const struct options *o, struct error *e);

/* Writes @s to the file @path, as fallow snapshot does. */
int snapshot_keep(const struct snapshot *s, const char *path, struct error *e);

struct trace;

/*
 * trace_take() for so long, or until somebody at the terminal ends it; with progress, if
 * there is one.
 */
int session_trace(const struct target *t, uint64_t for_ns, struct trace *tr,
		  struct error *e);

/* With --trace: a trace of that long, and then a look that is joined with it. */
int session_trace_look(struct session *ss, const struct options *o, struct snapshot *s,
		       struct error *e);

/*
 * A trace that is taken while others look at @t. NULL with @e set: it cannot be. A signal
 * at the terminal cuts it short: waits end then, as if their time were up.
 */
struct tracing *tracing_begin(const struct target *t, struct error *e);
bool tracing_is_cut(void);
/* Ends it; then comes the look that it is to be joined with. */
void tracing_stop(struct tracing *tg);
/* Joins it with @s, if that is not NULL, and frees it. 0, or -1 with @e set. */
int tracing_end(struct tracing *tg, struct snapshot *s, struct error *e);

/*
 * Waits between two looks, and says so to somebody at a terminal; or until @when_ns of
 * CLOCK_MONOTONIC, in silence. False, at once, if the target, which may be NULL, has ended.
 */
bool wait_for(struct target *t, uint64_t ns);
bool wait_until(struct target *t, uint64_t when_ns);

/* Several looks over a time: the first and the last, and what they and those between add. */
struct follow {
	struct snapshot first; /* without its mappings */
	struct snapshot last;
	struct growth growth; /* fitted */
	size_t nlooks; /* at least 2; of a recording also 1: the last */
	bool ended; /* the target did: the last look is one of those between */
};

/*
 * Looks for o->after_ns, or o->trace_ns and with a trace meanwhile. Those between are quick,
 * and cost no more time than they leave. Of a look in a recording, those that the recording
 * has of o->after_ns before it; 0: of all time.
 */
int session_follow(struct session *ss, const struct options *o, struct follow *f,
		   struct error *e);

/* Private to session_follow(). The first takes over @s, also on failure. */
int follow_add(struct follow *f, const struct snapshot *s, struct error *e);
int follow_recording(struct follow *f, const char *where, uint64_t span_ns,
		     struct error *e);
#define FOLLOW_LOOKS 12 /* at most */

void follow_free(struct follow *f);

/*
 * A whole command: one look at the target, shown as JSON or by @text. Options
 * are OPT_TARGET, OPT_SOURCE, OPT_JSON and OPT_FREEZE, and those of @accepts.
 */
int view_command(int argc, char **argv, unsigned int accepts, const char *usage,
		 void (*text)(FILE *out, const struct view *v, const struct options *o));

/* Whether @fd is a terminal and NO_COLOR is not set. */
bool want_colour(int fd);

/* Prints "fallow: …" to stderr; returns the exit status. */
int report_error(const struct error *e);

/* Each takes argv from the command's name on and returns the exit status. */
int cmd_report(int argc, char **argv);
int cmd_regions(int argc, char **argv);
int cmd_heap(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_info(int argc, char **argv);

#endif
