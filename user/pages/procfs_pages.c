// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stream of page runs from /proc/PID/pagemap: by its PAGEMAP_SCAN where the
 * kernel has it, which passes over what is empty at the cost of the page table;
 * else entry by entry. VMAs in which smaps saw nothing are not looked at.
 */
#include "pages/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ENTRIES 32768
#define REGIONS 4096
/* A scan holds the target's mmap lock throughout: this much is less than a millisecond. */
#define SCAN_WINDOW (256ull << 20)

/* include/uapi/linux/fs.h, Linux 6.7 */
struct scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start, end;
	uint64_t walk_end; /* out: where the scan stopped */
	uint64_t vec, vec_len;
	uint64_t max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_IOCTL  _IOWR('f', 16, struct scan_arg)
#define SCAN_WANTED (SCAN_FILE | SCAN_PRESENT | SCAN_SWAPPED | SCAN_ZERO | SCAN_HUGE)

struct procfs {
	struct zero_page zero;
	uint64_t scan; /* categories to ask for; 0: this kernel has no scan */
	struct target *target;
	struct vma_list *vmas;
	size_t vma; /* the VMA at, or after, next */
	uint64_t next, end; /* [next, end) is not looked at yet */
	/* What was looked at last, from at on; it lies in one VMA, the seen. */
	const struct vma *seen;
	uint64_t at;
	size_t i, nentries, nregions;
	struct page_run ahead; /* the piece that ended the last run; empty: none */
	uint64_t entries[ENTRIES];
	struct scan_region regions[REGIONS];
};

static int scan(int fd, struct scan_arg *arg)
{
	int n;

	arg->size = sizeof(*arg);
	do {
		n = ioctl(fd, SCAN_IOCTL, arg);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Asks for nothing in nobody but ourselves; a kernel refuses categories that it lacks. */
static bool scan_takes(int fd, uint64_t categories)
{
	struct scan_arg arg = { .return_mask = categories };

	return scan(fd, &arg) == 0;
}

static uint64_t learn_scan(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t categories = 0;

	if (fd < 0)
		return 0;
	if (scan_takes(fd, SCAN_WANTED | SCAN_GUARD))
		categories = SCAN_WANTED | SCAN_GUARD;
	else if (scan_takes(fd, SCAN_WANTED))
		categories = SCAN_WANTED;
	close(fd);
	return categories;
}

struct procfs *procfs_stream_new(void)
{
	struct procfs *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	zero_page_learn(&s->zero);
	s->scan = learn_scan();
	return s;
}

void procfs_stream_free(struct procfs *s)
{
	free(s);
}

uint32_t procfs_stream_known(const struct procfs *s)
{
	return RUN_RESIDENT | RUN_SWAPPED | RUN_ANON | RUN_SHMEM |
	       (s->scan ? RUN_HUGE : 0);
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Reads entries of @v from @addr on; their number, or -errno. */
static int read_entries(struct procfs *s, const struct vma *v, uint64_t addr)
{
	size_t n = (size_t)min((v->end - addr) / s->target->reader.page_size, ENTRIES);
	int err = reader_pagemap(&s->target->reader, addr, n, s->entries);

	return err ? err : (int)n;
}

/* Whether frames are hidden, so that zero pages in @v are known by number alone. */
static bool needs_count(const struct procfs *s, const struct vma *v)
{
	return !s->zero.pfn && !s->scan && !v->zero_below &&
	       !(v->flags & (VMA_HUGETLB | VMA_PFNMAP));
}

/* What one pass over a VMA counts, and where it stops. */
struct zero_count {
	uint64_t present, candidates;
	uint64_t stop_after; /* candidates; 0: at the end */
	uint64_t stopped; /* the page after the last candidate */
};

static int count_zero(struct procfs *s, const struct vma *v, struct zero_count *c)
{
	size_t size = s->target->reader.page_size;

	for (uint64_t addr = v->start; addr < v->end;) {
		int n = read_entries(s, v, addr);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++, addr += size) {
			uint64_t entry = s->entries[i];

			c->present +=
				(entry & PM_PRESENT) && !pagemap_huge_zero(entry, v);
			if (!pagemap_maybe_zero(entry))
				continue;
			c->stopped = addr + size;
			if (++c->candidates == c->stop_after)
				return 0;
		}
	}
	return 0;
}

/*
 * Present pages beyond RSS are zero pages. If they are some but not all of those
 * that may be, the first ones are taken for them, and that is noted.
 */
static int place_zero_pages(struct pages *p, struct procfs *s, struct vma *v)
{
	uint64_t rss = v->st.rss / s->target->reader.page_size;
	struct zero_count all = { 0 }, some = { 0 };
	int err = count_zero(s, v, &all);

	if (err)
		return err;
	v->zero_below = v->start;
	if (all.present <= rss || !all.candidates)
		return 0;
	some.stop_after = min(all.present - rss, all.candidates);
	if (some.stop_after < all.candidates)
		p->notes.zero_guessed++;
	err = count_zero(s, v, &some);
	v->zero_below = some.stopped;
	return err;
}

static int look_by_scan(struct procfs *s, const struct vma *v, uint64_t end)
{
	struct scan_arg arg = {
		.start = s->next,
		.end = min(end, s->next + SCAN_WINDOW),
		.vec = (uintptr_t)s->regions,
		.vec_len = REGIONS,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = s->scan,
	};
	int n = scan(s->target->reader.pagemap, &arg);

	if (n < 0)
		return n;
	if (arg.walk_end <= s->next || arg.walk_end > arg.end)
		return -EPROTO;
	s->nregions = (size_t)n;
	s->seen = v;
	s->at = s->next;
	s->next = arg.walk_end;
	return 0;
}

static int look_by_entry(struct pages *p, struct procfs *s, struct vma *v, uint64_t end)
{
	int n, err = needs_count(s, v) ? place_zero_pages(p, s, v) : 0;

	if (err)
		return err;
	n = read_entries(s, v, s->next);
	if (n < 0)
		return n;
	s->nentries = (size_t)n;
	s->seen = v;
	s->at = s->next;
	s->next = min(end, s->next + (uint64_t)n * s->target->reader.page_size);
	return 0;
}

/* hugetlb is present, yet no part of RSS. */
static bool is_empty(const struct vma *v)
{
	return (v->flags & VMA_HUGETLB) || (!v->st.rss && !v->st.swap);
}

/* Looks at more; 1, 0 at the end, or -errno. */
static int look(struct pages *p, struct procfs *s)
{
	struct vma *v;
	int err;

	s->i = s->nentries = s->nregions = 0;
	while (s->vma < s->vmas->n &&
	       (s->vmas->v[s->vma].end <= s->next || is_empty(&s->vmas->v[s->vma])))
		s->vma++;
	if (s->vma == s->vmas->n || s->vmas->v[s->vma].start >= s->end)
		return 0;
	v = &s->vmas->v[s->vma];
	if (s->next < v->start)
		s->next = v->start;
	if (s->next >= s->end)
		return 0;
	/* Of mixed mappings, a scan does not tell raw frames from anonymous pages. */
	if (s->scan && !(v->flags & VMA_PFNMAP))
		err = look_by_scan(s, v, min(v->end, s->end));
	else
		err = look_by_entry(p, s, v, min(v->end, s->end));
	return err ? err : 1;
}

/* Entries that are alike, as one piece; the first piece of absent pages is skipped. */
static bool piece_of_entries(struct procfs *s, struct page_run *piece)
{
	size_t size = s->target->reader.page_size;

	*piece = (struct page_run){ .end = 0 };
	for (; s->i < s->nentries && s->at < s->next; s->i++, s->at += size) {
		uint32_t state =
			pagemap_state(s->entries[s->i], s->at, s->seen, &s->zero);

		if (piece->end && state != piece->state)
			break;
		if (!state)
			continue;
		if (!piece->end)
			*piece = (struct page_run){ .start = s->at, .state = state };
		piece->end = s->at + size;
	}
	return piece->end != 0;
}

/*
 * A PMD's worth of what is huge and anonymous, which may be the huge zero page:
 * until 6.18 that had no category of its own. Its entry in pagemap tells.
 */
static int part_huge(struct procfs *s, struct scan_region *r, struct page_run *piece)
{
	size_t size = s->target->reader.page_size;
	uint64_t huge = size * (size / sizeof(uint64_t)), entry;
	int err = reader_pagemap(&s->target->reader, r->start, 1, &entry);

	if (err)
		return err;
	piece->end = min(r->end, (r->start / huge + 1) * huge);
	if (pagemap_huge_zero(entry, s->seen))
		piece->state = 0;
	r->start = piece->end;
	if (r->start == r->end)
		s->i++;
	return 0;
}

/* The next region that is there; 1, 0 at the end, or -errno. */
static int piece_of_regions(struct procfs *s, struct page_run *piece)
{
	while (s->i < s->nregions) {
		struct scan_region *r = &s->regions[s->i];

		piece->start = r->start;
		piece->end = r->end;
		piece->state = scan_state(r->categories, s->seen);
		piece->age = 0;
		if ((piece->state & RUN_HUGE) && (piece->state & RUN_ANON) &&
		    vma_is_anon(s->seen)) {
			int err = part_huge(s, r, piece);

			if (err)
				return err;
		} else {
			s->i++;
		}
		if (piece->state)
			return 1;
	}
	return 0;
}

static int next_piece(struct pages *p, struct procfs *s, struct page_run *piece)
{
	int more;

	do {
		if (piece_of_entries(s, piece))
			return 1;
		more = piece_of_regions(s, piece);
		if (more)
			return more;
		more = look(p, s);
	} while (more > 0);
	return more;
}

/* An address space that is gone scans as an empty one. */
static int still_there(struct procfs *s)
{
	uint64_t entry;

	return s->vmas->n ? reader_pagemap(&s->target->reader, s->vmas->v[0].start, 1,
					   &entry)
			  : 0;
}

static int failed(struct procfs *s, int err, struct error *e)
{
	return error_sys(e, -err, "process %d, reading its pagemap", (int)s->target->pid);
}

int procfs_begin(struct pages *p, struct target *t, struct vma_list *vmas, uint64_t start,
		 uint64_t end, struct error *e)
{
	struct procfs *s = p->priv;
	size_t lo = 0, hi = vmas->n;

	(void)e;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (vmas->v[mid].end <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	s->target = t;
	s->vmas = vmas;
	s->vma = lo;
	s->next = start;
	s->end = end;
	s->i = s->nentries = s->nregions = 0;
	s->ahead.end = 0;
	return 0;
}

int procfs_next(struct pages *p, struct page_run *run, struct error *e)
{
	struct procfs *s = p->priv;
	struct page_run piece = s->ahead;
	int more = piece.end ? 1 : next_piece(p, s, &piece);

	s->ahead.end = 0;
	if (more <= 0) {
		if (!more)
			more = still_there(s);
		return more ? failed(s, more, e) : 0;
	}
	*run = piece;
	while ((more = next_piece(p, s, &piece)) > 0) {
		if (piece.start != run->end || piece.state != run->state) {
			s->ahead = piece;
			return 1;
		}
		run->end = piece.end;
	}
	return more < 0 ? failed(s, more, e) : 1;
}
