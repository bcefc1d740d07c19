// SPDX-License-Identifier: GPL-2.0-or-later
/* Loads images, edits them, and takes the edits back; see the header. */
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "fallowim"

/* What a file begins with; the text of the mappings, pages and contents follow. */
struct file_head {
	char magic[8];
	uint32_t text; /* bytes, a multiple of 8, its end of zeros included */
	uint32_t pages, contents;
	uint32_t zero;
};

struct file_page {
	uint64_t addr; /* and an enum page_presence in the lowest bits */
	uint32_t content; /* number */
	uint32_t zero;
};

static _Noreturn void die(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	exit(1);
}

static void *need(void *p)
{
	if (!p)
		die("image", "out of memory");
	return p;
}

static uint8_t *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0)
		die(path, strerror(errno));
	rewind(f);
	data = need(malloc((size_t)size + 1));
	if (fread(data, 1, (size_t)size, f) != (size_t)size)
		die(path, "cannot be read");
	fclose(f);
	*len = (size_t)size;
	return data;
}

static uint32_t flags_of(const char *codes)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < VMA_FLAGS; i++)
		for (const char *code = vma_flags[i].codes; *code; code += 3) {
			const char three[] = { code[0], code[1], code[2], '\0' };

			if (strstr(codes, three))
				flags |= vma_flags[i].flag;
		}
	return flags;
}

/* "RSS SWAP| rd wr …|" and what maps has, for each mapping. */
static void parse_vmas(struct image *im)
{
	char *text = need(strdup((const char *)im->text)), *save;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *codes = strchr(line, '|'),
		     *maps = codes ? strchr(codes + 1, '|') : NULL;
		struct vma v;

		if (!maps)
			die(im->name, "a mapping is not of the form known");
		*maps = '\0';
		if (!vma_parse(maps + 1, &v))
			die(im->name, "a mapping is not of the form known");
		v.flags |= flags_of(codes + 1);
		sscanf(line, "%lu %lu", &v.st.rss, &v.st.swap);
		need(vma_list_add(&im->vmas, &v));
	}
	free(text);
}

static void take_pages(struct image *im, const struct file_page *p)
{
	im->pages = need(calloc(im->npages + 1, sizeof(*im->pages)));
	im->undo = need(calloc(im->npages + 1, sizeof(*im->undo)));
	for (size_t i = 0; i < im->npages; i++) {
		uint64_t addr = p[i].addr - p[i].addr % IMAGE_PAGE;
		const struct vma *v = vma_find(&im->vmas, addr);

		im->pages[i] = (struct image_page){
			.addr = addr,
			.presence = p[i].addr % IMAGE_PAGE,
			.data = im->contents + (size_t)p[i].content * IMAGE_PAGE,
			.readable = v && (v->flags & VMA_READ),
		};
	}
}

struct image *image_load(const char *path)
{
	struct image *im = need(calloc(1, sizeof(*im)));
	struct file_head h;
	size_t len;

	im->name = need(strdup(path));
	im->file = slurp(path, &len);
	if (len < sizeof(h))
		die(path, "is no image");
	memcpy(&h, im->file, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) || h.text % 8 || !h.pages ||
	    len != sizeof(h) + h.text + (uint64_t)h.pages * sizeof(struct file_page) +
			    (uint64_t)h.contents * IMAGE_PAGE)
		die(path, "is no image");
	im->npages = h.pages;
	im->ncontents = h.contents;
	im->text = im->file + sizeof(h);
	im->contents = im->file + len - (uint64_t)h.contents * IMAGE_PAGE;
	parse_vmas(im);
	im->seen.v = need(calloc(im->vmas.n + EDITS_MAX, sizeof(*im->seen.v)));
	take_pages(im, (const struct file_page *)(im->text + h.text));
	return im;
}

static void put(FILE *f, const void *data, size_t len, const char *path)
{
	if (fwrite(data, 1, len, f) != len)
		die(path, "cannot be written");
}

/* Numbers the contents that are still in use, from 1 on; 0: not in use. */
static uint32_t *number_contents(const struct image *im, uint32_t *n)
{
	uint32_t *number = need(calloc(im->ncontents, sizeof(*number)));

	*n = 0;
	for (size_t i = 0; i < im->npages; i++) {
		size_t old = (size_t)(im->pages[i].data - im->contents) / IMAGE_PAGE;

		if (im->pages[i].presence != PAGE_ABSENT && !number[old])
			number[old] = ++*n;
	}
	return number;
}

static uint32_t put_pages(FILE *f, const struct image *im, const uint32_t *number)
{
	uint32_t n = 0;

	for (size_t i = 0; i < im->npages; i++) {
		const struct image_page *p = &im->pages[i];
		size_t old = (size_t)(p->data - im->contents) / IMAGE_PAGE;
		struct file_page page = { p->addr | p->presence, number[old] - 1, 0 };

		if (p->presence == PAGE_ABSENT)
			continue;
		put(f, &page, sizeof(page), im->name);
		n++;
	}
	return n;
}

/* In the order of their numbers, which is that of the pages that have them first. */
static void put_contents(FILE *f, const struct image *im, const uint32_t *number)
{
	uint32_t n = 0;

	for (size_t i = 0; i < im->npages; i++) {
		size_t old = (size_t)(im->pages[i].data - im->contents) / IMAGE_PAGE;

		if (number[old] == n + 1) {
			put(f, im->pages[i].data, IMAGE_PAGE, im->name);
			n++;
		}
	}
}

/* The lines of the mappings that are still there: how many bytes. */
static uint32_t put_text(FILE *f, const struct image *im)
{
	static const char end[8];
	const char *line = (const char *)im->text, *next;
	uint32_t len = 0;

	for (; (next = strchr(line, '\n')); line = next + 1) {
		const char *maps = strchr(strchr(line, '|') + 1, '|') + 1;
		const struct vma *v = vma_find(&im->vmas, strtoull(maps, NULL, 16));

		if (!v)
			continue;
		put(f, line, (size_t)(next + 1 - line), im->name);
		len += (uint32_t)(next + 1 - line);
	}
	put(f, end, 8 - len % 8, im->name);
	return len + 8 - len % 8;
}

void image_save(const struct image *im)
{
	FILE *f = fopen(im->name, "wb");
	struct file_head h = { MAGIC, 0, 0, 0, 0 };
	uint32_t *number = number_contents(im, &h.contents);

	if (!f)
		die(im->name, strerror(errno));
	put(f, &h, sizeof(h), im->name);
	h.text = put_text(f, im);
	h.pages = put_pages(f, im, number);
	put_contents(f, im, number);
	rewind(f);
	put(f, &h, sizeof(h), im->name);
	if (fclose(f))
		die(im->name, "cannot be written");
	free(number);
}

void image_free(struct image *im)
{
	vma_list_free(&im->vmas);
	free(im->seen.v);
	free(im->pages);
	free(im->undo);
	free(im->file);
	free(im->name);
	free(im);
}

struct image_page *image_page_above(const struct image *im, uint64_t addr)
{
	size_t lo = 0, hi = im->npages;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (im->pages[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return im->pages + lo;
}

static size_t place_page(const struct image *im, uint32_t place)
{
	return (place >> 10) % im->npages;
}

/* Where in the page @len bytes at a place begin: so that they end in it. */
static size_t place_offset(uint32_t place, size_t len)
{
	size_t offset = (place & 1023) * 4;

	return offset + len > IMAGE_PAGE ? IMAGE_PAGE - len : offset;
}

uint64_t image_word(const struct image *im, uint32_t place)
{
	uint64_t word;

	memcpy(&word, im->pages[place_page(im, place)].data + place_offset(place, 8), 8);
	return word;
}

uint64_t image_addr(const struct image *im, uint32_t place)
{
	return im->pages[place_page(im, place)].addr + place_offset(place, 8);
}

/* The page that is to be changed. */
static struct image_page *touch(struct image *im, size_t i)
{
	struct image_page *p = &im->pages[i];

	if (!p->saved) {
		im->undo[im->nundo++] = (struct image_undo){ i, *p };
		p->saved = true;
	}
	return p;
}

static uint8_t *own(struct image *im, size_t i)
{
	struct image_page *p = touch(im, i);

	if (!p->own) {
		p->own = need(malloc(IMAGE_PAGE));
		memcpy(p->own, p->data, IMAGE_PAGE);
		p->data = p->own;
	}
	return p->own;
}

static void edit_memory(struct image *im, const struct edit *e, size_t len)
{
	memcpy(own(im, place_page(im, e->place)) + place_offset(e->place, len), &e->value,
	       len);
}

static void edit_copy(struct image *im, const struct edit *e)
{
	size_t len = 8u << e->arg % 8;
	uint8_t *to = own(im, place_page(im, e->place)) + place_offset(e->place, len);
	uint32_t from = (uint32_t)e->value;

	memmove(to, im->pages[place_page(im, from)].data + place_offset(from, len), len);
}

static void edit_page(struct image *im, const struct edit *e)
{
	uint8_t *to = own(im, place_page(im, e->place));

	memmove(to, im->pages[place_page(im, (uint32_t)e->value)].data, IMAGE_PAGE);
}

static void edit_presence(struct image *im, const struct edit *e, uint8_t presence)
{
	touch(im, place_page(im, e->place))->presence = presence;
}

static void vanish(struct image *im, uint64_t start, uint64_t end)
{
	struct image_page *p = image_page_above(im, start);

	for (; p < im->pages + im->npages && p->addr < end; p++)
		touch(im, (size_t)(p - im->pages))->presence = PAGE_ABSENT;
}

/* Gives the mapping number @i a second part, from @at on. */
static struct vma *split(struct image *im, size_t i, uint64_t at)
{
	struct vma *v = &im->seen.v[i];

	memmove(v + 1, v, (im->seen.n++ - i) * sizeof(*v));
	v[1].offset += v->inode ? at - v->start : 0;
	v[0].end = v[1].start = at;
	return v + 1;
}

/* Edits of mappings always come before the look: a list of them is of one moment. */
static void edit_vma(struct image *im, const struct edit *e)
{
	size_t i = e->place % im->seen.n;
	struct vma *v = &im->seen.v[i];
	uint64_t pages = (v->end - v->start) / IMAGE_PAGE;
	uint64_t at = v->start + e->value % pages * IMAGE_PAGE;

	if (e->op % EDIT_OPS == EDIT_PERMS) {
		const uint32_t all = VMA_READ | VMA_WRITE | VMA_EXEC;

		v->flags = (v->flags & ~all) | ((uint32_t)e->value & all);
		return;
	}
	if (at == v->start)
		return;
	if (e->op % EDIT_OPS == EDIT_CUT) {
		if (e->arg & 1)
			vanish(im, at, v->end);
		v->end = at;
		return;
	}
	v = split(im, i, at);
	if (e->op % EDIT_OPS == EDIT_HOLE && v->end - v->start > IMAGE_PAGE) {
		if (e->arg & 1)
			vanish(im, at, at + IMAGE_PAGE);
		v->start += IMAGE_PAGE;
	}
}

static void apply(struct image *im, const struct edit *e)
{
	switch (e->op % EDIT_OPS) {
	case EDIT_SET8:
		return edit_memory(im, e, 8);
	case EDIT_SET4:
		return edit_memory(im, e, 4);
	case EDIT_SET2:
		return edit_memory(im, e, 2);
	case EDIT_COPY:
		return edit_copy(im, e);
	case EDIT_PAGE:
		return edit_page(im, e);
	case EDIT_ABSENT:
		return edit_presence(im, e, PAGE_ABSENT);
	case EDIT_SWAPPED:
		return edit_presence(im, e, PAGE_SWAPPED);
	case EDIT_SHARED:
		return edit_presence(im, e, PAGE_SHARED);
	case EDIT_GONE:
		im->gone = e->arg & 1 ? -EPERM : -ESRCH;
		return;
	default:
		return edit_vma(im, e);
	}
}

static bool is_of_vma(const struct edit *e)
{
	uint8_t op = e->op % EDIT_OPS;

	return op >= EDIT_CUT && op <= EDIT_PERMS;
}

static void insert(struct image *im, const struct edit *e)
{
	size_t i = im->nedits++;

	for (; i && im->edits[i - 1].when > e->when; i--)
		im->edits[i] = im->edits[i - 1];
	im->edits[i] = *e;
}

void image_begin(struct image *im, const struct edit *edits, size_t n)
{
	im->nedits = im->next = im->nundo = 0;
	im->calls = 0;
	im->gone = 0;
	memcpy(im->seen.v, im->vmas.v, im->vmas.n * sizeof(*im->vmas.v));
	im->seen.n = im->vmas.n;
	im->target = (struct target){
		.pid = 1,
		.dir = -1,
		.comm = "",
		.cmdline = "",
		.exe = "",
		.cgroup = "",
		.threads = 1,
		.reader = { .pid = 1,
			    .pagemap = -1,
			    .device = -1,
			    .mem = -1,
			    .page_size = IMAGE_PAGE },
	};
	for (size_t i = 0; i < n && i < EDITS_MAX; i++)
		if (is_of_vma(&edits[i]) ||
		    (!edits[i].when && edits[i].op % EDIT_OPS != EDIT_GONE))
			apply(im, &edits[i]);
		else
			insert(im, &edits[i]);
}

void image_end(struct image *im)
{
	while (im->nundo) {
		const struct image_undo *u = &im->undo[--im->nundo];

		free(im->pages[u->page].own);
		im->pages[u->page] = u->was;
	}
}

int image_call(struct image *im)
{
	im->calls++;
	while (im->next < im->nedits && im->edits[im->next].when <= im->calls)
		apply(im, &im->edits[im->next++]);
	return im->gone;
}
