/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a sample to the return addresses that led there, and from an address to the
 * function that has it, by libdw and the very files that the target has mapped. Nothing
 * of the target's memory is read but the sample's copy of its stack.
 */
#ifndef FALLOW_TRACE_UNWIND_H
#define FALLOW_TRACE_UNWIND_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/target.h"
#include "target/vma.h"
#include "trace/ring.h"

#define UNWIND_DEPTH 128
#define MODULES_MAX  4096

/* A file that was mapped as code. */
struct module {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	char *path; /* raw, as the target named it */
	int fd; /* -1: cannot be opened */
	/* Where it was seen last: a mapping of its code, and what follows from that. */
	uint64_t code_start, code_end, code_offset;
	bool placed;
	uint64_t bias; /* of addresses in memory over those in the file */
	uint64_t start; /* in memory */
};

struct unwinder {
	const struct target *target;
	Dwfl *dwfl;
	struct vma_list code; /* executable mappings, by address */
	struct module *modules[MODULES_MAX]; /* all that there ever were */
	size_t nmodules;
	bool attached;
	const struct sample *sample; /* that libdw asks for */
	bool missed; /* it asked for what is not in there */
};

/* Innermost first. */
struct unwound {
	uint64_t pc[UNWIND_DEPTH];
	size_t n;
	bool whole; /* down to where the thread began */
};

/* What is at an address; strings live until the next refresh. */
struct place {
	const char *function; /* NULL: no symbol has it */
	uint64_t function_offset;
	const char *module; /* a path, or what maps calls it; NULL: none */
	bool has_offset;
	uint64_t offset; /* an address of the file's own, as symbols have */
};

/* Lets the program have no more than a GiB of memory from then on. */
void unwinder_open(struct unwinder *u, const struct target *t);
void unwinder_close(struct unwinder *u);

/*
 * Takes note of what code is mapped now. Returns 0 or -errno: -ESRCH if the target has
 * ended.
 */
int unwinder_refresh(struct unwinder *u);

/* Whether @pc is in code that was mapped then. */
bool unwinder_knows(const struct unwinder *u, uint64_t pc);

/* Forgets all code: the target executes another program. */
void unwinder_forget(struct unwinder *u);

/*
 * A number that is the same for samples that unwind in the same way: of the program
 * counter, and of all that the stack and registers have of addresses of code and stack.
 */
uint64_t unwinder_fingerprint(const struct unwinder *u, const struct sample *s);

void unwinder_unwind(struct unwinder *u, const struct sample *s, struct unwound *out);

/* @returns: @pc is where a call returns to, which may be past its function's end. */
void unwinder_place(struct unwinder *u, uint64_t pc, bool returns, struct place *p);

/* How many files of code could not be opened. */
size_t unwinder_unopened(const struct unwinder *u);

#endif
