// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "target/cgroup.h"
#include "target/small.h"
#include "target/vma.h"

#define BIT(fact) (1u << (fact))

#define OF_SYSTEM (BIT(WHEN_PSI) | BIT(WHEN_PSI_FULL))
#define OF_GROUP  (BIT(WHEN_CGROUP_PSI) | BIT(WHEN_CGROUP_PSI_FULL))
#define OF_EVENTS (BIT(WHEN_HIGH) | BIT(WHEN_MAX) | BIT(WHEN_OOM))

#define SYSTEM_PRESSURE "/proc/pressure/memory"

/* Thousandths of the last ten seconds: "some avg10=1.23 …", Documentation/accounting/psi. */
static uint64_t pressure_of(const char *text, const char *kind)
{
	const char *line = strstr(text, kind);
	const char *value = line ? strstr(line, "avg10=") : NULL;

	return value ? (uint64_t)(strtod(value + 6, NULL) * 10 + 0.5) : UNKNOWN;
}

static void read_pressure(const char *path, uint64_t *some, uint64_t *full)
{
	char text[1024];

	if (small_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	*some = pressure_of(text, "some ");
	*full = pressure_of(text, "full ");
}

/* A line of memory.events: Documentation/admin-guide/cgroup-v2.rst. */
static uint64_t event_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	}
	return UNKNOWN;
}

static void read_events(const char *path, struct counters *s)
{
	char text[1024];

	if (small_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	s->fact[WHEN_HIGH] = event_of(text, "high");
	s->fact[WHEN_MAX] = event_of(text, "max");
	s->fact[WHEN_OOM] = event_of(text, "oom");
}

static uint64_t kib_of(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : UNKNOWN;
}

static int read_status(struct counters *s, const struct target *t, struct error *e)
{
	char *text = target_slurp(t, "status", NULL);

	if (!text)
		return error_sys(e, errno, "process %d", (int)t->pid);
	s->fact[WHEN_RSS] = s->fact[WHEN_GROWTH] = kib_of(text, "\nVmRSS:");
	s->fact[WHEN_SWAP] = kib_of(text, "\nVmSwap:");
	free(text);
	/* A zombie has none. */
	return s->fact[WHEN_RSS] == UNKNOWN
		       ? error_sys(e, ESRCH, "process %d", (int)t->pid)
		       : 0;
}

int counters_read(struct counters *s, const struct target *t, uint32_t facts,
		  struct error *e)
{
	char path[PATH_MAX];
	const char *why;

	s->at_ns = clock_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < WHEN_FACTS; i++)
		s->fact[i] = UNKNOWN;
	if (facts & OF_SYSTEM)
		read_pressure(SYSTEM_PRESSURE, &s->fact[WHEN_PSI],
			      &s->fact[WHEN_PSI_FULL]);
	if ((facts & OF_GROUP) && cgroup_file(t, "memory.pressure", path, &why))
		read_pressure(path, &s->fact[WHEN_CGROUP_PSI],
			      &s->fact[WHEN_CGROUP_PSI_FULL]);
	if ((facts & OF_EVENTS) && cgroup_file(t, "memory.events", path, &why))
		read_events(path, s);
	/* Also of those that are not asked for: whether it still lives. */
	return read_status(s, t, e);
}

static int check_file(const char *path, struct error *e)
{
	char text[1024];

	return small_read(AT_FDCWD, path, text, sizeof(text)) < 0
		       ? error_set(e, EXIT_FAILED, "--when: %s: %m", path)
		       : 0;
}

static int check_group(const struct target *t, const char *name, struct error *e)
{
	char path[PATH_MAX];
	const char *why;

	if (cgroup_file(t, name, path, &why))
		return check_file(path, e);
	return error_set(e, EXIT_FAILED,
			 "--when: the control group of process %d, \"%s\": %s (cgroup v2 "
			 "is needed)",
			 (int)t->pid, t->cgroup, why);
}

int counters_check(const struct target *t, uint32_t facts, struct error *e)
{
	if ((facts & OF_SYSTEM) && check_file(SYSTEM_PRESSURE, e))
		return -1;
	if (!t)
		return 0;
	if ((facts & OF_GROUP) && check_group(t, "memory.pressure", e))
		return -1;
	return (facts & OF_EVENTS) ? check_group(t, "memory.events", e) : 0;
}
