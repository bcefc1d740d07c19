/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF programs of the hooks. Each lets one process through. On entry of a call its
 * arguments are kept in h->calls, for the exit to find; on exit the call goes to
 * h->output; what fails is counted in h->lost.
 */
#ifndef FALLOW_TRACE_PROGRAM_H
#define FALLOW_TRACE_PROGRAM_H

#include <linux/bpf.h>
#include <stdint.h>

#include "trace/call.h"
#include "trace/hook.h"

#define PROGRAM_MAX 80

struct program {
	struct bpf_insn code[PROGRAM_MAX];
	int n;
	int to_end[8]; /* jumps */
	int jumps;
};

/* Whom to let through: a process as it is called in its own pid namespace. */
struct identity {
	uint64_t device, inode; /* of the namespace, as the kernel has them */
	int32_t pid;
};

/* @args: how many arguments the kernel declares, which are all that one may read. */
void program_entry(struct program *p, const struct hooks *h, const struct identity *who,
		   enum call_kind kind, unsigned int args);

/* Of a call that failed, nothing is told. */
void program_exit(struct program *p, const struct hooks *h, const struct identity *who);

/*
 * Of execve(2), which needs no entry: a thread that executes another program goes on
 * under the id of the first.
 */
void program_exec_exit(struct program *p, const struct hooks *h,
		       const struct identity *who);

#endif
