// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Free objects that look used to their spans: those in threads' caches, and those in
 * the slots of central caches, through which threads hand them on. They are lists that
 * go through the objects themselves.
 */
#include "heap/gperftools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/data.h"
#include "heap/emit.h"

#define WORD sizeof(uint64_t)

/* thread_cache.h: ThreadCache begins with a list a class, and their sums. */
#define LIST_SIZE   32u
#define LIST_LENGTH 8u
#define LIST_OBJECT 24u /* bytes of an object */
#define LISTS	    (GP_CLASSES_MAX * LIST_SIZE)
#define CACHE_MAX   (LISTS + 4u) /* max_size_ */
#define CACHE_HEAD  (LISTS + 64u) /* all that is looked at */

#define LOOKS_MAX  3 /* at a list that changes */
#define SEEDS_MAX  64 /* words of data that lead to caches */
#define CACHED_MAX (8u << 20) /* objects in all */

/* CACHE_HEAD bytes of a cache at @addr: 1, 0 if it is none, -errno. */
static int read_cache(struct gperftools *g, uint64_t addr, uint8_t *b)
{
	int err;

	if (addr % WORD || !gp_mapped_all(g, addr, addr + CACHE_HEAD))
		return 0;
	/* The second list's head is enough to see that most words lead elsewhere. */
	err = peek_read(&g->peek, addr + LIST_SIZE, b, LIST_SIZE);
	if (!err && get32(b, LIST_OBJECT) != g->size[1])
		return 0;
	if (!err)
		err = peek_read(&g->peek, addr, b, CACHE_HEAD);
	if (err)
		return err == -ESRCH || err == -EPERM ? err : 0;
	for (uint32_t i = 0; i < g->nclasses; i++)
		if (get32(b, i * LIST_SIZE + LIST_OBJECT) != g->size[i])
			return 0;
	return 1;
}

struct seed_scan {
	struct data_scan scan;
	struct gperftools *g;
	uint64_t seed[SEEDS_MAX];
	size_t n;
};

static int scan_seeds(struct data_scan *s, uint64_t at, const uint8_t *buf, size_t len)
{
	struct seed_scan *k = (struct seed_scan *)s;
	uint8_t b[CACHE_HEAD];

	for (size_t i = 0; i + WORD <= len && k->n < SEEDS_MAX; i += WORD) {
		uint64_t word = get64(buf, i);
		int found;

		if (!word || at + i < k->g->data.start || at + i >= k->g->data.end)
			continue;
		found = read_cache(k->g, word, b);
		if (found < 0)
			return found;
		if (found)
			k->seed[k->n++] = word;
		s->useful |= found > 0;
	}
	return 0;
}

static bool is_known(const struct gperftools *g, uint64_t cache)
{
	for (size_t i = 0; i < g->ncaches; i++)
		if (g->caches[i] == cache)
			return true;
	return false;
}

static int take_cache(struct gperftools *g, uint64_t cache)
{
	uint8_t max[4];

	if (!peek_read(&g->peek, cache + CACHE_MAX, max, sizeof(max)))
		g->claimed += get32(max, 0);
	if (!grow(&g->caches, &g->caches_cap, g->ncaches, sizeof(*g->caches)))
		return -ENOMEM;
	g->caches[g->ncaches++] = cache;
	return 0;
}

/*
 * Follows the links at offset @link of a cache, which @back answers. 0, -errno; -EPROTO
 * if they lead astray.
 */
static int follow_links(struct gperftools *g, uint64_t cache, uint32_t link,
			uint32_t back)
{
	uint8_t b[CACHE_HEAD];
	int found = read_cache(g, cache, b), err = 0;
	uint64_t next = found > 0 ? get64(b, link) : 0;

	while (found >= 0 && !err && next) {
		found = read_cache(g, next, b);
		if (found < 0)
			return found;
		if (!found || get64(b, back) != cache || g->ncaches >= GP_CACHES_MAX)
			return -EPROTO;
		if (next == g->caches[0])
			return -EPROTO;
		err = take_cache(g, next);
		g->links++;
		cache = next;
		next = get64(b, link);
	}
	return found < 0 ? found : err;
}

/*
 * All caches, if @seed is one of them and @l is how they are linked: in both directions.
 * One of a thread that has ended leads to others that do not lead back.
 */
static int follow_seed(struct gperftools *g, uint64_t seed, const struct gp_layout *l)
{
	const uint32_t next = l->next, prev = l->next + WORD;
	int err;

	g->ncaches = g->links = g->claimed = 0;
	err = take_cache(g, seed);
	if (!err)
		err = follow_links(g, seed, next, prev);
	return err ? err : follow_links(g, seed, prev, next);
}

/* Of all that a layout makes of the seeds. */
struct caches {
	const struct gp_layout *layout;
	uint64_t seed; /* from which most are found */
	size_t most; /* caches and links; 0: none */
	size_t strays; /* seeds from which none are found */
	bool broken; /* some of them lead to one that does not lead back */
};

/* 0 or -errno. */
static int follow_seeds(struct gperftools *g, const struct seed_scan *s, struct caches *c)
{
	g->ncaches = 0;
	for (size_t i = 0; i < s->n; i++) {
		int err;

		if (is_known(g, s->seed[i]))
			continue;
		err = follow_seed(g, s->seed[i], c->layout);
		if (err == -EPROTO) {
			c->broken |= g->links > 0;
			c->strays++;
			continue;
		}
		if (err)
			return err;
		if (g->ncaches + g->links > c->most) {
			c->most = g->ncaches + g->links;
			c->seed = s->seed[i];
		}
	}
	return 0;
}

void gp_forget(struct gperftools *g)
{
	peek_forget(&g->peek);
}

static bool is_better(const struct caches *a, const struct caches *b)
{
	return a->most > b->most || (a->most == b->most && a->strays < b->strays);
}

/*
 * Finds the caches by the layout by which most links are there; *@best is NULL if none
 * fits, or, of one thread, which has no links, several do. 0 or -errno.
 */
static int choose_layout(struct gperftools *g, const struct seed_scan *s,
			 const struct gp_layout **best)
{
	struct caches most = { 0 };
	int err = 0;

	*best = NULL;
	for (int i = 0; !err && i < GP_LAYOUTS; i++) {
		struct caches c = { .layout = &gp_layouts[i] };

		if (c.layout->min_span != g->min_span ||
		    (g->layout && g->layout != c.layout))
			continue;
		err = follow_seeds(g, s, &c);
		if (!is_better(&c, &most) && !is_better(&most, &c))
			*best = NULL;
		if (c.most && is_better(&c, &most)) {
			*best = c.layout;
			most = c;
		}
	}
	g->astray = !most.most || most.broken;
	if (err || !most.most)
		return err;
	err = follow_seed(g, most.seed, most.layout);
	g->astray |= err == -EPROTO;
	return err == -EPROTO ? 0 : err;
}

int gp_find_caches(struct gperftools *g)
{
	struct seed_scan s = { .scan.window = scan_seeds, .g = g };
	const struct gp_layout *best = NULL;
	int err;

	gp_forget(g);
	err = data_scan(g->src, &s.scan);
	/* A thread may end, or begin, meanwhile. */
	for (int look = 0; !err && s.n && look < LOOKS_MAX; look++) {
		gp_forget(g);
		err = choose_layout(g, &s, &best);
		if (!g->astray)
			break;
	}
	if (best)
		g->layout = best;
	return err;
}

static int take_object(struct gperftools *g, uint64_t addr, uint32_t class)
{
	if (!grow(&g->cached, &g->cached_cap, g->ncached, sizeof(*g->cached)))
		return -ENOMEM;
	g->cached[g->ncached++] = addr << 8 | class;
	return 0;
}

/*
 * Takes the list of @n objects that begins at @head. 0, -errno; -EPROTO: it is not that
 * long, or longer; -ENODATA: not all of it is resident.
 */
static int take_list(struct gperftools *g, uint64_t head, uint32_t n, uint32_t class)
{
	uint64_t at = head;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t next;
		int err;

		if (at % WORD || at >> GP_ADDRESS_BITS || !gp_mapped(g, at))
			return -EPROTO;
		if (g->ncached == CACHED_MAX) {
			heap_incomplete(g->heap,
					"more than %u objects in caches: the rest is "
					"counted as in use",
					CACHED_MAX);
			return 0;
		}
		err = peek_read(&g->peek, at, &next, sizeof(next));
		if (!err)
			err = take_object(g, at, class);
		if (err)
			return err == -EFAULT ? -EPROTO : err;
		at = next;
	}
	return at ? -EPROTO : 0;
}

/* What a place in memory says of a list of objects. */
struct list_place {
	uint64_t head; /* address of the pointer to the first object */
	uint64_t length; /* address of the count; 0: it is @n */
	uint32_t n, class;
};

static int read_list(struct gperftools *g, const struct list_place *p, uint64_t *head,
		     uint32_t *n)
{
	int err = peek_read(&g->peek, p->head, head, sizeof(*head));

	*n = p->n;
	if (!err && p->length)
		err = peek_read(&g->peek, p->length, n, sizeof(*n));
	return err;
}

/* Again, if it changes under the look; what is not seen then looks used. */
static int take_place(struct gperftools *g, const struct list_place *p)
{
	size_t before = g->ncached;
	uint64_t head;
	uint32_t n = 0;
	int err = 0;

	for (int i = 0; i < LOOKS_MAX; i++) {
		err = read_list(g, p, &head, &n);
		g->ncached = before;
		if (!err)
			err = take_list(g, head, n, p->class);
		if (err != -EPROTO)
			break;
		gp_forget(g);
	}
	if (err == -EPROTO || err == -EFAULT) {
		uint64_t seen = g->ncached - before;

		heap_incomplete(g->heap, "the heap changed while it was read");
		g->heap->torn += (n > seen ? n - seen : 1) * g->size[p->class];
		return 0;
	}
	if (err == -ENODATA) {
		heap_absent(g->heap);
		return 0;
	}
	return err;
}

static int take_lists(struct gperftools *g, uint64_t cache)
{
	uint8_t b[CACHE_HEAD];
	int found = read_cache(g, cache, b), err = 0;

	for (uint32_t i = 1; found > 0 && !err && i < g->nclasses; i++) {
		uint64_t at = cache + i * LIST_SIZE;
		struct list_place p = { at, at + LIST_LENGTH, 0, i };

		if (get64(b, i * LIST_SIZE) || get32(b, i * LIST_SIZE + LIST_LENGTH))
			err = take_place(g, &p);
	}
	return found < 0 ? found : err;
}

/* How many slots of a class' central cache are in use; 0 if that is not to be seen. */
static int count_slots(struct gperftools *g, uint32_t class, uint32_t *used)
{
	uint64_t at = g->central + (uint64_t) class * CENTRAL_SIZE;
	uint8_t b[CENTRAL_END];
	int err = peek_read(&g->peek, at, b, sizeof(b));

	*used = 0;
	if (err == -ESRCH || err == -EPERM)
		return err;
	if (err || !gp_central_holds(b, class))
		heap_absent(g->heap);
	else
		*used = get32(b, CENTRAL_USED);
	return 0;
}

static int take_slots(struct gperftools *g, uint32_t class)
{
	uint64_t at = g->central + (uint64_t) class * CENTRAL_SIZE;
	uint32_t used;
	int err = count_slots(g, class, &used);

	for (uint32_t i = 0; !err && i < used; i++) {
		struct list_place p = { at + CENTRAL_FIRST + i * CENTRAL_SLOT, 0,
					g->batch[class], class };

		err = take_place(g, &p);
	}
	return err;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Whether some of the target's memory is, and with it perhaps what leads to caches. */
static bool is_on_swap(const struct gperftools *g)
{
	const struct vma_list *l = g->src->vmas;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].st.swap && l->v[i].st.swap != UNKNOWN)
			return true;
	return false;
}

bool gp_caches_missing(const struct gperftools *g)
{
	return !g->ncaches || !g->central || g->astray;
}

static void tell_missing(struct gperftools *g)
{
	if (!g->ncaches)
		heap_incomplete(g->heap,
				"threads' caches were not found%s: what is in them "
				"looks used",
				is_on_swap(g) ? ", or what leads to them is swapped out"
					      : "");
	if (!g->central)
		heap_incomplete(g->heap,
				"central caches were not found: what is in their "
				"slots looks used");
	if (g->astray)
		heap_incomplete(g->heap, "threads came or went while their caches were "
					 "read");
}

int gp_read_caches(struct gperftools *g)
{
	int err = 0;

	gp_forget(g);
	g->ncached = 0;
	tell_missing(g);
	for (size_t i = 0; !err && i < g->ncaches; i++)
		err = take_lists(g, g->caches[i]);
	for (uint32_t i = 1; !err && g->central && i < g->nclasses; i++)
		err = take_slots(g, i);
	if (g->ncached)
		qsort(g->cached, g->ncached, sizeof(*g->cached), by_value);
	return err;
}

static int count_lists(struct gperftools *g, uint64_t cache)
{
	uint8_t b[CACHE_HEAD];
	int found = read_cache(g, cache, b);

	for (uint32_t i = 1; found > 0 && i < g->nclasses; i++)
		g->counted[i] += get32(b, i * LIST_SIZE + LIST_LENGTH);
	return found < 0 ? found : 0;
}

int gp_count_caches(struct gperftools *g)
{
	int err = 0;

	gp_forget(g);
	memset(g->counted, 0, sizeof(g->counted));
	tell_missing(g);
	for (size_t i = 0; !err && i < g->ncaches; i++)
		err = count_lists(g, g->caches[i]);
	for (uint32_t i = 1; !err && g->central && i < g->nclasses; i++) {
		uint32_t used;

		err = count_slots(g, i, &used);
		g->counted[i] += (uint64_t)used * g->batch[i];
	}
	return err;
}
