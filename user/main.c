// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of subcommands. A first word that is none of them is a TARGET. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "version.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{ "report", cmd_report, "where a process' memory is, and what gives it back" },
	{ "regions", cmd_regions, "the same by mapping" },
	{ "heap", cmd_heap, "the same by allocator and arena" },
	{ "watch", cmd_watch, "a live screen of a process" },
	{ "top", cmd_top, "all processes, ranked by their fallow memory" },
	{ "trace", cmd_trace, "which call stacks map memory that stays mapped" },
	{ "snapshot", cmd_snapshot, "keep one look in a file" },
	{ "diff", cmd_diff, "what changed between two snapshots, or over a time" },
	{ "record", cmd_record, "keep looks in a file, all the time or when it matters" },
	{ "export", cmd_export, "metrics of processes, for Prometheus and others" },
	{ "info", cmd_info, "module, sources and what they can tell here" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fprintf(out, "usage: fallow PID|NAME            = fallow report PID|NAME\n"
		     "       fallow COMMAND [options]   (COMMAND --help tells more)\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].about);
	fprintf(out, "\nexit status: 0 done, 1 failed, 2 wrong use, 3 target gone, 4 not "
		     "permitted,\n"
		     "10 a --fail-on verdict held\n");
}

/* A pipe that was closed, or a full disk, must not pass for success. */
static int flush(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		if (status == EXIT_DONE)
			status = EXIT_FAILED;
		fprintf(stderr, "fallow: writing the output failed\n");
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(first, "--help") || !strcmp(first, "-h") || !strcmp(first, "help")) {
		usage(stdout);
		return flush(EXIT_DONE);
	}
	if (!strcmp(first, "--version")) {
		puts("fallow " FALLOW_VERSION);
		return flush(EXIT_DONE);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(first, commands[i].name))
			return flush(commands[i].run(argc - 1, argv + 1));
	return flush(cmd_report(argc, argv));
}
