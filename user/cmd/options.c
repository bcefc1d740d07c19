// SPDX-License-Identifier: GPL-2.0-or-later
/* Command-line options, the same for every command that takes them. */
#include "cmd/cmd.h"

#include <ctype.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux/fallow.h"
#include "model/verdict.h"

#define NS_PER_S 1000000000.0

enum {
	KEY_HELP = 'h',
	KEY_JSON = 'j',
	KEY_INTERVAL = 'i',
	KEY_OUTPUT = 'o',
	KEY_AFTER = 256,
	KEY_FREEZE,
	KEY_FAIL_ON,
	KEY_SOURCE,
	KEY_CGROUP,
	KEY_IDLE,
	KEY_COLUMNS,
	KEY_SORT,
	KEY_SHOW_DATA,
	KEY_QUICK,
	KEY_FOR,
	KEY_TRACE,
	KEY_FORMAT,
	KEY_ALL,
	KEY_TOP,
	KEY_ONCE,
	KEY_KEEP,
	KEY_WHEN,
	KEY_RATE
};

static const struct known_option {
	struct option opt;
	unsigned int needs;
} known[] = {
	{ { "help", no_argument, NULL, KEY_HELP }, 0 },
	{ { "json", no_argument, NULL, KEY_JSON }, OPT_JSON },
	{ { "interval", required_argument, NULL, KEY_INTERVAL }, OPT_INTERVAL },
	{ { "after", required_argument, NULL, KEY_AFTER }, OPT_AFTER },
	{ { "freeze", no_argument, NULL, KEY_FREEZE }, OPT_FREEZE },
	{ { "fail-on", required_argument, NULL, KEY_FAIL_ON }, OPT_FAIL_ON },
	{ { "source", required_argument, NULL, KEY_SOURCE }, OPT_SOURCE },
	{ { "cgroup", required_argument, NULL, KEY_CGROUP }, OPT_TARGET | OPT_EXPORT },
	{ { "idle", required_argument, NULL, KEY_IDLE }, OPT_IDLE },
	{ { "columns", required_argument, NULL, KEY_COLUMNS }, OPT_COLUMNS },
	{ { "sort", required_argument, NULL, KEY_SORT }, OPT_COLUMNS },
	{ { "show-data", no_argument, NULL, KEY_SHOW_DATA }, OPT_HEAP },
	{ { "quick", no_argument, NULL, KEY_QUICK }, OPT_QUICK },
	{ { "once", no_argument, NULL, KEY_ONCE }, OPT_ONCE },
	{ { "for", required_argument, NULL, KEY_FOR }, OPT_FOR },
	{ { "trace", required_argument, NULL, KEY_TRACE }, OPT_TRACE },
	{ { "output", required_argument, NULL, KEY_OUTPUT }, OPT_OUTPUT | OPT_EXPORT },
	{ { "format", required_argument, NULL, KEY_FORMAT }, OPT_EXPORT },
	{ { "all", no_argument, NULL, KEY_ALL }, OPT_EXPORT | OPT_RECORD },
	{ { "top", required_argument, NULL, KEY_TOP }, OPT_EXPORT },
	{ { "keep", required_argument, NULL, KEY_KEEP }, OPT_RECORD },
	{ { "when", required_argument, NULL, KEY_WHEN }, OPT_RECORD },
	{ { "rate", required_argument, NULL, KEY_RATE }, OPT_RECORD },
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

int parse_duration(const char *s, uint64_t *ns)
{
	static const struct {
		const char *suffix;
		double seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "m", 60 }, { "h", 3600 } };
	char *end;
	double n = strtod(s, &end);

	if (end == s || !isfinite(n) || n <= 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].suffix))
			continue;
		n *= units[i].seconds;
		if (n > 1e9 || n < 1e-3)
			return -1;
		*ns = (uint64_t)(n * NS_PER_S);
		return 0;
	}
	return -1;
}

static int set_duration(const char *name, const char *arg, uint64_t *ns, struct error *e)
{
	if (parse_duration(arg, ns))
		return error_set(
			e, EXIT_USAGE,
			"--%s: \"%s\" is not a duration such as 30s, 500ms or 2m", name,
			arg);
	return 0;
}

#define NS_PER_MS 1000000ull

static int set_idle(const char *arg, uint64_t *ns, struct error *e)
{
	if (set_duration("idle", arg, ns, e))
		return -1;
	if (*ns < FALLOW_INTERVAL_MIN_MS * NS_PER_MS ||
	    *ns > FALLOW_INTERVAL_MAX_MS * NS_PER_MS)
		return error_set(
			e, EXIT_USAGE,
			"--idle: \"%s\" is not between %d ms and %d s, which is what "
			"the module takes",
			arg, FALLOW_INTERVAL_MIN_MS, FALLOW_INTERVAL_MAX_MS / 1000);
	return 0;
}

static int set_source(const char *arg, enum pages_source *source, struct error *e)
{
	if (!strcmp(arg, "auto"))
		*source = SOURCE_AUTO;
	else if (!strcmp(arg, "kmod"))
		*source = SOURCE_KMOD;
	else if (!strcmp(arg, "procfs"))
		*source = SOURCE_PROCFS;
	else
		return error_set(e, EXIT_USAGE,
				 "--source: \"%s\" is none of auto, kmod, procfs", arg);
	return 0;
}

static int set_format(const char *arg, enum export_format *format, struct error *e)
{
	static const char *const names[EXPORT_FORMATS] = {
		[EXPORT_OPENMETRICS] = "openmetrics",
		[EXPORT_JSON] = "json",
		[EXPORT_CSV] = "csv",
		[EXPORT_HTML] = "html",
	};

	for (int i = 0; i < EXPORT_FORMATS; i++)
		if (!strcmp(arg, names[i])) {
			*format = (enum export_format)i;
			return 0;
		}
	return error_set(e, EXIT_USAGE,
			 "--format: \"%s\" is none of openmetrics, json, csv, html", arg);
}

#define TOP_MAX 1000

static int set_top(const char *arg, size_t *top, struct error *e)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (!isdigit((unsigned char)arg[0]) || *end || !n || n > TOP_MAX)
		return error_set(e, EXIT_USAGE,
				 "--top: \"%s\" is not a number from 1 to %d", arg,
				 TOP_MAX);
	*top = n;
	return 0;
}

static int set_fail_on(const char *arg, uint32_t *bits, struct error *e)
{
	while (*arg) {
		size_t len = strcspn(arg, ",");
		enum verdict_id id = verdict_by_name(arg, len);

		if (id == VERDICT_IDS)
			return error_set(e, EXIT_USAGE,
					 "--fail-on: no verdict is named \"%.*s\" (see "
					 "fallow-report(1))",
					 (int)len, arg);
		*bits |= 1u << id;
		arg += len;
		arg += *arg == ',';
	}
	return 0;
}

static int set_columns(const char *arg, struct options *o, struct error *e)
{
	if (!strcmp(arg, "help")) {
		columns_help(stdout);
		return 1;
	}
	return columns_parse(arg, &o->columns, e);
}

static int set_sort(const char *arg, struct options *o, struct error *e)
{
	o->sort = column_by_name(arg, strlen(arg));
	if (!o->sort)
		return error_set(
			e, EXIT_USAGE,
			"--sort: no column is named \"%s\" (--columns=help lists "
			"all)",
			arg);
	return 0;
}

/* Returns 0; 1 if help was asked for and printed; -1 with @e set. */
static int apply(struct options *o, int key, struct error *e)
{
	switch (key) {
	case KEY_JSON:
		o->json = true;
		return 0;
	case KEY_FREEZE:
		o->freeze = true;
		return 0;
	case KEY_SHOW_DATA:
		o->show_data = true;
		return 0;
	case KEY_ONCE:
		o->once = true;
		return 0;
	case KEY_QUICK:
		o->quick = true;
		return 0;
	case KEY_ALL:
		o->all = true;
		return 0;
	case KEY_KEEP:
		return parse_keep(optarg, &o->keep, e);
	case KEY_WHEN:
		return when_parse(&o->when, optarg, e);
	case KEY_RATE:
		return parse_rate(optarg, &o->rate, e);
	case KEY_TOP:
		return set_top(optarg, &o->top, e);
	case KEY_FORMAT:
		return set_format(optarg, &o->format, e);
	case KEY_OUTPUT:
		o->output = optarg;
		return 0;
	case KEY_CGROUP:
		o->cgroup = optarg;
		return 0;
	case KEY_AFTER:
		return set_duration("after", optarg, &o->after_ns, e);
	case KEY_INTERVAL:
		return set_duration("interval", optarg, &o->interval_ns, e);
	case KEY_TRACE:
		return set_duration("trace", optarg, &o->trace_ns, e);
	case KEY_FOR:
		return set_duration("for", optarg, &o->for_ns, e);
	case KEY_IDLE:
		return set_idle(optarg, &o->idle_ns, e);
	case KEY_SOURCE:
		return set_source(optarg, &o->source, e);
	case KEY_FAIL_ON:
		return set_fail_on(optarg, &o->fail_on, e);
	case KEY_COLUMNS:
		return set_columns(optarg, o, e);
	case KEY_SORT:
		return set_sort(optarg, o, e);
	}
	return error_set(e, EXIT_USAGE, "unknown option");
}

/* The options of @known that @accepts allows, for getopt_long(). */
static void table_of(struct option table[KNOWN + 1], char shorts[16],
		     unsigned int accepts)
{
	size_t n = 0, at = 0;

	shorts[at++] = ':';
	for (size_t i = 0; i < KNOWN; i++) {
		const struct option *opt = &known[i].opt;

		if (known[i].needs && !(accepts & known[i].needs))
			continue;
		table[n++] = *opt;
		if (opt->val < 256) {
			shorts[at++] = (char)opt->val;
			if (opt->has_arg)
				shorts[at++] = ':';
		}
	}
	shorts[at] = '\0';
	memset(&table[n], 0, sizeof(table[n]));
}

static int take_target(struct options *o, int argc, char **argv, struct error *e)
{
	int given = argc - optind;

	if (given > 1)
		return error_set(e, EXIT_USAGE,
				 "one target at a time: \"%s\" is too much",
				 argv[optind + 1]);
	if (given + !!o->cgroup != 1)
		return error_set(e, EXIT_USAGE,
				 "%s: name one process, by pid, name or --cgroup",
				 argv[0]);
	o->target = given ? argv[optind] : NULL;
	return 0;
}

/* Some targets, or all. */
static int take_targets(struct options *o, int argc, char **argv, struct error *e)
{
	o->targets = argv + optind;
	o->ntargets = (size_t)(argc - optind);
	if (!!o->ntargets + !!o->cgroup + o->all != 1)
		return error_set(
			e, EXIT_USAGE,
			"%s: name processes, by pid or name, or one by --cgroup, "
			"or give --all",
			argv[0]);
	if (o->format == EXPORT_HTML && (o->all || o->ntargets > 1))
		return error_set(e, EXIT_USAGE,
				 "%s: a page of --format=html shows one process",
				 argv[0]);
	return 0;
}

/* Two files, or a target that is looked at twice. */
static int take_files(struct options *o, int argc, char **argv, struct error *e)
{
	int given = argc - optind;

	if (given > 2)
		return error_set(e, EXIT_USAGE,
				 "two snapshots are compared: \"%s\" is too much",
				 argv[optind + 2]);
	if (given == 2 &&
	    (o->after_ns || o->cgroup || o->freeze || o->source != SOURCE_AUTO))
		return error_set(e, EXIT_USAGE,
				 "--after, --cgroup, --freeze and --source are for one "
				 "TARGET: \"%s\" is too much",
				 argv[optind + 1]);
	if (given == 2) {
		o->files[0] = argv[optind];
		o->files[1] = argv[optind + 1];
		return 0;
	}
	if (!o->after_ns)
		return error_set(e, EXIT_USAGE,
				 "%s: name two snapshots, or one TARGET and --after=TIME",
				 argv[0]);
	return take_target(o, argc, argv, e);
}

static int take_arguments(struct options *o, int argc, char **argv, unsigned int accepts,
			  struct error *e)
{
	if ((accepts & OPT_OUTPUT) && !(o->output && o->output[0]))
		return error_set(e, EXIT_USAGE, "%s: name a file: -o FILE", argv[0]);
	if (accepts & OPT_FILES)
		return take_files(o, argc, argv, e);
	if ((accepts & OPT_RECORD) && o->all)
		return argc > optind || o->cgroup
			       ? error_set(e, EXIT_USAGE,
					   "%s: --all, or one process: not both", argv[0])
			       : 0;
	if (accepts & OPT_EXPORT)
		return take_targets(o, argc, argv, e);
	if (accepts & OPT_TARGET)
		return take_target(o, argc, argv, e);
	if ((accepts & OPT_FILE) && argc == optind + 1) {
		o->target = argv[optind];
		return 0;
	}
	return argc > optind ? error_set(e, EXIT_USAGE, "%s takes no argument: \"%s\"",
					 argv[0], argv[optind])
			     : 0;
}

int options_parse(struct options *o, int argc, char **argv, unsigned int accepts,
		  const char *usage, struct error *e)
{
	struct option table[KNOWN + 1];
	char shorts[16];
	int key, done;

	*o = (struct options){ .source = SOURCE_AUTO,
			       .top = 20,
			       .interval_ns = 2000000000u,
			       .for_ns = 10000000000u };
	if (accepts & OPT_RECORD) {
		o->interval_ns = 5000000000u;
		o->for_ns = 0;
	}
	o->sort = column_by_name("rss", 3);
	columns_parse("default", &o->columns, e);
	o->by_size = accepts & OPT_HEAP;
	table_of(table, shorts, accepts);
	optind = 1;
	while ((key = getopt_long(argc, argv, shorts, table, NULL)) != -1) {
		if (key == KEY_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (key == ':')
			return error_set(e, EXIT_USAGE, "%s: option %s wants a value",
					 argv[0], argv[optind - 1]);
		if (key == '?')
			return error_set(e, EXIT_USAGE,
					 "%s: option %s is not known (try --help)",
					 argv[0], argv[optind - 1]);
		done = apply(o, key, e);
		if (done)
			return done;
	}
	return take_arguments(o, argc, argv, accepts, e);
}
