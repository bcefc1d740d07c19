// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stream of page runs from /proc/PID/pagemap: by its PAGEMAP_SCAN where the
 * kernel has it, which passes over what is empty at the cost of the page table;
 * else entry by entry, and then VMAs in which smaps saw nothing are not looked at.
 */
#include "pages/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

bool procfs_scans(const struct pages *p)
{
	return ((const struct procfs *)p->priv)->scan;
}

struct procfs *procfs_stream_new(void)
{
	struct procfs *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	zero_page_learn(&s->zero);
	s->scan = learn_scan();
	s->kpageflags = s->scan || !s->zero.pfn
				? -1
				: open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	return s;
}

void procfs_stream_free(struct procfs *s)
{
	if (s->kpageflags >= 0)
		close(s->kpageflags);
	free(s);
}

uint32_t procfs_stream_known(const struct procfs *s)
{
	return RUN_RESIDENT | RUN_SWAPPED | RUN_ANON | RUN_SHMEM |
	       (s->scan ? RUN_HUGE | RUN_ZERO : 0);
}

static int look_by_scan(struct procfs *s, const struct vma *v, uint64_t end)
{
	struct scan_arg arg = {
		.start = s->next,
		.end = procfs_min(end, s->next + SCAN_WINDOW),
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

/*
 * hugetlb is present, yet no part of RSS. Where smaps has nothing, there may be zero pages,
 * which a scan finds at no cost; raw frames are none.
 */
static bool is_empty(const struct procfs *s, const struct vma *v)
{
	if (v->flags & VMA_HUGETLB)
		return true;
	return !v->st.rss && !v->st.swap && (!s->scan || (v->flags & VMA_PFNMAP));
}

/* Looks at more; 1, 0 at the end, or -errno. */
static int look(struct pages *p, struct procfs *s)
{
	struct vma *v;
	int err;

	s->i = s->nentries = s->nregions = 0;
	while (s->vma < s->vmas->n &&
	       (s->vmas->v[s->vma].end <= s->next || is_empty(s, &s->vmas->v[s->vma])))
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
		err = look_by_scan(s, v, procfs_min(v->end, s->end));
	else
		err = procfs_look_entries(p, v, procfs_min(v->end, s->end));
	return err ? err : 1;
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
	piece->end = procfs_min(r->end, (r->start / huge + 1) * huge);
	if (pagemap_huge_zero(entry, s->seen))
		piece->state = RUN_ZERO;
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
		if (procfs_piece_of_entries(s, piece))
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
