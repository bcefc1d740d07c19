// SPDX-License-Identifier: GPL-2.0-or-later
/* Allocators by arena, and the address space as a map by class or by age. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/size.h"
#include "render/escape.h"
#include "render/tui_draw.h"

#define ARENAS_SHARE 2 /* of the rows: the map has the rest */

struct listed {
	const struct heap *heap;
	const struct heap_arena *arena; /* NULL: all of the heap */
};

static int biggest_first(const void *a, const void *b)
{
	const struct heap_arena *x = *(const struct heap_arena *const *)a;
	const struct heap_arena *y = *(const struct heap_arena *const *)b;

	if (x->resident != y->resident)
		return x->resident > y->resident ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static void draw_counts(struct canvas *c, int row, enum ink ink, uint64_t resident,
			uint64_t live, uint64_t stranded, uint64_t fallow)
{
	tui_size(c, row, 26, ink, resident);
	tui_size(c, row, 39, ink, live);
	tui_size(c, row, 52, ink, stranded);
	tui_size(c, row, 65, ink, fallow);
}

static void draw_heap(struct canvas *c, int row, const struct heap *h)
{
	struct heap_totals x = heap_totals(h);
	bool known = h->status != HEAP_UNSUPPORTED;
	char version[4 * sizeof(h->version)];

	canvas_printf(c, row, 0, INK_BOLD, "%.12s %.12s %s", h->ops->name,
		      escape_terminal(version, sizeof(version), h->version),
		      heap_status_name(h->status));
	draw_counts(c, row, INK_BOLD, x.resident, known ? x.live : UNKNOWN,
		    known ? x.stranded : UNKNOWN,
		    known ? x.returnable + x.held : UNKNOWN);
}

static void draw_arena(struct canvas *c, int row, const struct heap_arena *a)
{
	if (a->address)
		canvas_printf(c, row, 10, INK_PLAIN, "%" PRIx64, a->address);
	canvas_put(c, row, 2, INK_PLAIN, arena_name(a->kind));
	draw_counts(c, row, INK_PLAIN, a->resident, a->bytes[EXTENT_LIVE], a->stranded,
		    a->returnable + a->held);
}

/* Those with most of the heap, as many as there is room for. */
static int draw_arenas(struct canvas *c, const struct heap *h, int row, int end)
{
	const struct heap_arena **list = calloc(h->narenas + 1, sizeof(*list));

	if (!list || h->status == HEAP_UNSUPPORTED || h->narenas < 2) {
		free(list);
		return row;
	}
	for (size_t i = 0; i < h->narenas; i++)
		list[i] = &h->arenas[i];
	qsort(list, h->narenas, sizeof(*list), biggest_first);
	for (size_t i = 0; i < h->narenas && row < end; i++) {
		if (row == end - 1 && i + 1 < h->narenas) {
			canvas_printf(c, row++, 2, INK_DIM, "and %zu smaller arenas",
				      h->narenas - i);
			break;
		}
		draw_arena(c, row++, list[i]);
	}
	free(list);
	return row;
}

void tui_heap(struct canvas *c, struct tui *t, int row, int end)
{
	const struct snapshot *s = t->now;
	int rows = (end - row) / ARENAS_SHARE, limit = row + rows;

	canvas_printf(c, row++, 0, INK_DIM, "%-26s%*s%*s%*s%*s", "allocator and arenas",
		      TUI_SIZE, "resident", TUI_SIZE, "live", TUI_SIZE, "stranded",
		      TUI_SIZE, "fallow");
	for (size_t i = 0; i < s->nheaps && row < limit; i++) {
		/* Each has a part of what is left, and the heaps after it a line. */
		int left = limit - row - (int)(s->nheaps - i);
		int upto = row + 1 + (left > 0 ? left : 0);

		draw_heap(c, row++, s->heaps[i]);
		row = draw_arenas(c, s->heaps[i], row, upto);
	}
	if (!s->nheaps)
		canvas_put(c, row++, 0, INK_PLAIN, "no known allocator was found");
	tui_map(c, t, row, end);
}
