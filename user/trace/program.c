// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs for the kernel's tracepoints, a few instructions each; see program.h. They
 * change nothing and always let an event pass to whoever else waits for it.
 */
#include "trace/program.h"

#include <stddef.h>

/* What a program of a tracepoint of syscalls: is given (kernel/trace/trace_syscalls.c). */
#define CTX_ARGS   16
#define CTX_RESULT 16

/* On a program's stack, from its end down. */
#define AT_IDS	(-8) /* struct bpf_pidns_info: thread and process */
#define AT_CALL (AT_IDS - (int)sizeof(struct call))

static void put(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int off,
		int32_t imm)
{
	p->code[p->n++] = (struct bpf_insn){ code, dst, src, (int16_t)off, imm };
}

static void put_constant(struct program *p, uint8_t dst, uint8_t kind, uint64_t value)
{
	put(p, BPF_LD | BPF_IMM | BPF_DW, dst, kind, 0, (int32_t)value);
	put(p, 0, 0, 0, 0, (int32_t)(value >> 32));
}

static void put_move(struct program *p, uint8_t dst, uint8_t src)
{
	put(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

/* @dst = the address of what is at @off from the end of the stack. */
static void put_address(struct program *p, uint8_t dst, int off)
{
	put_move(p, dst, BPF_REG_10);
	put(p, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, off);
}

static void put_load(struct program *p, uint8_t dst, uint8_t base, int off, uint8_t size)
{
	put(p, BPF_LDX | BPF_MEM | size, dst, base, off, 0);
}

static void put_store(struct program *p, uint8_t base, int off, uint8_t src, uint8_t size)
{
	put(p, BPF_STX | BPF_MEM | size, base, src, off, 0);
}

static void put_helper(struct program *p, int32_t helper)
{
	put(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* Ends the program if @dst compares so with @imm. */
static void put_end_if(struct program *p, uint8_t op, uint8_t dst, int32_t imm)
{
	p->to_end[p->jumps++] = p->n;
	put(p, BPF_JMP | op | BPF_K, dst, 0, 0, imm);
}

/* A jump over the next @insns instructions. */
static void put_skip_if(struct program *p, uint8_t op, uint8_t dst, int32_t imm,
			int insns)
{
	put(p, BPF_JMP | op | BPF_K, dst, 0, insns, imm);
}

static void put_end(struct program *p)
{
	for (int i = 0; i < p->jumps; i++)
		p->code[p->to_end[i]].off = (int16_t)(p->n - p->to_end[i] - 1);
	/* 0 would hide the event from others. */
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
	put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

#define COUNT_INSNS 4

static void put_count_lost(struct program *p, const struct hooks *h)
{
	put_constant(p, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, (uint32_t)h->lost);
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 1);
	put(p, BPF_STX | BPF_XADD | BPF_DW, BPF_REG_1, BPF_REG_2, 0, 0);
}

static void put_filter(struct program *p, const struct identity *who)
{
	put_move(p, BPF_REG_6, BPF_REG_1);
	put_constant(p, BPF_REG_1, 0, who->device);
	put_constant(p, BPF_REG_2, 0, who->inode);
	put_address(p, BPF_REG_3, AT_IDS);
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0,
	    sizeof(struct bpf_pidns_info));
	put_helper(p, BPF_FUNC_get_ns_current_pid_tgid);
	put_end_if(p, BPF_JNE, BPF_REG_0, 0);
	put_load(p, BPF_REG_1, BPF_REG_10, AT_IDS + 4, BPF_W);
	put_end_if(p, BPF_JNE, BPF_REG_1, who->pid);
}

static void put_empty_call(struct program *p, enum call_kind kind)
{
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 0);
	for (size_t at = 0; at < sizeof(struct call); at += 8)
		put_store(p, BPF_REG_10, AT_CALL + (int)at, BPF_REG_1, BPF_DW);
	put(p, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0,
	    AT_CALL + (int)offsetof(struct call, kind), (int32_t)kind);
	put_load(p, BPF_REG_1, BPF_REG_10, AT_IDS, BPF_W);
	put_store(p, BPF_REG_10, AT_CALL + (int)offsetof(struct call, tid), BPF_REG_1,
		  BPF_W);
}

void program_entry(struct program *p, const struct hooks *h, const struct identity *who,
		   enum call_kind kind, unsigned int args)
{
	put_filter(p, who);
	put_empty_call(p, kind);
	for (unsigned int i = 0; i < args; i++) {
		put_load(p, BPF_REG_1, BPF_REG_6, CTX_ARGS + 8 * (int)i, BPF_DW);
		put_store(p, BPF_REG_10,
			  AT_CALL + (int)(offsetof(struct call, arg) + 8 * i), BPF_REG_1,
			  BPF_DW);
	}
	put_helper(p, BPF_FUNC_ktime_get_ns);
	put_store(p, BPF_REG_10, AT_CALL + (int)offsetof(struct call, entered), BPF_REG_0,
		  BPF_DW);
	put_constant(p, BPF_REG_1, BPF_PSEUDO_MAP_FD, (uint32_t)h->calls);
	put_address(p, BPF_REG_2, AT_IDS);
	put_address(p, BPF_REG_3, AT_CALL);
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, BPF_ANY);
	put_helper(p, BPF_FUNC_map_update_elem);
	put_end_if(p, BPF_JEQ, BPF_REG_0, 0);
	put_count_lost(p, h);
	put_end(p);
}

/* Gives the call that R7 points at to the ring of this CPU. */
static void put_output(struct program *p, const struct hooks *h)
{
	put_helper(p, BPF_FUNC_ktime_get_ns);
	put_store(p, BPF_REG_7, offsetof(struct call, left), BPF_REG_0, BPF_DW);
	put_store(p, BPF_REG_7, offsetof(struct call, result), BPF_REG_8, BPF_DW);
	put_move(p, BPF_REG_1, BPF_REG_6);
	put_constant(p, BPF_REG_2, BPF_PSEUDO_MAP_FD, (uint32_t)h->output);
	put_constant(p, BPF_REG_3, 0, BPF_F_CURRENT_CPU);
	put_move(p, BPF_REG_4, BPF_REG_7);
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_5, 0, 0, sizeof(struct call));
	put_helper(p, BPF_FUNC_perf_event_output);
	put_skip_if(p, BPF_JSGE, BPF_REG_0, 0, COUNT_INSNS);
	put_count_lost(p, h);
}

/* Results that are errors, from -4095 on, are above this as unsigned numbers. */
#define BELOW_ERRORS (-4096)

void program_exit(struct program *p, const struct hooks *h, const struct identity *who)
{
	int failed;

	put_filter(p, who);
	put_load(p, BPF_REG_8, BPF_REG_6, CTX_RESULT, BPF_DW);
	put_constant(p, BPF_REG_1, BPF_PSEUDO_MAP_FD, (uint32_t)h->calls);
	put_address(p, BPF_REG_2, AT_IDS);
	put_helper(p, BPF_FUNC_map_lookup_elem);
	/* Entered before there were hooks. */
	put_end_if(p, BPF_JEQ, BPF_REG_0, 0);
	put_move(p, BPF_REG_7, BPF_REG_0);
	failed = p->n;
	put_skip_if(p, BPF_JGT, BPF_REG_8, BELOW_ERRORS, 0);
	put_output(p, h);
	p->code[failed].off = (int16_t)(p->n - failed - 1);
	put_constant(p, BPF_REG_1, BPF_PSEUDO_MAP_FD, (uint32_t)h->calls);
	put_address(p, BPF_REG_2, AT_IDS);
	put_helper(p, BPF_FUNC_map_delete_elem);
	put_end(p);
}

void program_exec_exit(struct program *p, const struct hooks *h,
		       const struct identity *who)
{
	put_filter(p, who);
	put_load(p, BPF_REG_8, BPF_REG_6, CTX_RESULT, BPF_DW);
	put_end_if(p, BPF_JNE, BPF_REG_8, 0);
	put_empty_call(p, CALL_EXEC);
	put_address(p, BPF_REG_7, AT_CALL);
	put_output(p, h);
	put_end(p);
}
