// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page states from the entries of /proc/PID/pagemap, for kernels without its
 * PAGEMAP_SCAN and for mappings where that says too little. What an entry does not
 * tell is worked out from smaps: how many zero pages there are, where frame numbers
 * are hidden; what is mapped huge, where they are shown.
 */
#include "pages/procfs.h"

#include <unistd.h>

/* Reads entries of @v from @addr on; their number, or -errno. */
static int read_entries(struct procfs *s, const struct vma *v, uint64_t addr)
{
	size_t n = (size_t)procfs_min((v->end - addr) / s->target->reader.page_size,
				      ENTRIES);
	int err = reader_pagemap(&s->target->reader, addr, n, s->entries);

	return err ? err : (int)n;
}

/* Pages that a PMD maps. */
static size_t pmd_pages(const struct procfs *s)
{
	return s->target->reader.page_size / sizeof(uint64_t);
}

/* How many entries from @addr on come before the first that a PMD's range begins with. */
static size_t before_pmd(const struct procfs *s, uint64_t addr)
{
	size_t pages = pmd_pages(s);

	return (pages - addr / s->target->reader.page_size % pages) % pages;
}

static bool frame_has(const struct procfs *s, uint64_t frame, uint64_t flag)
{
	uint64_t flags;

	return pread(s->kpageflags, &flags, sizeof(flags),
		     (off_t)(frame * sizeof(flags))) == sizeof(flags) &&
	       (flags & flag);
}

/* Whether a PMD seems to map the pages with these entries, as many as it maps. */
static bool seems_huge(const struct procfs *s, const uint64_t *entries)
{
	uint64_t frame = pagemap_huge_frame(entries, pmd_pages(s));

	return frame && frame_has(s, frame, KPF_HUGE_PART);
}

/*
 * Old kernels' entries of the huge zero page say no more than that a page is there
 * and not only here (5.10 does): its frame is learnt from where a PMD may map it.
 */
static void learn_huge_zero(struct procfs *s, const struct vma *v, uint64_t addr,
			    size_t n)
{
	size_t pages = pmd_pages(s);

	for (size_t i = before_pmd(s, addr);
	     i < n && !s->zero.huge_pages && vma_is_anon(v); i += pages) {
		uint64_t frame = s->entries[i] & PM_PFN;

		if (!pagemap_maybe_zero(s->entries[i]) || frame % pages ||
		    frame == s->zero.pfn || !frame_has(s, frame, KPF_ZERO_PAGE))
			continue;
		s->zero.huge_pfn = frame;
		s->zero.huge_pages = pages;
	}
}

/*
 * Without a scan, pages that seem to be mapped huge are so if smaps has counted
 * as many of them in the VMA.
 */
static int check_huge(struct procfs *s, struct vma *v)
{
	uint64_t size = s->target->reader.page_size, pmd = pmd_pages(s) * size;
	uint64_t seen = 0;

	for (uint64_t addr = (v->start + pmd - 1) / pmd * pmd; addr + pmd <= v->end;) {
		int n = read_entries(s, v, addr);

		if (n < 0)
			return n;
		for (size_t i = 0; i + pmd_pages(s) <= (size_t)n; i += pmd_pages(s))
			seen += seems_huge(s, s->entries + i) ? pmd : 0;
		addr += (uint64_t)n * size;
	}
	v->huge_checked = true;
	v->huge_told = seen == v->st.anon_huge;
	return 0;
}

/*
 * Marks what is mapped huge among @n entries of @v from @addr on, which is where a
 * PMD's range begins, or the VMA. How many of them are whole ranges of PMDs, or
 * reach the VMA's end.
 */
static size_t mark_huge(struct procfs *s, const struct vma *v, uint64_t addr, size_t n)
{
	size_t size = s->target->reader.page_size, pages = pmd_pages(s);
	size_t i = before_pmd(s, addr);

	for (; i + pages <= n; i += pages) {
		if (!seems_huge(s, s->entries + i))
			continue;
		for (size_t k = 0; k < pages; k++)
			s->entries[i + k] |= PM_HUGE;
	}
	return addr + n * size < v->end ? i : n;
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
	some.stop_after = procfs_min(all.present - rss, all.candidates);
	if (some.stop_after < all.candidates)
		p->notes.zero_guessed++;
	err = count_zero(s, v, &some);
	if (some.stopped)
		v->zero_below = some.stopped;
	return err;
}

/* What must be known of a VMA before its entries can be told. */
static int prepare(struct pages *p, struct procfs *s, struct vma *v)
{
	int err = needs_count(s, v) ? place_zero_pages(p, s, v) : 0;

	if (!err && s->kpageflags >= 0 && v->st.anon_huge && !v->huge_checked)
		err = check_huge(s, v);
	return err;
}

int procfs_look_entries(struct pages *p, struct vma *v, uint64_t end)
{
	struct procfs *s = p->priv;
	size_t size = s->target->reader.page_size;
	int n, err = prepare(p, s, v);
	uint64_t from = s->next;

	if (err)
		return err;
	if (v->huge_told)
		from -= procfs_min(from - v->start, from % (pmd_pages(s) * size));
	n = read_entries(s, v, from);
	if (n < 0)
		return n;
	if (s->kpageflags >= 0)
		learn_huge_zero(s, v, from, (size_t)n);
	s->nentries = v->huge_told ? mark_huge(s, v, from, (size_t)n) : (size_t)n;
	s->i = (s->next - from) / size;
	s->seen = v;
	s->at = s->next;
	s->next = procfs_min(end, from + s->nentries * size);
	return 0;
}

bool procfs_piece_of_entries(struct procfs *s, struct page_run *piece)
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
