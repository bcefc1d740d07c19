// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists /proc. Reads a status file a process, and no page table. */
#include "target/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/small.h"

/* A field of /proc/PID/status in bytes. In the name, which comes first, no line ends. */
static bool field(const char *text, const char *name, uint64_t *bytes)
{
	const char *line = strstr(text, name);

	if (!line)
		return false;
	*bytes = strtoull(line + strlen(name), NULL, 10) * 1024;
	return true;
}

/* Of up to 65,536 groups, the numbers come before the sizes. */
#define STATUS_MAX (1 << 20)

/* False for what has ended, and for kernel threads: they have no such fields. */
static bool size_of(int proc, const char *pid, struct process_size *p)
{
	static char text[STATUS_MAX];
	char path[300];
	uint64_t swap;

	snprintf(path, sizeof(path), "%s/status", pid);
	if (small_read(proc, path, text, sizeof(text)) <= 0)
		return false;
	p->pid = (pid_t)strtol(pid, NULL, 10);
	if (!field(text, "\nVmRSS:", &p->rss) || !field(text, "\nRssAnon:", &p->anon) ||
	    !field(text, "\nVmSwap:", &swap))
		return false;
	p->anon += swap;
	return true;
}

static int add(struct process_list *list, size_t *room, const struct process_size *p)
{
	if (list->n == *room) {
		size_t more = *room ? 2 * *room : 256;
		struct process_size *grown = realloc(list->v, more * sizeof(*grown));

		if (!grown)
			return -1;
		list->v = grown;
		*room = more;
	}
	list->v[list->n++] = *p;
	return 0;
}

static int most_first(const void *a, const void *b)
{
	const struct process_size *x = a, *y = b;

	return x->anon != y->anon ? (x->anon < y->anon) - (x->anon > y->anon)
				  : (x->pid > y->pid) - (x->pid < y->pid);
}

int processes_list(struct process_list *list, struct error *e)
{
	DIR *proc = opendir("/proc");
	struct process_size p;
	struct dirent *d;
	size_t room = 0;

	*list = (struct process_list){ NULL, 0 };
	if (!proc)
		return error_sys(e, errno, "/proc");
	while ((d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !size_of(dirfd(proc), d->d_name, &p) || p.pid == getpid())
			continue;
		if (add(list, &room, &p)) {
			closedir(proc);
			processes_free(list);
			return error_sys(e, ENOMEM, "listing the processes");
		}
	}
	closedir(proc);
	if (list->n)
		qsort(list->v, list->n, sizeof(*list->v), most_first);
	return 0;
}

void processes_free(struct process_list *list)
{
	free(list->v);
	*list = (struct process_list){ NULL, 0 };
}
