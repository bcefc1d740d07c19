/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions, all of them. The rest of the module is
 * written for the newest.
 */
#ifndef FALLOW_COMPAT_H
#define FALLOW_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
static inline struct nlattr **fallow_dump_attrs(struct netlink_callback *cb)
{
	return genl_dumpit_info(cb)->attrs;
}
#else
static inline struct nlattr **fallow_dump_attrs(struct netlink_callback *cb)
{
	return genl_info_dump(cb)->attrs;
}
#endif

/* A file on a stacking file system is mapped from below, but known by its user's path. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline const struct path *fallow_file_path(struct file *file)
{
	return &file->f_path;
}

static inline const struct inode *fallow_file_inode(struct file *file)
{
	return file_inode(file);
}
#else
static inline const struct path *fallow_file_path(struct file *file)
{
	return file_user_path(file);
}

static inline const struct inode *fallow_file_inode(struct file *file)
{
	return file_user_inode(file);
}
#endif

/* shmem_mapping() is exported from 6.6 on; before, the operations are. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
static inline bool fallow_shmem_mapping(struct address_space *mapping)
{
	return mapping->a_ops == &shmem_aops;
}
#else
static inline bool fallow_shmem_mapping(struct address_space *mapping)
{
	return shmem_mapping(mapping);
}
#endif

/*
 * How often a page is mapped, as smaps counts it: page_mapcount() until 6.9, then
 * folio_precise_page_mapcount() of fs/proc/internal.h.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline int fallow_mapcount(struct folio *folio, struct page *page)
{
	return page_mapcount(page);
}
#else
static inline int fallow_mapcount(struct folio *folio, struct page *page)
{
	int mapcount = atomic_read(&page->_mapcount) + 1;

	if (page_mapcount_is_type(mapcount))
		mapcount = 0;
	if (folio_test_large(folio))
		mapcount += folio_entire_mapcount(folio);
	return mapcount;
}
#endif

/* Whether smaps takes a page under migration for shared: since 6.12. */
#define FALLOW_MIGRATION_SHARED (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0))

#endif
