// SPDX-License-Identifier: GPL-2.0-or-later
/* Chooses the source of page facts. */
#include "pages/pages.h"

#include <stdio.h>

static int open_with(struct pages *p, const struct pages_ops *ops, struct error *e)
{
	p->ops = ops;
	p->priv = NULL;
	return ops->open(p, e);
}

int pages_open(struct pages *p, enum pages_source source, struct error *e)
{
	*p = (struct pages){ 0 };
	if (source == SOURCE_KMOD)
		return open_with(p, &pages_kmod, e);
	if (source == SOURCE_AUTO) {
		struct error why;

		if (!open_with(p, &pages_kmod, &why)) {
			if (!kmod_permitted(p, &why))
				return 0;
			p->ops->close(p);
		}
		snprintf(p->why, sizeof(p->why), "%s", why.text);
	}
	return open_with(p, &pages_procfs, e);
}

int pages_age_begin(struct pages *p, struct target *t, uint64_t interval_ns,
		    struct error *e)
{
	if (p->ops->age_begin)
		return p->ops->age_begin(p, t, interval_ns, e);
	return error_set(
		e, EXIT_FAILED,
		"process %d: how long its pages have been idle, %s cannot tell: %s",
		(int)t->pid, p->ops->name, p->why[0] ? p->why : "use --source=kmod");
}

void pages_age_end(struct pages *p, struct target *t)
{
	if (p->ops && p->ops->age_end)
		p->ops->age_end(p, t);
}

void pages_close(struct pages *p)
{
	if (p->ops)
		p->ops->close(p);
	*p = (struct pages){ 0 };
}
