// SPDX-License-Identifier: GPL-2.0-or-later
/* The columns of fallow regions; see columns.h. */
#include "render/columns.h"

#include <inttypes.h>
#include <string.h>

#include "model/size.h"
#include "render/escape.h"

static uint64_t address_of(const struct vma *v, const struct region *r)
{
	(void)r;
	return v->start;
}

static uint64_t size_of(const struct vma *v, const struct region *r)
{
	(void)r;
	return v->end - v->start;
}

static uint64_t private_of(const struct vma *v, const struct region *r)
{
	(void)r;
	if (v->st.rss == UNKNOWN || v->st.shared == UNKNOWN)
		return UNKNOWN;
	return v->st.rss > v->st.shared ? v->st.rss - v->st.shared : 0;
}

static uint64_t fallow_of(const struct vma *v, const struct region *r)
{
	(void)v;
	return r->resident[LEDGER_HEAP_RETURNABLE] + r->resident[LEDGER_HEAP_HELD];
}

static uint64_t offset_of(const struct vma *v, const struct region *r)
{
	(void)r;
	return v->offset;
}

static uint64_t inode_of(const struct vma *v, const struct region *r)
{
	(void)r;
	return v->inode;
}

static const char *address_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)r;
	snprintf(buf, COLUMN_TEXT, "%012" PRIx64 "-%012" PRIx64, v->start, v->end);
	return buf;
}

static const char *perms_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)r;
	return vma_perms(v, buf);
}

static const char *owner_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)v;
	snprintf(buf, COLUMN_TEXT, "%s", r->owner);
	return buf;
}

static const char *mapper_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)v;
	return escape_terminal(buf, COLUMN_TEXT, r->mapped_by ? r->mapped_by : "");
}

static const char *flags_text(const struct vma *v, const struct region *r, char *buf)
{
	size_t at = 0;

	(void)r;
	buf[0] = '\0';
	for (size_t i = 0; i < VMA_FLAGS; i++)
		if (v->flags & vma_flags[i].flag)
			at += (size_t)snprintf(buf + at, COLUMN_TEXT - at, "%s%s",
					       at ? "," : "", vma_flags[i].name);
	return buf;
}

static const char *dev_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)r;
	snprintf(buf, COLUMN_TEXT, "%02x:%02x", v->dev_major, v->dev_minor);
	return buf;
}

static const char *inode_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)r;
	snprintf(buf, COLUMN_TEXT, "%" PRIu64, v->inode);
	return buf;
}

static const char *offset_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)r;
	snprintf(buf, COLUMN_TEXT, "%" PRIx64, v->offset);
	return buf;
}

static const char *name_text(const struct vma *v, const struct region *r, char *buf)
{
	(void)r;
	return escape_terminal(buf, COLUMN_TEXT, v->name);
}

#define STAT(member) .stat = offsetof(struct vma_stats, member)
#define COUNT	     COLUMN_COUNT
#define BY_DEFAULT   COLUMN_DEFAULT
#define SPLIT	     (COLUMN_COUNT | COLUMN_SPLIT)

const struct column columns[] = {
	{ "address", COLUMN_ALWAYS, .number = address_of, .text = address_text,
	  .about = "the first, and the one behind the last; always shown first" },
	{ "perms", BY_DEFAULT, .text = perms_text,
	  .about = "read, write, execute; private or shared" },
	{ "size", COUNT, .number = size_of, .about = "addresses, used or not" },
	{ "rss", COUNT | BY_DEFAULT, STAT(rss), .about = "resident" },
	{ "pss", COUNT | BY_DEFAULT, STAT(pss),
	  .about = "resident, each page divided by its number of mappings" },
	{ "pss_dirty", COUNT, STAT(pss_dirty), .about = "the dirty part of pss" },
	{ "anon", COUNT, STAT(anon), .about = "resident and anonymous" },
	{ "file", COUNT, STAT(file), .about = "resident page cache" },
	{ "shmem", COUNT, STAT(shmem), .about = "resident shared memory, tmpfs, memfd" },
	{ "anon_huge", COUNT, STAT(anon_huge), .about = "anonymous, in huge pages" },
	{ "shmem_huge", COUNT, STAT(shmem_huge), .about = "shared memory in huge pages" },
	{ "file_huge", COUNT, STAT(file_huge), .about = "page cache in huge pages" },
	{ "large", COUNT, STAT(large),
	  .about = "part of a folio of several pages, however it is mapped" },
	{ "cont", COUNT, STAT(cont), .about = "mapped by contiguous entries" },
	{ "dirty", COUNT | BY_DEFAULT, STAT(dirty),
	  .about = "written to: page or page-table entry" },
	{ "file_dirty", COUNT, STAT(file_dirty), .about = "the page cache of dirty" },
	{ "shared", COUNT, STAT(shared), .about = "mapped more than once" },
	{ "shared_dirty", COUNT, STAT(shared_dirty), .about = "shared and dirty" },
	{ "private", COUNT, .number = private_of, .about = "mapped here alone" },
	{ "referenced", COUNT, STAT(referenced),
	  .about = "accessed, as far as the kernel has noticed and not forgotten" },
	{ "young", COUNT, STAT(young), .about = "accessed bit of the entry is set" },
	{ "soft_dirty", COUNT, STAT(soft_dirty),
	  .about = "written to since /proc/PID/clear_refs was" },
	{ "lazyfree", COUNT, STAT(lazyfree),
	  .about = "MADV_FREE, and not written since" },
	{ "ksm", COUNT, STAT(ksm), .about = "merged with pages of equal content" },
	{ "locked", COUNT, STAT(locked), .about = "pss of mlocked mappings" },
	{ "mlocked", COUNT, STAT(mlocked), .about = "mlocked pages" },
	{ "pinned", COUNT | BY_DEFAULT, STAT(pinned), .about = "pinned for DMA" },
	{ "swap_cached", COUNT, STAT(swap_cached),
	  .about = "resident, with a place on swap as well" },
	{ "swap", COUNT | BY_DEFAULT, STAT(swap), .about = "on swap; not in rss" },
	{ "hugetlb", COUNT, STAT(hugetlb), .about = "hugetlb memory; not in rss" },
	{ "zero", COUNT, STAT(zero), .about = "the zero page is mapped; not in rss" },
	{ "device", COUNT, STAT(device),
	  .about = "memory of devices, raw frames; not in rss" },
	{ "guard", COUNT, STAT(guard), .about = "guard pages; not in rss" },
	{ "drop", SPLIT, STAT(drop),
	  .about = "reclaimable without I/O: clean page cache, lazyfree" },
	{ "writeback", SPLIT, STAT(writeback),
	  .about = "reclaimable once written: dirty page cache" },
	{ "swappable", SPLIT, STAT(swappable), .about = "reclaimable by swapping" },
	{ "noswap", SPLIT, STAT(noswap), .about = "swap-backed, and there is no swap" },
	{ "unevictable", SPLIT, STAT(unevictable),
	  .about = "mlocked, pinned, or never for reclaim" },
	{ "noswap_limit", COUNT, STAT(noswap_limit),
	  .about = "the part of noswap that a control group's limit causes" },
	{ "fallow", COUNT | BY_DEFAULT, .number = fallow_of,
	  .about = "free pages that an allocator keeps" },
	{ "flags", 0, .text = flags_text, .about = "locked, hugepage, uffd and others" },
	{ "offset", 0, .number = offset_of, .text = offset_text,
	  .about = "place in the file, in hexadecimal" },
	{ "dev", 0, .text = dev_text, .about = "device of the file, major:minor" },
	{ "inode", 0, .number = inode_of, .text = inode_text,
	  .about = "number of the file" },
	{ "owner", BY_DEFAULT, .text = owner_text,
	  .about = "the allocator, stack, or io_uring" },
	{ "mapped_by", 0, .text = mapper_text,
	  .about = "with --trace: the function that mapped most" },
	{ "name", COLUMN_ALWAYS, .text = name_text,
	  .about = "file, [heap], [stack] and others; always shown last" },
};

const size_t ncolumns = sizeof(columns) / sizeof(columns[0]);

_Static_assert(sizeof(columns) / sizeof(columns[0]) <=
		       sizeof(((struct column_list *)0)->c) / sizeof(void *),
	       "a list holds all columns");

const struct column *column_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < ncolumns; i++)
		if (strlen(columns[i].name) == len &&
		    !strncmp(columns[i].name, name, len))
			return &columns[i];
	return NULL;
}

static bool has(const struct column_list *list, const struct column *c)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->c[i] == c)
			return true;
	return false;
}

static void add(struct column_list *list, const struct column *c)
{
	if (!has(list, c))
		list->c[list->n++] = c;
}

static int add_chosen(struct column_list *list, const char *arg, struct error *e)
{
	while (*arg) {
		size_t len = strcspn(arg, ",");
		const struct column *c = column_by_name(arg, len);

		if (!c)
			return error_set(e, EXIT_USAGE,
					 "--columns: no column is named \"%.*s\" (help "
					 "lists all)",
					 (int)len, arg);
		if (!(c->flags & COLUMN_ALWAYS))
			add(list, c);
		arg += len;
		arg += *arg == ',';
	}
	return 0;
}

int columns_parse(const char *arg, struct column_list *list, struct error *e)
{
	bool all = !strcmp(arg, "all"), standard = !strcmp(arg, "default");

	*list = (struct column_list){ { &columns[0] }, 1 };
	if (!all && !standard && add_chosen(list, arg, e))
		return -1;
	for (size_t i = 0; i < ncolumns; i++)
		if (all || (standard && (columns[i].flags & COLUMN_DEFAULT)))
			add(list, &columns[i]);
	add(list, &columns[ncolumns - 1]);
	return 0;
}

void columns_add(struct column_list *list, const struct column *c)
{
	if (has(list, c))
		return;
	list->c[list->n] = list->c[list->n - 1];
	list->c[list->n - 1] = c;
	list->n++;
}

void columns_help(FILE *out)
{
	for (size_t i = 0; i < ncolumns; i++)
		fprintf(out, "  %-13s %s\n", columns[i].name, columns[i].about);
}

uint64_t column_count(const struct column *c, const struct vma *v, const struct region *r)
{
	return c->number ? c->number(v, r) : vma_stat_of(&v->st, c->stat);
}

const char *column_text(const struct column *c, const struct vma *v,
			const struct region *r, char *buf)
{
	if (c->flags & COLUMN_COUNT)
		return size_format(buf, column_count(c, v, r));
	return c->text(v, r, buf);
}

static int order_of(uint64_t x, uint64_t y)
{
	return x < y ? -1 : x > y;
}

/* Biggest first, the unknown last. */
static int order_of_counts(uint64_t x, uint64_t y)
{
	/* One more than UNKNOWN is 0. */
	return order_of(y + 1, x + 1);
}

int column_order(const struct column *c, const struct snapshot *s, size_t a, size_t b)
{
	const struct vma *v = &s->vmas.v[a], *w = &s->vmas.v[b];
	const struct region *r = &s->regions[a], *q = &s->regions[b];
	char x[COLUMN_TEXT], y[COLUMN_TEXT];
	int order;

	if (c->flags & COLUMN_COUNT)
		order = order_of_counts(column_count(c, v, r), column_count(c, w, q));
	else if (c->number)
		order = order_of(c->number(v, r), c->number(w, q));
	else
		order = strcmp(c->text(v, r, x), c->text(w, q, y));
	return order ? order : order_of(v->start, w->start);
}
