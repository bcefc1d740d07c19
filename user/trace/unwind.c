// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unwinding; see unwind.h. Files are read, never mapped: one that shrinks under the
 * look is a failed read then, and no SIGBUS.
 */
#include "trace/unwind.h"

#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "target/mapped.h"

#ifdef __aarch64__
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

/* Code is not as far from its file's begin. */
#define MODULE_SPAN (16ull << 30)

/* Symbols of the largest programs are below this. */
#define MEMORY_MAX (1ull << 30)

#define THREAD 1 /* libdw's name for whoever is sampled */

static struct module *module_of(Dwfl_Module *mod)
{
	void **data = NULL;

	dwfl_module_info(mod, &data, NULL, NULL, NULL, NULL, NULL, NULL);
	return data ? *data : NULL;
}

/* libdw closes what this returns, and asks again for a file that is mapped again. */
static int find_elf(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct module *m = *data;
	int fd = m ? dup(m->fd) : -1;

	(void)mod;
	(void)name;
	(void)base;
	(void)file_name;
	if (fd < 0)
		return -1;
	*elf = elf_begin(fd, ELF_C_READ, NULL);
	if (*elf)
		return fd;
	close(fd);
	return -1;
}

/* By build id, below /usr/lib/debug: nothing is asked of the network. */
static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = dwfl_build_id_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

/* What a file has compressed may become as large as it likes. */
static void limit_memory(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_DATA, &limit) || limit.rlim_cur <= MEMORY_MAX)
		return;
	limit.rlim_cur = MEMORY_MAX;
	setrlimit(RLIMIT_DATA, &limit);
}

void unwinder_open(struct unwinder *u, const struct target *t)
{
	limit_memory();
	*u = (struct unwinder){ .target = t };
	elf_version(EV_CURRENT);
}

void unwinder_forget(struct unwinder *u)
{
	if (u->dwfl)
		dwfl_end(u->dwfl);
	u->dwfl = NULL;
	u->attached = false;
	vma_list_free(&u->code);
}

void unwinder_close(struct unwinder *u)
{
	unwinder_forget(u);
	for (size_t i = 0; i < u->nmodules; i++) {
		if (u->modules[i]->fd >= 0)
			close(u->modules[i]->fd);
		free(u->modules[i]->path);
		free(u->modules[i]);
	}
	u->nmodules = 0;
}

size_t unwinder_unopened(const struct unwinder *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->nmodules; i++)
		n += u->modules[i]->fd < 0;
	return n;
}

static struct module *known_module(struct unwinder *u, const struct vma *v)
{
	for (size_t i = 0; i < u->nmodules; i++) {
		struct module *m = u->modules[i];

		if (m->inode == v->inode && m->dev_major == v->dev_major &&
		    m->dev_minor == v->dev_minor)
			return m;
	}
	return NULL;
}

static struct module *get_module(struct unwinder *u, const struct vma *v)
{
	struct module *m = known_module(u, v);

	if (m || u->nmodules == MODULES_MAX)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	*m = (struct module){ .dev_major = v->dev_major,
			      .dev_minor = v->dev_minor,
			      .inode = v->inode,
			      .path = strdup(v->name),
			      .fd = mapped_open(u->target, v) };
	u->modules[u->nmodules++] = m;
	return m;
}

static bool is_for_us(Elf *elf)
{
	GElf_Ehdr header;

	return elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) &&
	       header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_machine == MACHINE &&
	       (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

/* The file begins where its first segment does, as libdw reckons. */
static bool place_segments(Elf *elf, const struct vma *v, struct module *m)
{
	GElf_Phdr ph;
	uint64_t first = 0;
	bool any = false;
	size_t n;

	if (elf_getphdrnum(elf, &n))
		return false;
	for (size_t i = 0; i < n && i < INT32_MAX; i++) {
		if (!gelf_getphdr(elf, (int)i, &ph))
			return false;
		if (ph.p_type != PT_LOAD)
			continue;
		if (!any)
			first = ph.p_vaddr & -ph.p_align;
		any = true;
		if (v->offset + (v->end - v->start) <= ph.p_offset ||
		    v->offset >= ph.p_offset + ph.p_filesz || !(ph.p_flags & PF_X))
			continue;
		m->bias = v->start - (ph.p_vaddr + (v->offset - ph.p_offset));
		m->start = m->bias + first;
		return m->start <= v->start && v->start - m->start < MODULE_SPAN;
	}
	return false;
}

static bool seen_there(const struct module *m, const struct vma *v)
{
	return m->code_start == v->start && m->code_end == v->end &&
	       m->code_offset == v->offset;
}

static bool place_module(struct module *m, const struct vma *v)
{
	Elf *elf;

	if (seen_there(m, v))
		return m->placed;
	elf = m->fd >= 0 ? elf_begin(m->fd, ELF_C_READ, NULL) : NULL;
	m->code_start = v->start;
	m->code_end = v->end;
	m->code_offset = v->offset;
	m->placed = elf && is_for_us(elf) && place_segments(elf, v, m);
	elf_end(elf);
	return m->placed;
}

/* A file in memory, for libdw. */
struct placing {
	struct module *module;
	uint64_t bias, start, end;
};

static void report(struct unwinder *u, const struct placing *p)
{
	char name[80];
	void **data = NULL;
	Dwfl_Module *mod;

	/* To libdw, what has the same name and place is the same. */
	snprintf(name, sizeof(name), "%x:%x:%" PRIu64 "@%" PRIx64, p->module->dev_major,
		 p->module->dev_minor, p->module->inode, p->bias);
	mod = dwfl_report_module(u->dwfl, name, p->start, p->end);
	if (!mod)
		return;
	dwfl_module_info(mod, &data, NULL, NULL, NULL, NULL, NULL, NULL);
	if (data)
		*data = p->module;
}

/* Modules that would overlap, which no linker makes, are left out. */
static void report_all(struct unwinder *u)
{
	struct placing last = { .module = NULL }, p;

	for (size_t i = 0; i < u->code.n; i++) {
		const struct vma *v = &u->code.v[i];

		p.module = v->inode ? get_module(u, v) : NULL;
		if (!p.module || !place_module(p.module, v))
			continue;
		p.bias = p.module->bias;
		p.start = p.module->start;
		p.end = v->end;
		if (p.module == last.module && p.bias == last.bias) {
			last.end = p.end;
			continue;
		}
		if (p.start < last.end)
			continue;
		if (last.module)
			report(u, &last);
		last = p;
	}
	if (last.module)
		report(u, &last);
}

static void parse_code(struct vma_list *code, char *text)
{
	char *line, *rest = text;
	struct vma v;

	while ((line = strsep(&rest, "\n")))
		if (vma_parse(line, &v) && v.flags & VMA_EXEC &&
		    (!code->n || code->v[code->n - 1].end <= v.start))
			vma_list_add(code, &v);
}

int unwinder_refresh(struct unwinder *u)
{
	char *text = target_slurp(u->target, "maps", NULL);
	struct vma_list code = { 0 };

	if (!text)
		return -errno;
	parse_code(&code, text);
	free(text);
	if (!code.n)
		return -ESRCH;
	vma_list_free(&u->code);
	u->code = code;
	if (!u->dwfl)
		u->dwfl = dwfl_begin(&callbacks);
	if (!u->dwfl)
		return -ENOMEM;
	dwfl_report_begin(u->dwfl);
	report_all(u);
	dwfl_report_end(u->dwfl, NULL, NULL);
	return 0;
}

bool unwinder_knows(const struct unwinder *u, uint64_t pc)
{
	return vma_find(&u->code, pc);
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	/* The only one: asked for once more, there is none. */
	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return THREAD;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)tid;
	*thread_arg = arg;
	return true;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	struct unwinder *u = arg;
	const struct sample *s = u->sample;
	uint64_t offset = addr - s->sp;

	(void)dwfl;
	if (addr < s->sp || s->stack_len < sizeof(*result) ||
	    offset > s->stack_len - sizeof(*result)) {
		u->missed = true;
		return false;
	}
	memcpy(result, (const char *)s->stack + offset, sizeof(*result));
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct unwinder *u = arg;

#ifdef __aarch64__
	dwfl_thread_state_register_pc(thread, u->sample->pc);
#endif
	return dwfl_thread_state_registers(thread, 0, sample_nregs, u->sample->regs);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct unwound *out = arg;
	Dwarf_Addr pc;

	if (out->n == UNWIND_DEPTH || !dwfl_frame_pc(frame, &pc, NULL))
		return DWARF_CB_ABORT;
	out->pc[out->n++] = pc;
	return DWARF_CB_OK;
}

void unwinder_unwind(struct unwinder *u, const struct sample *s, struct unwound *out)
{
	*out = (struct unwound){ .n = 0 };
	if (!s->has_regs)
		return;
	u->sample = s;
	u->missed = false;
	if (u->dwfl && !u->attached)
		u->attached =
			dwfl_attach_state(u->dwfl, NULL, THREAD, &thread_callbacks, u);
	if (u->attached)
		out->whole = !dwfl_getthread_frames(u->dwfl, THREAD, take_frame, out) &&
			     !u->missed;
	u->sample = NULL;
	if (!out->n)
		out->pc[out->n++] = s->pc;
}

void unwinder_place(struct unwinder *u, uint64_t pc, bool returns, struct place *p)
{
	uint64_t at = pc - returns;
	Dwfl_Module *mod = u->dwfl ? dwfl_addrmodule(u->dwfl, at) : NULL;
	const struct vma *v = vma_find(&u->code, at);
	const struct module *m;
	GElf_Off offset = 0;
	GElf_Sym symbol;
	Dwarf_Addr bias;

	*p = (struct place){ .module = v && v->name[0] ? v->name : NULL };
	m = mod ? module_of(mod) : NULL;
	if (!m)
		return;
	p->module = m->path;
	p->function = dwfl_module_addrinfo(mod, at, &offset, &symbol, NULL, NULL, NULL);
	p->function_offset = offset + returns;
	if (!dwfl_module_getelf(mod, &bias))
		return;
	p->has_offset = true;
	p->offset = pc - bias;
}

/* One round of a multiplicative hash; all bits of @value reach all of the result. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* @value, found at @where, if it is an address of the stack or of code. */
static uint64_t mix_address(const struct unwinder *u, uint64_t hash,
			    const struct sample *s, uint64_t where, uint64_t value)
{
	const struct vma_list *code = &u->code;

	if (value - s->sp < STACK_COPY)
		return mix(hash, where << 32 | (value - s->sp));
	if (code->n && value >= code->v[0].start && value < code->v[code->n - 1].end &&
	    vma_find(code, value))
		return mix(mix(hash, where), value);
	return hash;
}

uint64_t unwinder_fingerprint(const struct unwinder *u, const struct sample *s)
{
	uint64_t hash = mix(s->stack_len, s->pc), word;

	/* A register may be the only place of an address: where a leaf returns to. */
	for (unsigned int i = 0; i < sample_nregs; i++)
		hash = mix_address(u, hash, s, STACK_COPY + i, s->regs[i]);
	for (size_t at = 0; at + sizeof(word) <= s->stack_len; at += sizeof(word)) {
		memcpy(&word, (const char *)s->stack + at, sizeof(word));
		hash = mix_address(u, hash, s, at, word);
	}
	return hash;
}
