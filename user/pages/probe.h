/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be told here, and why not all: found by trying, on ourselves.
 */
#ifndef FALLOW_PROBE_H
#define FALLOW_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "pages/pages.h"

/* Something that a source may be able to do. */
struct ability {
	const char *key, *about;
	bool can;
	char why[160]; /* if not */
};

struct probed_source {
	const char *name; /* "kmod", "procfs" */
	bool usable;
	struct error why; /* if not */
	struct ability abilities[KMOD_CAPS + 1];
	size_t nabilities;
	/* As pages_ops.unknown() tells it, if it is usable. */
	const char *unknown[VMA_STATS];
};

struct probe {
	struct probed_source kmod, procfs;
	bool loaded; /* the module is, and @info is what it says */
	struct kmod_info info;
	const char *automatic; /* the source that SOURCE_AUTO takes; NULL: none */
	const char *reader; /* what it reads memory with: reader_name() */
};

void probe(struct probe *p);

#endif
