// SPDX-License-Identifier: GPL-2.0-or-later
#include "heap/data.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/recall.h"

bool heap_is_data(const struct vma_list *l, size_t i)
{
	const struct vma *v = &l->v[i];

	if ((v->flags & (VMA_SHARED | VMA_HUGETLB | VMA_PFNMAP)) ||
	    !(v->flags & VMA_WRITE) || !(v->st.rss))
		return false;
	if (v->inode)
		return true;
	return i > 0 && l->v[i - 1].end == v->start && l->v[i - 1].inode && !v->name[0];
}

static int show_window(const struct heap_source *src, uint64_t at, size_t len,
		       uint8_t *buf, struct data_scan *s)
{
	uint8_t present[READER_WINDOW_PAGES];
	ssize_t got = reader_window(&src->target->reader, at, len, buf, present);
	int answer;

	if (got <= 0)
		return (int)got;
	s->useful = false;
	answer = s->window(s, at, buf, len);
	if (answer > 0 || s->useful)
		recall_note(src->recall, s->window, at, len);
	return answer;
}

static int scan_range(const struct heap_source *src, uint64_t start, uint64_t end,
		      uint8_t *buf, struct data_scan *s)
{
	const size_t overlap = src->target->reader.page_size;

	for (uint64_t at = start; at < end;) {
		size_t len = end - at < READER_WINDOW ? end - at : READER_WINDOW;
		int answer = show_window(src, at, len, buf, s);

		if (answer)
			return answer;
		if (end - at <= len)
			break;
		at += len - overlap;
	}
	return 0;
}

/* Whether all places where @s was of use are in data as they were. */
static bool places_hold(const struct heap_source *src, const struct data_scan *s)
{
	const struct vma_list *l = src->vmas;
	const struct recalled *p = NULL;

	while ((p = recall_place(src->recall, s->window, p))) {
		const struct vma *v = vma_find(l, p->at);

		if (!v || p->len > v->end - p->at || !heap_is_data(l, (size_t)(v - l->v)))
			return false;
	}
	return true;
}

static int scan_places(const struct heap_source *src, uint8_t *buf, struct data_scan *s)
{
	const struct recalled *p = NULL;
	int answer = 0;

	while (!answer && (p = recall_place(src->recall, s->window, p)))
		answer = show_window(src, p->at, p->len, buf, s);
	return answer;
}

static int scan_all(const struct heap_source *src, uint8_t *buf, struct data_scan *s)
{
	const struct vma_list *l = src->vmas;
	int answer = 0;

	for (size_t i = 0; !answer && i < l->n; i++)
		if (heap_is_data(l, i))
			answer = scan_range(src, l->v[i].start, l->v[i].end, buf, s);
	if (answer >= 0)
		recall_note(src->recall, s->window, 0, 0);
	return answer;
}

int data_scan(const struct heap_source *src, struct data_scan *s)
{
	bool known = recall_known(src->recall) && recall_searched(src->recall, s->window);
	uint8_t *buf = malloc(READER_WINDOW);
	int answer;

	if (!buf)
		return -ENOMEM;
	if (known && !places_hold(src, s)) {
		recall_doubt(src->recall);
		known = false;
	}
	answer = known ? scan_places(src, buf, s) : scan_all(src, buf, s);
	free(buf);
	return answer;
}
