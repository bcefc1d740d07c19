/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where page facts come from: the kernel module, or /proc. Both answer in the
 * same terms; what a source cannot know is UNKNOWN, never 0.
 */
#ifndef FALLOW_PAGES_H
#define FALLOW_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "pages/runs.h"
#include "target/target.h"
#include "target/vma.h"

enum pages_source {
	SOURCE_AUTO, /* the module where it answers, else /proc */
	SOURCE_KMOD,
	SOURCE_PROCFS,
};

struct pages;

struct pages_ops {
	const char *name; /* "kmod", "procfs" */
	/* Whether the source can be used at all; @e says why not. */
	int (*open)(struct pages *p, struct error *e);
	/*
	 * All VMAs of @t with their counts, in address order, into the empty
	 * list @out. *@torn is set if the address space changed meanwhile.
	 */
	int (*vmas)(struct pages *p, const struct target *t, struct vma_list *out,
		    bool *torn, struct error *e);
	/*
	 * Starts a stream of the pages in [start, end) that are there, as runs
	 * in address order, in constant memory. @vmas are those of vmas(), and
	 * stay until end(). One stream at a time: begin() ends the one before.
	 */
	int (*begin)(struct pages *p, struct target *t, struct vma_list *vmas,
		     uint64_t start, uint64_t end, struct error *e);
	/* The next run: 1 if there is one, 0 at the end, -1 with @e set. */
	int (*next)(struct pages *p, struct page_run *run, struct error *e);
	/* Gives up what is left of a stream; NULL where that takes nothing. */
	int (*end)(struct pages *p, struct error *e);
	/*
	 * From age_begin() to age_end(), or the source's close, the source
	 * learns when pages are accessed, looking each @interval_ns, and runs
	 * carry ages. NULL where the source cannot.
	 */
	int (*age_begin)(struct pages *p, struct target *t, uint64_t interval_ns,
			 struct error *e);
	/* How often it has looked: ages are known from the second time on. */
	int (*age_looks)(struct pages *p, struct target *t, uint64_t *n, struct error *e);
	/* Also where nothing was begun. */
	void (*age_end)(struct pages *p, struct target *t);
	/* For each count of struct vma_stats why it is UNKNOWN here, or NULL. */
	void (*unknown)(struct pages *p, const char *why[VMA_STATS]);
	void (*close)(struct pages *p);
};

/* What a stream met that its reader should say. Set by streams, never cleared. */
struct pages_notes {
	bool changed; /* mappings came or went meanwhile */
	bool ages_capped; /* the source's memory does not hold all ages */
	bool ages_secondary; /* another MMU uses the memory: no age is known */
	size_t zero_guessed; /* mappings where zero pages could not be told apart */
};

struct pages {
	const struct pages_ops *ops;
	void *priv;
	char why[512]; /* SOURCE_AUTO settled on /proc: what the module said */
	uint32_t known; /* RUN_* bits that runs tell here; others are never set */
	struct pages_notes notes;
};

extern const struct pages_ops pages_kmod;
extern const struct pages_ops pages_procfs;

int pages_open(struct pages *p, enum pages_source source, struct error *e);
void pages_close(struct pages *p);

/* As ops->age_begin(); where the source cannot, @e says why. */
int pages_age_begin(struct pages *p, struct target *t, uint64_t interval_ns,
		    struct error *e);

void pages_age_end(struct pages *p, struct target *t);

/* Whether the kernel has PAGEMAP_SCAN; @p is /proc. */
bool procfs_scans(const struct pages *p);

/* What the module says of itself (FALLOW_CMD_GET_INFO). */
struct kmod_info {
	char version[64];
	uint64_t caps; /* FALLOW_CAP_* */
	uint32_t page_size;
	uint32_t lock_budget_us;
	uint64_t lock_max_ns, slices, pages, walk_ns;
	uint32_t trackers;
	uint64_t age_bytes, age_max_bytes;
};

/* As it was when @p, a source that is the module, was opened. */
const struct kmod_info *kmod_info(const struct pages *p);

/* Whether the module answers us at all: 0, or -1 and why not. */
int kmod_permitted(struct pages *p, struct error *why);

struct kmod_cap {
	uint64_t bit; /* FALLOW_CAP_* */
	const char *key, *about;
	const char *missing; /* why, where the bit is clear */
};

#define KMOD_CAPS 9
extern const struct kmod_cap kmod_caps[KMOD_CAPS];

#endif
