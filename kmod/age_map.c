// SPDX-License-Identifier: GPL-2.0-only
/* The memory that ages are kept in, and its limit. */
#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "age_map.h"

static unsigned int age_max_mb = 256;
module_param(age_max_mb, uint, 0644);
MODULE_PARM_DESC(age_max_mb,
		 "most memory for page ages in MiB; a byte a page tracked (default 256: about 1 TiB with pages of 4 KiB)");

static atomic64_t map_bytes;

struct chunk {
	struct rcu_head rcu;
	u8 ages[PTRS_PER_PTE];
};

/* Of its own: kmalloc() would take twice that for what is little more than 2^n bytes. */
static struct kmem_cache *cache;

int __init fallow_age_map_setup(void)
{
	cache = kmem_cache_create("fallow_age", sizeof(struct chunk), 0, 0, NULL);
	return cache ? 0 : -ENOMEM;
}

void fallow_age_map_teardown(void)
{
	/* For chunks that are still to be freed. */
	rcu_barrier();
	kmem_cache_destroy(cache);
}

u64 fallow_age_map_bytes(void)
{
	return atomic64_read(&map_bytes);
}

u64 fallow_age_map_max_bytes(void)
{
	return (u64)READ_ONCE(age_max_mb) << 20;
}

void fallow_age_map_init(struct fallow_age_map *m)
{
	xa_init(&m->chunks);
}

static void free_chunk(struct rcu_head *rcu)
{
	kmem_cache_free(cache, container_of(rcu, struct chunk, rcu));
}

static void release(struct chunk *c)
{
	atomic64_sub(sizeof(*c), &map_bytes);
	call_rcu(&c->rcu, free_chunk);
}

void fallow_age_map_destroy(struct fallow_age_map *m)
{
	unsigned long index;
	struct chunk *c;

	xa_for_each(&m->chunks, index, c)
		release(c);
	xa_destroy(&m->chunks);
}

int fallow_age_map_populate(struct fallow_age_map *m, unsigned long addr)
{
	unsigned long index = addr >> PMD_SHIFT;
	struct chunk *c;
	int ret;

	if (xa_load(&m->chunks, index))
		return 0;
	if (atomic64_add_return(sizeof(*c), &map_bytes) > fallow_age_map_max_bytes())
		goto full;
	c = kmem_cache_zalloc(cache, GFP_KERNEL | __GFP_NOWARN);
	if (!c)
		goto full;
	ret = xa_insert(&m->chunks, index, c, GFP_KERNEL | __GFP_NOWARN);
	if (!ret)
		return 0;
	kmem_cache_free(cache, c);
full:
	atomic64_sub(sizeof(*c), &map_bytes);
	return -ENOMEM;
}

u8 *fallow_age_map_at(struct fallow_age_map *m, unsigned long addr)
{
	struct chunk *c = xa_load(&m->chunks, addr >> PMD_SHIFT);

	return c ? &c->ages[(addr & ~PMD_MASK) >> PAGE_SHIFT] : NULL;
}

static void clear_range(struct fallow_age_map *m, unsigned long start, unsigned long end,
			bool may_free)
{
	unsigned long index;
	struct chunk *c;

	if (start >= end)
		return;
	rcu_read_lock();
	xa_for_each_range(&m->chunks, index, c, start >> PMD_SHIFT, (end - 1) >> PMD_SHIFT) {
		unsigned long base = index << PMD_SHIFT;
		unsigned long from = max(start, base), to = min(end - 1, base + ~PMD_MASK);

		if (may_free && from == base && to == base + ~PMD_MASK) {
			xa_erase(&m->chunks, index);
			release(c);
			continue;
		}
		memset(&c->ages[(from - base) >> PAGE_SHIFT], 0,
		       ((to - from) >> PAGE_SHIFT) + 1);
	}
	rcu_read_unlock();
}

void fallow_age_map_clear(struct fallow_age_map *m, unsigned long start, unsigned long end)
{
	clear_range(m, start, end, true);
}

void fallow_age_map_forget(struct fallow_age_map *m, unsigned long start, unsigned long end)
{
	clear_range(m, start, end, false);
}
