// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where /proc/PID/cgroup and the mounts here lead to (cgroups(7)). Both are seen from the
 * cgroup namespace of the caller; that the process is listed there is the proof.
 */
#include "target/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/vma.h"

/* The files of each version. */
static const struct files {
	const char *type; /* of the mount */
	const char *current, *limit, *high, *swap, *events;
} files[] = {
	[1] = { "cgroup", "memory.usage_in_bytes", "memory.limit_in_bytes", NULL, NULL,
		"memory.oom_control" },
	[2] = { "cgroup2", "memory.current", "memory.max", "memory.high",
		"memory.swap.current", "memory.events" },
};

struct place {
	char mount[PATH_MAX]; /* where it is mounted, here */
	char root[PATH_MAX]; /* what of the hierarchy that is */
};

static char *slurp(const char *folder, const char *path, const char *name)
{
	struct target none = { .dir = -1 };
	char whole[3 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s/%s", folder, path, name);
	return target_slurp(&none, whole, NULL);
}

static bool has_word(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p < list + len; p += strcspn(p, ",") + 1)
		if ((size_t)(list + len - p) >= n && !strncmp(p, word, n) &&
		    (p + n == list + len || p[n] == ','))
			return true;
	return false;
}

/* Of the lines "ID:CONTROLLERS:PATH", the one with memory, or else version 2's. */
static int find_path(const struct target *t, char *path)
{
	char *text = target_slurp(t, "cgroup", NULL), *save, *line;
	int version = 0;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line && version != 1;
	     line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'),
		     *end = list ? strchr(list + 1, ':') : NULL;

		if (!end)
			continue;
		list++;
		if (has_word(list, (size_t)(end - list), "memory"))
			version = 1;
		else if (end == list && !strncmp(line, "0:", 2))
			version = 2;
		else
			continue;
		snprintf(path, PATH_MAX, "%s", end + 1);
	}
	free(text);
	return version;
}

/* mountinfo has blanks and the like as \040 (fs/proc_namespace.c: mangle()). */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		unsigned int c;

		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3 &&
		    sscanf(s + 1, "%3o", &c) == 1) {
			*to++ = (char)c;
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* "ID PARENT MAJ:MIN ROOT MOUNT OPTIONS … - TYPE SOURCE OPTIONS" (proc(5)) */
static bool parse_mount(const char *line, int version, struct place *p)
{
	const char *rest = strstr(line, " - ");
	char type[32], options[256];

	if (!rest || sscanf(rest, " - %31s %*s %255s", type, options) != 2 ||
	    strcmp(type, files[version].type) != 0 ||
	    (version == 1 && !has_word(options, strlen(options), "memory")) ||
	    sscanf(line, "%*d %*d %*s %4095s %4095s", p->root, p->mount) != 2)
		return false;
	unescape(p->root);
	unescape(p->mount);
	return true;
}

/* What is left of @path below @root; NULL if it is not below it. */
static const char *below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") ? strlen(root) : 0;

	return !strncmp(path, root, n) && (!path[n] || path[n] == '/') ? path + n : NULL;
}

/* Where the files are: to @p->mount, and what comes behind that to @path. */
static bool find_mount(int version, struct place *p, char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	const char *rest = NULL;
	char *line = NULL;
	size_t cap = 0;

	while (f && !rest && getline(&line, &cap, f) > 0)
		if (parse_mount(line, version, p))
			rest = below(path, p->root);
	free(line);
	if (f)
		fclose(f);
	if (rest)
		memmove(path, rest, strlen(rest) + 1);
	return rest;
}

static bool lists_process(const struct place *p, const char *path, pid_t pid)
{
	char *text = slurp(p->mount, path, "cgroup.procs"), *end;
	bool found = false;

	for (char *at = text; at && *at && !found; at = end) {
		found = strtol(at, &end, 10) == pid;
		if (end == at)
			break;
	}
	free(text);
	return found;
}

/*
 * Of none, version 1 has a number that is a little less than 2^63. No more than 2^56, which
 * is the most that is read back of a count, limits anything.
 */
static uint64_t parse(const char *text)
{
	char *end;
	uint64_t n;

	if (!text)
		return UNKNOWN;
	if (!strncmp(text, "max", 3))
		return CGROUP_NO_LIMIT;
	n = strtoull(text, &end, 10);
	if (end == text)
		return UNKNOWN;
	return n >> 56 ? CGROUP_NO_LIMIT : n;
}

static uint64_t read_number(const struct place *p, const char *path, const char *name)
{
	char *text = name ? slurp(p->mount, path, name) : NULL;
	uint64_t n = parse(text);

	free(text);
	return n;
}

/* Of lines "KEY NUMBER". */
static uint64_t read_key(const struct place *p, const char *path, const char *name,
			 const char *key)
{
	char *text = slurp(p->mount, path, name), *save, *line;
	uint64_t n = UNKNOWN;
	size_t len = strlen(key);

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, key, len) && line[len] == ' ')
			n = parse(line + len + 1);
	free(text);
	return n;
}

/* To the one above; false at the top. */
static bool climb(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !*path)
		return false;
	*slash = '\0';
	return true;
}

/* The least limit, of it and of those above it. */
static void read_limits(const struct place *p, struct cgroup_memory *c)
{
	const struct files *f = &files[c->version];
	char path[PATH_MAX];

	strcpy(path, c->path);
	c->limit = c->high = UNKNOWN;
	do {
		uint64_t limit = read_number(p, path, f->limit);
		uint64_t high = read_number(p, path, f->high);

		if (limit < c->limit) {
			c->limit = limit;
			strcpy(c->limit_of, path);
		}
		if (high < c->high)
			c->high = high;
	} while (climb(path));
}

static void read_counts(const struct place *p, struct cgroup_memory *c)
{
	const struct files *f = &files[c->version];

	/* Where memory is not counted, it is in the one above. */
	while ((c->current = read_number(p, c->path, f->current)) == UNKNOWN)
		if (!climb(c->path))
			break;
	c->swap = f->swap ? read_number(p, c->path, f->swap)
			  : read_key(p, c->path, "memory.stat", "total_swap");
	c->oom_kills = read_key(p, c->path, f->events, "oom_kill");
	read_limits(p, c);
}

/* Where the files of its group are: "", or why that is not known. */
static const char *find_group(const struct target *t, int *version, struct place *p,
			      char *path)
{
	*version = find_path(t, path);
	if (!*version)
		return "no control group counts its memory";
	if (!strncmp(path, "/../", 4) || !strcmp(path, "/.."))
		return "its control group is outside of this cgroup namespace";
	if (!find_mount(*version, p, path))
		return "the hierarchy of its control group is not mounted here";
	if (!lists_process(p, path, t->pid))
		return "its control group is not the one that is mounted here by this "
		       "name";
	return "";
}

void cgroup_read(const struct target *t, struct cgroup_memory *c)
{
	struct place p;
	int version;

	*c = (struct cgroup_memory){ .current = UNKNOWN,
				     .swap = UNKNOWN,
				     .limit = UNKNOWN,
				     .high = UNKNOWN,
				     .oom_kills = UNKNOWN };
	c->why = find_group(t, &version, &p, c->path);
	if (c->why[0])
		return;
	c->version = version;
	read_counts(&p, c);
}

bool cgroup_file(const struct target *t, const char *name, char path[PATH_MAX],
		 const char **why)
{
	char group[PATH_MAX];
	struct place p;
	int version;

	*why = find_group(t, &version, &p, group);
	if (!(*why)[0] && version != 2)
		*why = "it is of version 1, which has no such file";
	if ((*why)[0])
		return false;
	if (snprintf(path, PATH_MAX, "%s%s/%s", p.mount, group, name) < PATH_MAX)
		return true;
	*why = "its path is too long";
	return false;
}
