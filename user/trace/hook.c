// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs at tracepoints; see hook.h. */
#include "trace/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "trace/program.h"

/* System calls, and how many arguments the kernel declares. */
static const struct hooked {
	const char *name;
	enum call_kind kind;
	unsigned int args;
} hooked[] = {
	{ "mmap", CALL_MMAP, 6 },     { "munmap", CALL_MUNMAP, 2 },
	{ "mremap", CALL_MREMAP, 5 }, { "brk", CALL_BRK, 1 },
	{ "shmat", CALL_SHMAT, 3 },   { "shmdt", CALL_SHMDT, 1 },
	{ "execve", CALL_EXEC, 0 },   { "execveat", CALL_EXEC, 0 },
};

#define HOOKED (sizeof(hooked) / sizeof(hooked[0]))

/* Threads that can be within such a call at once. */
#define CALLS_MAX 16384

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_map(uint32_t type, uint32_t key, uint32_t value, uint32_t entries)
{
	union bpf_attr attr = { .map_type = type,
				.key_size = key,
				.value_size = value,
				.max_entries = entries };

	return bpf(BPF_MAP_CREATE, &attr);
}

static int load(const struct program *p)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_TRACEPOINT,
				.insn_cnt = (uint32_t)p->n,
				.insns = (uint64_t)(uintptr_t)p->code,
				.license = (uint64_t)(uintptr_t) "GPL" };

	return bpf(BPF_PROG_LOAD, &attr);
}

/* Where the kernel's tracepoints are told, or NULL: an open folder of events. */
static const char *const tracefs[] = { "/sys/kernel/tracing",
				       "/sys/kernel/debug/tracing" };

static int tracepoint_id(int events, const char *name, struct error *e)
{
	char path[64], text[16];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "syscalls/%s/id", name);
	fd = openat(events, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0) {
		error_sys(e, errno, "tracepoint %s", path);
		return -1;
	}
	text[n] = '\0';
	return atoi(text);
}

static int open_events(struct error *e)
{
	char path[64];
	int fd;

	for (size_t i = 0; i < sizeof(tracefs) / sizeof(tracefs[0]); i++) {
		snprintf(path, sizeof(path), "%s/events", tracefs[i]);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == EACCES)
			return error_set(e, EXIT_DENIED,
					 "%s may not be read: trace as root", path);
		if (fd < 0)
			continue;
		if (!faccessat(fd, "syscalls", F_OK, 0))
			return fd;
		close(fd);
		return error_set(e, EXIT_DENIED,
				 "this kernel has no tracepoints of system calls "
				 "(CONFIG_FTRACE_SYSCALLS)");
	}
	return error_set(e, EXIT_DENIED,
			 "the kernel's tracepoints cannot be found: mount -t tracefs "
			 "nodev %s",
			 tracefs[0]);
}

static int error_denied(struct error *e, int err, const char *what)
{
	if (err == EPERM || err == EACCES)
		return error_set(
			e, EXIT_DENIED,
			"%s is not permitted: trace as root, or with CAP_PERFMON, "
			"CAP_BPF and CAP_SYS_PTRACE (a kernel in lockdown permits "
			"it to nobody)",
			what);
	if (err == ENOSYS)
		return error_set(e, EXIT_DENIED, "this kernel has no %s", what);
	return error_sys(e, err, "%s", what);
}

/* An event of our own: its program runs for all tasks, and counting for them is spared. */
static int attach(struct hook *k, int id, struct error *e)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT,
					.size = sizeof(attr),
					.config = (uint64_t)id };

	k->event =
		(int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (k->event < 0)
		return error_denied(e, errno, "perf_event_open(2) of a tracepoint");
	if (ioctl(k->event, PERF_EVENT_IOC_SET_BPF, k->program) ||
	    ioctl(k->event, PERF_EVENT_IOC_ENABLE, 0))
		return error_denied(e, errno, "a BPF program at a tracepoint");
	return 0;
}

static int hook(struct hooks *h, int id, unsigned int point, const struct program *p,
		struct error *e)
{
	struct hook *k = &h->hook[h->n++];

	*k = (struct hook){ .event = -1, .program = load(p), .point = point };
	if (k->program < 0)
		return error_denied(e, errno, "loading a BPF program");
	return attach(k, id, e);
}

/*
 * From Linux 7 on, such programs run with preemption enabled, and what a task that was
 * preempted within one has not ended, is passed over for all others on that CPU. Another
 * one of the same at the same place steps in: what the first has handed over, it does
 * not find any more.
 */
static unsigned int copies(void)
{
	struct utsname u = { 0 };

	uname(&u);
	return atoi(u.release) < 7 ? 1 : 3;
}

static int hook_point(struct hooks *h, int events, const char *prefix,
		      const struct hooked *what, const struct program *p, struct error *e)
{
	unsigned int point = h->n;
	char name[32];
	int id;

	snprintf(name, sizeof(name), "%s%s", prefix, what->name);
	id = tracepoint_id(events, name, e);
	if (id < 0)
		return -1;
	/* Nothing keeps a second program from telling of the same exec once more. */
	for (unsigned int i = what->args ? copies() : 1; i; i--)
		if (hook(h, id, point, p, e))
			return -1;
	return 0;
}

/* Exits first: what was entered before there was a hook is passed over. */
static int hook_all(struct hooks *h, int events, const struct identity *who,
		    struct error *e)
{
	for (size_t i = 0; i < HOOKED; i++) {
		struct program p = { .n = 0 };

		if (hooked[i].args)
			program_exit(&p, h, who);
		else
			program_exec_exit(&p, h, who);
		if (hook_point(h, events, "sys_exit_", &hooked[i], &p, e))
			return -1;
	}
	for (size_t i = 0; i < HOOKED; i++) {
		struct program p = { .n = 0 };

		if (!hooked[i].args)
			continue;
		program_entry(&p, h, who, hooked[i].kind, hooked[i].args);
		if (hook_point(h, events, "sys_enter_", &hooked[i], &p, e))
			return -1;
	}
	return 0;
}

/* The last number of the line "NSpid:": the pid in the namespace that is the target's. */
static int32_t own_pid(const struct target *t)
{
	char *text = target_slurp(t, "status", NULL);
	char *line = text ? strstr(text, "\nNSpid:") : NULL;
	char *last = NULL;
	int32_t pid = t->pid;

	if (line) {
		line[1 + strcspn(line + 1, "\n")] = '\0';
		last = strrchr(line + 1, '\t');
	}
	if (last)
		pid = atoi(last + 1);
	free(text);
	return pid;
}

static int identify(struct identity *who, const struct target *t, struct error *e)
{
	struct stat st;

	if (fstatat(t->dir, "ns/pid", &st, 0))
		return error_sys(e, errno == ENOENT ? ESRCH : errno,
				 "process %d: its pid namespace", (int)t->pid);
	/* As the kernel has it, not as stat(2) encodes it. */
	who->device = (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
	who->inode = st.st_ino;
	who->pid = own_pid(t);
	return 0;
}

static int make_maps(struct hooks *h, const struct rings *rings, struct error *e)
{
	h->calls = make_map(BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(struct call),
			    CALLS_MAX);
	if (h->calls < 0)
		return error_denied(e, errno, "bpf(2)");
	h->output = make_map(BPF_MAP_TYPE_PERF_EVENT_ARRAY, sizeof(uint32_t),
			     sizeof(uint32_t), rings->last_cpu + 1);
	h->lost = make_map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(uint64_t), 1);
	if (h->output < 0 || h->lost < 0)
		return error_denied(e, errno, "bpf(2)");
	for (size_t i = 0; i < rings->n; i++) {
		union bpf_attr attr = {
			.map_fd = (uint32_t)h->output,
			.key = (uint64_t)(uintptr_t)&rings->ring[i].cpu,
			.value = (uint64_t)(uintptr_t)&rings->ring[i].fd,
		};

		if (bpf(BPF_MAP_UPDATE_ELEM, &attr))
			return error_denied(e, errno, "bpf(2)");
	}
	return 0;
}

int hooks_open(struct hooks *h, const struct target *t, const struct rings *rings,
	       struct error *e)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct identity who;
	int events, err;

	*h = (struct hooks){ .calls = -1, .output = -1, .lost = -1 };
	/* Linux before 5.11 counts maps as locked memory. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	events = open_events(e);
	if (events < 0)
		return -1;
	err = identify(&who, t, e) || make_maps(h, rings, e) ||
	      hook_all(h, events, &who, e);
	close(events);
	if (err)
		hooks_close(h);
	return err ? -1 : 0;
}

uint64_t hooks_lost(const struct hooks *h)
{
	uint32_t key = 0;
	uint64_t lost = 0;
	union bpf_attr attr = { .map_fd = (uint32_t)h->lost,
				.key = (uint64_t)(uintptr_t)&key,
				.value = (uint64_t)(uintptr_t)&lost };

	return bpf(BPF_MAP_LOOKUP_ELEM, &attr) ? 0 : lost;
}

/* Since 5.12 there is, after what older headers have, the number of runs left out. */
static uint64_t left_out(int program)
{
	union {
		struct bpf_prog_info info;
		char room[512];
	} of = { .room = { 0 } };
	union bpf_attr attr = { .info = { .bpf_fd = (uint32_t)program,
					  .info_len = sizeof(of),
					  .info = (uint64_t)(uintptr_t)&of } };
	uint64_t n;

	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		return 0;
	memcpy(&n, of.room + offsetof(struct bpf_prog_info, run_cnt) + sizeof(uint64_t),
	       sizeof(n));
	return n;
}

uint64_t hooks_missed(const struct hooks *h)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < h->n;) {
		unsigned int point = h->hook[i].point;
		uint64_t least = UINT64_MAX;

		/* What is lost was left out by each. */
		for (; i < h->n && h->hook[i].point == point; i++) {
			uint64_t n = left_out(h->hook[i].program);

			least = n < least ? n : least;
		}
		sum += least;
	}
	return sum;
}

void hooks_close(struct hooks *h)
{
	const int maps[] = { h->calls, h->output, h->lost };

	while (h->n) {
		struct hook *k = &h->hook[--h->n];

		if (k->event >= 0)
			close(k->event);
		if (k->program >= 0)
			close(k->program);
	}
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (maps[i] >= 0)
			close(maps[i]);
	*h = (struct hooks){ .calls = -1, .output = -1, .lost = -1 };
}
