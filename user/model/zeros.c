// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/zeros.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPARSE 256u /* of so much address space, so little is resident */

static bool is_zero(const uint8_t *page, size_t size)
{
	return !page[0] && !memcmp(page, page + 1, size - 1);
}

/* Of [start, end), to *@bytes. 0 or -errno. */
static int count_range(struct reader *r, uint64_t start, uint64_t end, uint8_t *buf,
		       uint64_t *bytes)
{
	uint8_t present[READER_WINDOW_PAGES];

	for (uint64_t at = start, len; at < end; at += len) {
		ssize_t got;

		len = end - at < READER_WINDOW ? end - at : READER_WINDOW;
		got = reader_window(r, at, len, buf, present);
		if (got < 0)
			return (int)got;
		for (uint64_t i = 0; i < len; i += r->page_size)
			/* The zero page is nobody's own. */
			if (present[i / r->page_size] == PAGE_RESIDENT &&
			    is_zero(buf + i, r->page_size))
				*bytes += r->page_size;
	}
	return 0;
}

int zeros_count(struct target *t, const struct vma_list *l, uint64_t *bytes,
		struct error *e)
{
	uint8_t *buf = malloc(READER_WINDOW);
	int err = buf ? 0 : -ENOMEM;

	*bytes = 0;
	for (size_t i = 0; !err && i < l->n; i++) {
		const struct vma *v = &l->v[i];
		uint64_t zeros = 0;

		/* Nor is it worth to look through what is nearly empty. */
		if (v->st.rss < (v->end - v->start) / SPARSE)
			continue;
		if (!vma_is_anon(v) || !v->st.anon_huge || v->st.anon_huge == UNKNOWN ||
		    v->st.anon_huge < v->st.rss / 2)
			continue;
		err = count_range(&t->reader, v->start, v->end, buf, &zeros);
		*bytes += zeros < v->st.anon_huge ? zeros : v->st.anon_huge;
	}
	free(buf);
	return err ? error_sys(e, -err, "process %d, reading its huge pages", (int)t->pid)
		   : 0;
}
