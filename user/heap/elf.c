// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ELF objects of a target; see elf.h. A look costs some reads of a few bytes: symbols
 * are found by the hash tables that the dynamic linker uses.
 */
#include "heap/elf.h"

#include <string.h>
#include <unistd.h>

#include "target/mapped.h"

/* More than any linker makes: what is longer is forged. */
#define DYNAMIC_MAX  512
#define CHAIN_MAX    1024
#define NOTES_MAX    64
#define SECTIONS_MAX 4096
#define NOTE_OWNER   16
#define NEARBY	     16 /* VMAs in which a file's executable part follows its start */

#ifdef __aarch64__
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

#define NOT_OPENED (-1)
#define NO_FILE	   (-2)

static bool file_read(struct elf *x, uint64_t offset, void *buf, size_t len)
{
	if (x->fd == NOT_OPENED) {
		x->fd = mapped_open(x->src->target, x->vma);
		if (x->fd < 0)
			x->fd = NO_FILE;
	}
	return x->fd >= 0 && offset <= INT64_MAX &&
	       pread(x->fd, buf, len, (off_t)offset) == (ssize_t)len;
}

static bool same_file(const struct vma *a, const struct vma *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor;
}

/* What the target has at @addr, if that is resident, and is of @offset in the file. */
static bool memory_read(struct elf *x, uint64_t addr, uint64_t offset, void *buf,
			size_t len)
{
	const struct vma *v = vma_find(x->src->vmas, addr);

	return v && same_file(v, x->vma) && v->offset + (addr - v->start) == offset &&
	       len <= v->end - addr && !peek_read(x->peek, addr, buf, len);
}

static const Elf64_Phdr *segment_of(const struct elf *x, uint64_t vaddr, size_t len)
{
	for (size_t i = 0; i < x->nphdrs; i++) {
		const Elf64_Phdr *p = &x->phdr[i];

		if (p->p_type == PT_LOAD && vaddr >= p->p_vaddr && len <= p->p_filesz &&
		    vaddr - p->p_vaddr <= p->p_filesz - len)
			return p;
	}
	return NULL;
}

bool elf_read(struct elf *x, uint64_t vaddr, void *buf, size_t len)
{
	const Elf64_Phdr *p = segment_of(x, vaddr, len);

	uint64_t offset = p ? p->p_offset + (vaddr - p->p_vaddr) : 0;

	return p && (memory_read(x, x->bias + vaddr, offset, buf, len) ||
		     file_read(x, offset, buf, len));
}

const Elf64_Phdr *elf_segment(const struct elf *x, uint32_t flags)
{
	for (size_t i = 0; i < x->nphdrs; i++)
		if (x->phdr[i].p_type == PT_LOAD && x->phdr[i].p_flags == flags)
			return &x->phdr[i];
	return NULL;
}

bool elf_is_dynamic(const struct elf *x)
{
	for (size_t i = 0; i < x->nphdrs; i++)
		if (x->phdr[i].p_type == PT_INTERP)
			return true;
	return false;
}

/* Whether some mapping of the same file is executable: programs are, data is not. */
static bool has_code(const struct vma_list *l, size_t i)
{
	const struct vma *v = &l->v[i];

	for (size_t k = i; k < l->n && k < i + NEARBY; k++)
		if (same_file(&l->v[k], v) && (l->v[k].flags & VMA_EXEC))
			return true;
	return false;
}

static bool header_read(struct elf *x, uint64_t offset, void *buf, size_t len)
{
	return memory_read(x, x->vma->start + offset, offset, buf, len) ||
	       file_read(x, offset, buf, len);
}

static bool read_headers(struct elf *x, Elf64_Ehdr *h)
{
	if (!header_read(x, 0, h, sizeof(*h)) || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
	    h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != MACHINE || h->e_phentsize != sizeof(Elf64_Phdr) ||
	    !h->e_phnum || h->e_phnum > ELF_PHDRS)
		return false;
	x->nphdrs = h->e_phnum;
	return header_read(x, h->e_phoff, x->phdr, x->nphdrs * sizeof(*x->phdr));
}

/* Where the file's addresses came to be: by the segment that the VMA is of. */
static bool find_bias(struct elf *x)
{
	for (size_t i = 0; i < x->nphdrs; i++) {
		const Elf64_Phdr *p = &x->phdr[i];

		if (p->p_type == PT_LOAD &&
		    p->p_offset < x->src->target->reader.page_size) {
			x->bias = x->vma->start - (p->p_vaddr - p->p_offset);
			return true;
		}
	}
	return false;
}

/* Pointers in .dynamic are the file's own, or were made the process' by its linker. */
static uint64_t own_address(const struct elf *x, uint64_t p)
{
	if (segment_of(x, p, 1))
		return p;
	return segment_of(x, p - x->bias, 1) ? p - x->bias : 0;
}

static void take_dynamic(struct elf *x, const Elf64_Dyn *d)
{
	switch (d->d_tag) {
	case DT_SYMTAB:
		x->symtab = own_address(x, d->d_un.d_ptr);
		break;
	case DT_STRTAB:
		x->strtab = own_address(x, d->d_un.d_ptr);
		break;
	case DT_STRSZ:
		x->strsz = d->d_un.d_val;
		break;
	case DT_SONAME:
		x->soname = d->d_un.d_val;
		break;
	case DT_GNU_HASH:
		x->gnu_hash = own_address(x, d->d_un.d_ptr);
		break;
	case DT_HASH:
		x->hash = own_address(x, d->d_un.d_ptr);
		break;
	default:
		break;
	}
}

static void read_dynamic(struct elf *x)
{
	for (size_t i = 0; i < x->nphdrs; i++) {
		const Elf64_Phdr *p = &x->phdr[i];
		Elf64_Dyn d;

		if (p->p_type != PT_DYNAMIC)
			continue;
		for (size_t k = 0; k < DYNAMIC_MAX; k++) {
			if (!elf_read(x, p->p_vaddr + k * sizeof(d), &d, sizeof(d)) ||
			    d.d_tag == DT_NULL)
				break;
			take_dynamic(x, &d);
		}
	}
}

bool elf_open(struct elf *x, const struct heap_source *src, struct peek *peek, size_t i)
{
	const struct vma *v = &src->vmas->v[i];
	Elf64_Ehdr h;

	if (!v->inode || v->offset || !(v->flags & VMA_READ) ||
	    (v->flags & (VMA_PFNMAP | VMA_IO)) || !has_code(src->vmas, i))
		return false;
	x->src = src;
	x->peek = peek;
	x->vma = v;
	x->fd = NOT_OPENED;
	x->is_exe = !strcmp(v->name, src->target->exe);
	x->symtab = x->strtab = x->strsz = x->gnu_hash = x->hash = x->soname = 0;
	if (!read_headers(x, &h) || !find_bias(x)) {
		elf_close(x);
		return false;
	}
	read_dynamic(x);
	return true;
}

void elf_close(struct elf *x)
{
	if (x->fd >= 0)
		close(x->fd);
	x->fd = NO_FILE;
}

/* Whether the string at @vaddr is @s. */
static bool string_is(struct elf *x, uint64_t vaddr, const char *s)
{
	char found[64];
	size_t len = strlen(s) + 1;

	return len <= sizeof(found) && elf_read(x, vaddr, found, len) &&
	       !memcmp(found, s, len);
}

bool elf_is_called(struct elf *x, const char *soname)
{
	return x->soname && x->soname < x->strsz &&
	       string_is(x, x->strtab + x->soname, soname);
}

static bool symbol_is(struct elf *x, uint32_t index, const char *name, uint64_t *vaddr)
{
	Elf64_Sym sym;

	if (!elf_read(x, x->symtab + (uint64_t)index * sizeof(sym), &sym, sizeof(sym)) ||
	    sym.st_shndx == SHN_UNDEF || sym.st_name >= x->strsz ||
	    !string_is(x, x->strtab + sym.st_name, name))
		return false;
	if (vaddr)
		*vaddr = sym.st_value;
	return true;
}

static uint32_t gnu_hash_of(const char *s)
{
	uint32_t h = 5381;

	for (; *s; s++)
		h = h * 33 + (uint8_t)*s;
	return h;
}

/* DT_GNU_HASH: a filter, buckets, and chains whose last member's hash is odd. */
static bool find_gnu(struct elf *x, const char *name, uint64_t *vaddr)
{
	struct {
		uint32_t buckets, first, words, shift;
	} head;
	uint32_t hash = gnu_hash_of(name), index, other;
	uint64_t at = x->gnu_hash, word;

	if (!elf_read(x, at, &head, sizeof(head)) || !head.buckets || !head.words ||
	    head.shift > 31)
		return false;
	at += sizeof(head);
	if (!elf_read(x, at + 8ull * (hash / 64 % head.words), &word, sizeof(word)) ||
	    !(word >> hash % 64 & 1) || !(word >> (hash >> head.shift) % 64 & 1))
		return false;
	at += 8ull * head.words;
	if (!elf_read(x, at + 4ull * (hash % head.buckets), &index, sizeof(index)) ||
	    index < head.first)
		return false;
	at += 4ull * head.buckets;
	for (size_t n = 0; n < CHAIN_MAX; n++, index++) {
		if (!elf_read(x, at + 4ull * (index - head.first), &other, sizeof(other)))
			return false;
		if ((other | 1) == (hash | 1) && symbol_is(x, index, name, vaddr))
			return true;
		if (other & 1)
			return false;
	}
	return false;
}

static uint32_t hash_of(const char *s)
{
	uint32_t h = 0;

	for (; *s; s++) {
		h = (h << 4) + (uint8_t)*s;
		h ^= h >> 24 & 0xf0;
		h &= 0x0fffffff;
	}
	return h;
}

/* DT_HASH: the number of buckets and of symbols, buckets, and links from each symbol. */
static bool find_sysv(struct elf *x, const char *name, uint64_t *vaddr)
{
	uint32_t n[2], index;
	uint64_t at = x->hash + sizeof(n);

	if (!elf_read(x, x->hash, n, sizeof(n)) || !n[0] ||
	    !elf_read(x, at + 4ull * (hash_of(name) % n[0]), &index, sizeof(index)))
		return false;
	at += 4ull * n[0];
	for (size_t k = 0; index && index < n[1] && k < CHAIN_MAX; k++) {
		if (symbol_is(x, index, name, vaddr))
			return true;
		if (!elf_read(x, at + 4ull * index, &index, sizeof(index)))
			return false;
	}
	return false;
}

bool elf_exports(struct elf *x, const char *symbol, uint64_t *vaddr)
{
	if (!x->symtab || !x->strtab)
		return false;
	if (x->gnu_hash)
		return find_gnu(x, symbol, vaddr);
	return x->hash && find_sysv(x, symbol, vaddr);
}

static uint64_t padded(uint64_t n)
{
	return (n + 3) & ~3ull;
}

static bool notes_have(struct elf *x, const Elf64_Phdr *p, const char *owner,
		       uint32_t type)
{
	uint64_t at = p->p_vaddr, end = p->p_vaddr + p->p_filesz;
	size_t len = strlen(owner) + 1;
	char name[NOTE_OWNER];
	Elf64_Nhdr n;

	if (end < at || len > sizeof(name))
		return false;
	for (size_t i = 0; i < NOTES_MAX && at < end; i++) {
		if (!elf_read(x, at, &n, sizeof(n)))
			return false;
		at += sizeof(n);
		/* Go's linker counts the padding. */
		if (n.n_type == type && n.n_namesz >= len && n.n_namesz <= padded(len) &&
		    elf_read(x, at, name, len) && !memcmp(name, owner, len))
			return true;
		at += padded(n.n_namesz) + padded(n.n_descsz);
	}
	return false;
}

bool elf_has_note(struct elf *x, const char *owner, uint32_t type)
{
	for (size_t i = 0; i < x->nphdrs; i++)
		if (x->phdr[i].p_type == PT_NOTE &&
		    notes_have(x, &x->phdr[i], owner, type))
			return true;
	return false;
}

static bool section_is(struct elf *x, const Elf64_Shdr *names, uint32_t offset,
		       const char *name)
{
	char found[64];
	size_t len = strlen(name) + 1;

	return len <= sizeof(found) && names->sh_size >= len &&
	       offset <= names->sh_size - len &&
	       file_read(x, names->sh_offset + offset, found, len) &&
	       !memcmp(found, name, len);
}

bool elf_has_section(struct elf *x, const char *name, uint64_t *vaddr)
{
	Elf64_Shdr names, s;
	Elf64_Ehdr h;

	if (!file_read(x, 0, &h, sizeof(h)) || h.e_shentsize != sizeof(s) ||
	    h.e_shnum > SECTIONS_MAX || h.e_shstrndx >= h.e_shnum ||
	    !file_read(x, h.e_shoff + h.e_shstrndx * sizeof(s), &names, sizeof(names)))
		return false;
	for (size_t i = 0; i < h.e_shnum; i++)
		if (file_read(x, h.e_shoff + i * sizeof(s), &s, sizeof(s)) &&
		    section_is(x, &names, s.sh_name, name)) {
			if (vaddr)
				*vaddr = s.sh_addr;
			return true;
		}
	return false;
}
