// SPDX-License-Identifier: GPL-2.0-or-later
#include "heap/data.h"

#include <errno.h>
#include <stdlib.h>

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

static int scan_range(const struct heap_source *src, uint64_t start, uint64_t end,
		      uint8_t *buf, struct data_scan *s)
{
	uint8_t present[READER_WINDOW_PAGES];
	const size_t overlap = src->target->reader.page_size;

	for (uint64_t at = start; at < end;) {
		size_t len = end - at < READER_WINDOW ? end - at : READER_WINDOW;
		ssize_t got = reader_window(&src->target->reader, at, len, buf, present);
		int answer;

		if (got < 0)
			return (int)got;
		answer = got ? s->window(s, at, buf, len) : 0;
		if (answer)
			return answer;
		if (end - at <= len)
			break;
		at += len - overlap;
	}
	return 0;
}

int data_scan(const struct heap_source *src, struct data_scan *s)
{
	const struct vma_list *l = src->vmas;
	uint8_t *buf = malloc(READER_WINDOW);
	int answer = buf ? 0 : -ENOMEM;

	for (size_t i = 0; !answer && i < l->n; i++)
		if (heap_is_data(l, i))
			answer = scan_range(src, l->v[i].start, l->v[i].end, buf, s);
	free(buf);
	return answer;
}
