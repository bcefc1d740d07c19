// SPDX-License-Identifier: GPL-2.0-or-later
/* From what the user typed to one pid, or to the list of what it may mean. */
#include "target/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/small.h"

#define LISTED 12 /* matches that an error names */

struct matches {
	pid_t pid[LISTED];
	size_t n;
};

static void match_add(struct matches *m, pid_t pid)
{
	if (m->n < LISTED)
		m->pid[m->n] = pid;
	m->n++;
}

static bool parse_pid(const char *s, pid_t *pid)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	n = strtol(s, &end, 10);
	if (*end || errno || n <= 0 || n > INT32_MAX)
		return false;
	*pid = (pid_t)n;
	return true;
}

static bool comm_is(int proc, const char *pid, const char *name)
{
	char path[300], comm[64];

	snprintf(path, sizeof(path), "%s/comm", pid);
	if (small_read(proc, path, comm, sizeof(comm)) <= 0)
		return false;
	comm[strcspn(comm, "\n")] = '\0';
	return !strcmp(comm, name);
}

static bool exe_is(int proc, const char *pid, const char *name)
{
	char path[300], exe[4096];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/exe", pid);
	n = readlinkat(proc, path, exe, sizeof(exe) - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	base = strrchr(exe, '/');
	return !strcmp(base ? base + 1 : exe, name);
}

static int scan(const char *name, struct matches *m, struct error *e)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	if (!proc)
		return error_sys(e, errno, "/proc");
	while ((d = readdir(proc))) {
		pid_t pid;

		if (!parse_pid(d->d_name, &pid) || pid == getpid())
			continue;
		if (comm_is(dirfd(proc), d->d_name, name) ||
		    exe_is(dirfd(proc), d->d_name, name))
			match_add(m, pid);
	}
	closedir(proc);
	return 0;
}

/* @kind and @what say what was looked for: "named" "redis", "in cgroup" "/x". */
static int only_match(const struct matches *m, const char *kind, const char *what,
		      pid_t *pid, struct error *e)
{
	char list[LISTED * 12 + 8] = "";
	size_t at = 0;

	if (m->n == 1) {
		*pid = m->pid[0];
		return 0;
	}
	if (!m->n)
		return error_set(e, EXIT_GONE, "no process %s \"%s\"", kind, what);
	for (size_t i = 0; i < m->n && i < LISTED; i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, " %d",
				       (int)m->pid[i]);
	return error_set(e, EXIT_USAGE, "%zu processes %s \"%s\": name one of%s%s", m->n,
			 kind, what, list, m->n > LISTED ? " ..." : "");
}

int target_find(const char *what, pid_t *pid, struct error *e)
{
	struct matches m = { .n = 0 };

	if (parse_pid(what, pid))
		return 0;
	if (scan(what, &m, e))
		return -1;
	return only_match(&m, "named", what, pid, e);
}

int target_find_cgroup(const char *path, pid_t *pid, struct error *e)
{
	struct matches m = { .n = 0 };
	char file[4096];
	FILE *f;
	int n;

	snprintf(file, sizeof(file), "%s%s/cgroup.procs",
		 strncmp(path, "/sys/", 5) ? "/sys/fs/cgroup/" : "", path);
	f = fopen(file, "re");
	if (!f)
		return error_sys(e, errno, "%s", file);
	while (fscanf(f, "%d", &n) == 1)
		match_add(&m, n);
	fclose(f);
	return only_match(&m, "in cgroup", path, pid, e);
}
