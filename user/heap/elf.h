/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs and libraries that a target has mapped, as far as they tell what is in
 * them: notes, exported symbols, sections. No name of a file is trusted, and no number
 * in it: an object is what its own headers say, in bounds that are checked.
 *
 * What is resident is read from the target; the rest, and section headers, which are
 * mapped nowhere, from the file (target/mapped.h).
 */
#ifndef FALLOW_ELF_H
#define FALLOW_ELF_H

#include <elf.h>

#include "heap/heap.h"
#include "heap/peek.h"

#define ELF_PHDRS 64

struct elf {
	const struct heap_source *src;
	struct peek *peek;
	const struct vma *vma; /* that maps its start */
	int fd; /* the file: -1 not opened yet, -2 cannot be */
	uint64_t bias; /* of addresses in memory over those in the file */
	size_t nphdrs;
	Elf64_Phdr phdr[ELF_PHDRS];
	uint64_t symtab, strtab, strsz, gnu_hash, hash; /* 0: none */
	uint64_t soname; /* in strtab; 0: none */
	bool is_exe; /* the program, not a library */
};

/*
 * Whether VMA @i maps the start of an ELF file for this machine of which something is
 * executable; if so, @x is to be closed.
 */
bool elf_open(struct elf *x, const struct heap_source *src, struct peek *peek, size_t i);
void elf_close(struct elf *x);

/* Copies what the file has at @vaddr, an address of its own. False if it has not. */
bool elf_read(struct elf *x, uint64_t vaddr, void *buf, size_t len);

/* Whether the object defines @symbol for others; *@vaddr is its address, if not NULL. */
bool elf_exports(struct elf *x, const char *symbol, uint64_t *vaddr);

/* Whether it is a library that says to be called so, whatever its file is. */
bool elf_is_called(struct elf *x, const char *soname);

bool elf_has_note(struct elf *x, const char *owner, uint32_t type);
/* The same of a section; *@vaddr is where it is, if not NULL. */
bool elf_has_section(struct elf *x, const char *name, uint64_t *vaddr);

/* Whether it names a dynamic linker to be run by. */
bool elf_is_dynamic(const struct elf *x);

/* The first segment of these PF_* flags, or NULL. */
const Elf64_Phdr *elf_segment(const struct elf *x, uint32_t flags);

#endif
