// SPDX-License-Identifier: GPL-2.0-or-later
/* Ring buffers; see ring.h. */
#include "trace/ring.h"

#include <asm/perf_regs.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All rings together, and one of them at least and at most. */
#define RINGS_SIZE (64u << 20)
#define RING_MIN   (1u << 20)
#define RING_MAX   (32u << 20)

#define CPUS_MAX   8192
#define RECORD_MAX 65536 /* struct perf_event_header: a size of 16 bits */

/* By DWARF's number, perf's. */
#ifdef __aarch64__
#define REG_SP PERF_REG_ARM64_SP
#define REG_PC PERF_REG_ARM64_PC
#define REGS   ((1ull << (PERF_REG_ARM64_PC + 1)) - 1)
const unsigned int sample_nregs = 32;

static unsigned int perf_register(unsigned int dwarf)
{
	return dwarf;
}
#else
#define REG_SP	      PERF_REG_X86_SP
#define REG_PC	      PERF_REG_X86_IP
#define REGS_UP_TO_IP ((1ull << (PERF_REG_X86_IP + 1)) - 1)
#define REGS_FROM_R8  (0xffull << PERF_REG_X86_R8)
#define REGS	      (REGS_UP_TO_IP | REGS_FROM_R8)
const unsigned int sample_nregs = 17;

/* The System V ABI's supplement for AMD64, figure 3.36. */
static unsigned int perf_register(unsigned int dwarf)
{
	static const uint8_t of[] = {
		PERF_REG_X86_AX,  PERF_REG_X86_DX,  PERF_REG_X86_CX,  PERF_REG_X86_BX,
		PERF_REG_X86_SI,  PERF_REG_X86_DI,  PERF_REG_X86_BP,  PERF_REG_X86_SP,
		PERF_REG_X86_R8,  PERF_REG_X86_R9,  PERF_REG_X86_R10, PERF_REG_X86_R11,
		PERF_REG_X86_R12, PERF_REG_X86_R13, PERF_REG_X86_R14, PERF_REG_X86_R15,
		PERF_REG_X86_IP
	};

	return of[dwarf];
}
#endif

static int open_event(uint32_t cpu, size_t ring_size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_period = 1,
		.sample_type =
			PERF_SAMPLE_RAW | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = REGS,
		.sample_stack_user = STACK_COPY,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)ring_size / 4,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

static size_t size_for(size_t cpus)
{
	size_t size = RING_MAX;

	while (size > RING_MIN && size * cpus > RINGS_SIZE)
		size /= 2;
	return size;
}

static size_t control_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int ring_open(struct ring *r, uint32_t cpu, size_t size, struct error *e)
{
	*r = (struct ring){ .cpu = cpu, .size = size, .base = MAP_FAILED };
	r->fd = open_event(cpu, size);
	if (r->fd < 0 && (errno == EACCES || errno == EPERM))
		return error_set(e, EXIT_DENIED,
				 "perf_event_open(2) is not permitted: trace as root, or "
				 "with CAP_PERFMON, CAP_BPF and CAP_SYS_PTRACE (see "
				 "/proc/sys/kernel/perf_event_paranoid; a kernel in "
				 "lockdown permits it to nobody)");
	if (r->fd < 0 && errno == ENOSYS)
		return error_set(e, EXIT_DENIED, "this kernel has no perf_event_open(2)");
	if (r->fd < 0)
		return error_sys(e, errno, "perf_event_open(2) on CPU %u", cpu);
	r->base = mmap(NULL, control_size() + size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, 0);
	if (r->base == MAP_FAILED)
		return error_sys(e, errno,
				 "a ring buffer of %zu KiB (perf_event_mlock_kb)",
				 size >> 10);
	return 0;
}

static void ring_close(struct ring *r)
{
	if (r->base != MAP_FAILED)
		munmap(r->base, control_size() + r->size);
	if (r->fd >= 0)
		close(r->fd);
}

/* The list of /sys/devices/system/cpu/online, "0-3,8"; how many. */
static size_t online_cpus(uint32_t *cpu, size_t max)
{
	FILE *f = fopen("/sys/devices/system/cpu/online", "re");
	unsigned int first, last;
	size_t n = 0;
	int got;

	while (f && (got = fscanf(f, "%u-%u", &first, &last)) > 0) {
		for (unsigned int i = first; n < max && i <= (got == 2 ? last : first);
		     i++)
			cpu[n++] = i;
		if (fgetc(f) != ',')
			break;
	}
	if (f)
		fclose(f);
	return n;
}

int rings_open(struct rings *r, struct error *e)
{
	uint32_t *cpu = malloc(CPUS_MAX * sizeof(*cpu));
	size_t n = cpu ? online_cpus(cpu, CPUS_MAX) : 0;
	int err = 0;

	*r = (struct rings){ .n = 0 };
	r->record = malloc(RECORD_MAX);
	r->ring = calloc(n + 1, sizeof(*r->ring));
	if (!cpu || !r->record || !r->ring)
		err = error_sys(e, ENOMEM, "ring buffers");
	else if (!n)
		err = error_set(e, EXIT_FAILED,
				"/sys/devices/system/cpu/online names no "
				"CPU: is /sys mounted?");
	for (size_t i = 0; !err && i < n; i++) {
		err = ring_open(&r->ring[r->n++], cpu[i], size_for(n), e);
		r->last_cpu = cpu[i];
	}
	free(cpu);
	if (err)
		rings_close(r);
	return err;
}

void rings_stop(struct rings *r)
{
	for (size_t i = 0; i < r->n; i++)
		ioctl(r->ring[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

void rings_close(struct rings *r)
{
	for (size_t i = 0; i < r->n; i++)
		ring_close(&r->ring[i]);
	free(r->ring);
	free(r->record);
	*r = (struct rings){ .n = 0 };
}

/* What is left of a record that is read from its begin. */
struct cursor {
	const char *at;
	size_t left;
};

/* The next @len bytes, or NULL. */
static const void *take_bytes(struct cursor *c, size_t len)
{
	const char *at = c->at;

	if (len > c->left)
		return NULL;
	c->at += len;
	c->left -= len;
	return at;
}

static bool take_u64(struct cursor *c, uint64_t *value)
{
	const void *at = take_bytes(c, sizeof(*value));

	if (at)
		memcpy(value, at, sizeof(*value));
	return at;
}

static bool take_call(struct cursor *c, struct call *call)
{
	const void *at = take_bytes(c, sizeof(uint32_t));
	uint32_t len;

	if (!at)
		return false;
	memcpy(&len, at, sizeof(len));
	at = take_bytes(c, len);
	if (!at || len < sizeof(*call))
		return false;
	memcpy(call, at, sizeof(*call));
	return true;
}

static bool take_regs(struct cursor *c, struct sample *s)
{
	uint64_t all[64] = { 0 }, abi;

	if (!take_u64(c, &abi))
		return false;
	s->has_regs = abi == PERF_SAMPLE_REGS_ABI_64;
	for (unsigned int i = 0; abi != PERF_SAMPLE_REGS_ABI_NONE && i < 64; i++)
		if (REGS >> i & 1 && !take_u64(c, &all[i]))
			return false;
	for (unsigned int i = 0; i < sample_nregs; i++)
		s->regs[i] = all[perf_register(i)];
	s->sp = all[REG_SP];
	s->pc = all[REG_PC];
	return true;
}

static bool take_stack(struct cursor *c, struct sample *s)
{
	uint64_t reserved, copied;

	if (!take_u64(c, &reserved))
		return false;
	if (!reserved)
		return true;
	s->stack = take_bytes(c, reserved);
	if (!s->stack || !take_u64(c, &copied) || copied > reserved)
		return false;
	s->stack_len = copied;
	return true;
}

static void read_record(const struct perf_event_header *header,
			void (*take)(void *arg, const struct sample *s), void *arg)
{
	struct cursor c = { (const char *)(header + 1), header->size - sizeof(*header) };
	struct sample s = { .stack_len = 0 };

	/* PERF_RECORD_LOST: the hooks have counted that. */
	if (header->type != PERF_RECORD_SAMPLE)
		return;
	if (take_call(&c, &s.call) && take_regs(&c, &s) && take_stack(&c, &s))
		take(arg, &s);
}

/* The record at @at, whole. */
static const struct perf_event_header *record_at(const struct ring *r, uint64_t at,
						 void *whole)
{
	const char *data = (const char *)r->base + control_size();
	size_t offset = at & (r->size - 1), before_end = r->size - offset;
	const struct perf_event_header *header = (const void *)(data + offset);

	/* Records are multiples of eight bytes: a header is never cut. */
	if (header->size <= before_end)
		return header;
	memcpy(whole, header, before_end);
	memcpy((char *)whole + before_end, data, header->size - before_end);
	return whole;
}

void rings_read(struct rings *r, void (*take)(void *arg, const struct sample *s),
		void *arg)
{
	for (size_t i = 0; i < r->n; i++) {
		struct perf_event_mmap_page *page = r->ring[i].base;
		uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
		uint64_t tail = page->data_tail;

		while (tail < head) {
			const struct perf_event_header *header =
				record_at(&r->ring[i], tail, r->record);

			if (header->size < sizeof(*header))
				break;
			read_record(header, take, arg);
			tail += header->size;
			__atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
		}
	}
}
