// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The identity of a target and the refusal of what cannot be one. Everything
 * is read relative to one open /proc/PID, which never comes to mean another
 * process.
 */
#include "target/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/cmdline.h"
#include "target/vma.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define SLURP_MAX  (64u << 20) /* smaps of 65,530 VMAs is below this */

struct stat_fields {
	char state;
	unsigned int flags;
	unsigned int threads;
	uint64_t starttime;
};

static char *slurp_fd(int fd, size_t *len)
{
	size_t cap = 4096, n = 0;
	char *buf = malloc(cap);

	while (buf) {
		ssize_t got = read(fd, buf + n, cap - n - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (got == 0) {
			buf[n] = '\0';
			if (len)
				*len = n;
			return buf;
		}
		n += (size_t)got;
		if (n + 1 == cap) {
			char *grown = cap < SLURP_MAX ? realloc(buf, 2 * cap) : NULL;

			if (!grown) {
				errno = ENOMEM;
				break;
			}
			buf = grown;
			cap *= 2;
		}
	}
	free(buf);
	return NULL;
}

char *target_slurp(const struct target *t, const char *name, size_t *len)
{
	int fd = openat(t->dir, name, O_RDONLY | O_CLOEXEC);
	int saved;
	char *text;

	if (fd < 0) {
		/* The directory outlives the process; its files do not. */
		if (errno == ENOENT)
			errno = ESRCH;
		return NULL;
	}
	text = slurp_fd(fd, len);
	saved = errno;
	close(fd);
	errno = saved;
	return text;
}

/* proc(5), /proc/PID/stat. comm may hold spaces and parentheses: find its end from behind. */
static bool parse_stat(const char *text, struct stat_fields *f)
{
	const char *p = strrchr(text, ')');

	return p && sscanf(p + 1,
			   " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u "
			   "%*d %*d %*d %*d %u %*d %" SCNu64,
			   &f->state, &f->flags, &f->threads, &f->starttime) == 4;
}

static int read_stat(struct target *t, struct stat_fields *f, struct error *e)
{
	char *text = target_slurp(t, "stat", NULL);
	bool ok;

	if (!text)
		return error_sys(e, errno, "process %d", (int)t->pid);
	ok = parse_stat(text, f);
	free(text);
	if (!ok)
		return error_set(e, EXIT_FAILED, "/proc/%d/stat has an unknown form",
				 (int)t->pid);
	if (f->state == 'Z' || f->state == 'X')
		return error_set(
			e, EXIT_GONE,
			"process %d has ended (it is a zombie) and has no memory",
			(int)t->pid);
	if (f->flags & PF_KTHREAD)
		return error_set(
			e, EXIT_FAILED,
			"process %d is a kernel thread and has no memory of its own",
			(int)t->pid);
	return 0;
}

static char *read_link(const struct target *t, const char *name)
{
	char path[4096];
	ssize_t n = readlinkat(t->dir, name, path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	return strdup(path);
}

static char *read_comm(const struct target *t)
{
	char *text = target_slurp(t, "comm", NULL);

	if (!text)
		return strdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* The line "0::/path" of /proc/PID/cgroup. */
static char *read_cgroup(const struct target *t)
{
	char *text = target_slurp(t, "cgroup", NULL);
	char *line, *path = NULL;

	for (line = text; line && !path; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "0::", 3))
			path = strndup(line + 3, strcspn(line + 3, "\n"));
	}
	free(text);
	return path ? path : strdup("");
}

/* A thread's id opens in /proc as a process does; its memory is its process'. */
static int refuse_thread(const struct target *t, struct error *e)
{
	char *text = target_slurp(t, "status", NULL);
	const char *line = text ? strstr(text, "\nTgid:") : NULL;
	int tgid = line ? atoi(line + 6) : t->pid;

	free(text);
	if (tgid == t->pid || tgid <= 0)
		return 0;
	return error_set(e, EXIT_USAGE, "%d is a thread of process %d: name the process",
			 (int)t->pid, tgid);
}

/*
 * Reading memory needs more than reading smaps (PTRACE_MODE_ATTACH). Address 0
 * is mapped by nobody, so this asks for the permission alone.
 */
static int check_access(const struct target *t, struct error *e)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };

	if (process_vm_readv(t->pid, &local, 1, &remote, 1, 0) < 0 &&
	    (errno == EPERM || errno == ESRCH))
		return error_sys(
			e, errno, "process %d: reading its memory%s", (int)t->pid,
			errno == EPERM ? " (needs its owner, or root: try sudo)" : "");
	return 0;
}

bool target_is_32_bit(const struct target *t)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	int fd = openat(t->dir, "exe", O_RDONLY | O_CLOEXEC);
	bool is_32_bit = fd >= 0 && read(fd, ident, sizeof(ident)) == sizeof(ident) &&
			 ident[EI_CLASS] == ELFCLASS32;

	if (fd >= 0)
		close(fd);
	return is_32_bit;
}

uint64_t target_status(const struct target *t, const char *key)
{
	char *text = target_slurp(t, "status", NULL), line[64];
	uint64_t bytes = UNKNOWN;
	const char *found;

	snprintf(line, sizeof(line), "\n%s:", key);
	found = text ? strstr(text, line) : NULL;
	if (found)
		bytes = strtoull(found + strlen(line), NULL, 10) * 1024;
	free(text);
	return bytes;
}

static int open_reader(struct target *t, bool device, struct error *e)
{
	int err = reader_open(&t->reader, t->pid, t->dir, device);

	if (err == -EACCES || err == -EPERM)
		return error_set(e, EXIT_DENIED,
				 "process %d: reading its memory is not permitted (needs "
				 "its owner, or root: try sudo)",
				 (int)t->pid);
	if (err)
		return error_sys(e, err == -ENOENT ? ESRCH : -err, "/proc/%d/pagemap",
				 (int)t->pid);
	return check_access(t, e);
}

/* What was opened before exec leads to memory that is no more. */
static int follow_exec(struct target *t, struct error *e)
{
	bool device = t->reader.device >= 0;
	uint64_t deadline_ns = t->reader.deadline_ns;
	char *cmdline;

	reader_close(&t->reader);
	if (open_reader(t, device, e))
		return -1;
	t->reader.deadline_ns = deadline_ns;
	cmdline = cmdline_read(t);
	if (!cmdline)
		return error_sys(e, ENOMEM, "process %d", (int)t->pid);
	free(t->cmdline);
	t->cmdline = cmdline;
	t->execs++;
	return 0;
}

int target_refresh(struct target *t, struct error *e)
{
	struct stat_fields f;
	char *comm, *exe;

	if (read_stat(t, &f, e))
		return -1;
	t->threads = f.threads;
	t->starttime = f.starttime;
	if (t->reader.pagemap >= 0 && reader_is_gone(&t->reader) && follow_exec(t, e))
		return -1;
	comm = read_comm(t);
	exe = read_link(t, "exe");
	if (!comm || !exe) {
		free(comm);
		free(exe);
		return error_sys(e, ENOMEM, "process %d", (int)t->pid);
	}
	free(t->comm);
	free(t->exe);
	t->comm = comm;
	t->exe = exe;
	return 0;
}

static int fill(struct target *t, bool device, struct error *e)
{
	if (refuse_thread(t, e) || target_refresh(t, e) || open_reader(t, device, e))
		return -1;
	t->cmdline = cmdline_read(t);
	t->cgroup = read_cgroup(t);
	if (!t->cmdline || !t->cgroup)
		return error_sys(e, ENOMEM, "process %d", (int)t->pid);
	return 0;
}

int target_open(struct target *t, pid_t pid, bool device, struct error *e)
{
	char path[32];

	*t = (struct target){ .pid = pid,
			      .dir = -1,
			      .reader = { .pagemap = -1, .device = -1, .mem = -1 } };
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	t->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0)
		return error_sys(e, errno == ENOENT ? ESRCH : errno, "process %d",
				 (int)pid);
	if (fill(t, device, e)) {
		target_close(t);
		return -1;
	}
	return 0;
}

void target_close(struct target *t)
{
	reader_close(&t->reader);
	if (t->dir >= 0)
		close(t->dir);
	free(t->comm);
	free(t->cmdline);
	free(t->exe);
	free(t->cgroup);
	*t = (struct target){ .dir = -1,
			      .reader = { .pagemap = -1, .device = -1, .mem = -1 } };
}
