// SPDX-License-Identifier: GPL-2.0-or-later
#include "heap/decoder.h"

#include <stdlib.h>

struct heap *decoder_heap(const struct heap_ops *ops, size_t size)
{
	struct heap *h = calloc(1, sizeof(*h));
	void *priv = calloc(1, size);

	if (!h || !priv) {
		free(h);
		free(priv);
		return NULL;
	}
	h->ops = ops;
	h->priv = priv;
	return h;
}

void decoder_free(struct heap *h)
{
	free(h->priv);
	free(h->arenas);
	free(h->settings);
	free(h);
}

int decoder_failed(const struct heap_source *src, const char *whose, int err,
		   struct error *e)
{
	return error_sys(e, -err, "process %d, looking for %s heap",
			 (int)src->target->pid, whose);
}

int decoder_found(struct heap *h, int found, const struct heap_source *src,
		  const char *whose, struct heap **out, struct error *e)
{
	*out = found > 0 ? h : NULL;
	if (found > 0)
		return 0;
	if (h)
		h->ops->free(h);
	return found ? decoder_failed(src, whose, found, e) : 0;
}
