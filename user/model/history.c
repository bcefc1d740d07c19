// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/history.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_MIN 60e9

struct moment moment_of(const struct snapshot *s)
{
	struct moment m = { .time = s->time, .monotonic_ns = s->monotonic_ns };

	for (int c = 0; c < LEDGER_CLASSES; c++)
		m.value[c] = s->ledger[c].resident;
	m.value[QUANTITY_RSS] = s->rss;
	m.value[QUANTITY_SWAP] = s->swap;
	m.value[QUANTITY_LIVE] = s->live_bytes;
	m.value[QUANTITY_STRANDED] = s->stranded_bytes;
	m.value[QUANTITY_FALLOW] =
		m.value[LEDGER_HEAP_RETURNABLE] + m.value[LEDGER_HEAP_HELD];
	return m;
}

int history_add(struct history *h, const struct snapshot *s)
{
	struct moment m = moment_of(s);

	return history_add_moment(h, &m);
}

int history_add_moment(struct history *h, const struct moment *m)
{
	if (!h->ring) {
		h->ring = calloc(HISTORY_MOMENTS, sizeof(*h->ring));
		if (!h->ring)
			return -ENOMEM;
	}
	if (h->n == HISTORY_MOMENTS) {
		h->first = (h->first + 1) % HISTORY_MOMENTS;
		h->n--;
	}
	h->ring[(h->first + h->n++) % HISTORY_MOMENTS] = *m;
	return 0;
}

void history_free(struct history *h)
{
	free(h->ring);
	*h = (struct history){ .n = 0 };
}

const struct moment *history_at(const struct history *h, size_t i)
{
	return &h->ring[(h->first + i) % HISTORY_MOMENTS];
}

const struct moment *history_last(const struct history *h)
{
	return h->n ? history_at(h, h->n - 1) : NULL;
}

const struct moment *history_since(const struct history *h, uint64_t ns)
{
	const struct moment *last = history_last(h);
	size_t lo = 0, hi = h->n;

	/* They come in order of time. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (last->monotonic_ns - history_at(h, mid)->monotonic_ns > ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	return h->n ? history_at(h, lo) : NULL;
}

int64_t moment_rate(const struct moment *from, const struct moment *to, enum quantity q)
{
	double minutes = (double)(to->monotonic_ns - from->monotonic_ns) / NS_PER_MIN;

	if (to->monotonic_ns <= from->monotonic_ns)
		return 0;
	return (int64_t)((double)(int64_t)(to->value[q] - from->value[q]) / minutes);
}
