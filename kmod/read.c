// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading without a trace. What goes through get_user_pages() marks each page as
 * accessed, and active the second time; here resident pages are copied under the lock
 * of their table, and nothing is touched but their contents.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/magic.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/fallow.h>

#include "compat.h"
#include "cost.h"
#include "facts.h"
#include "read.h"
#include "target.h"
#include "walk.h"

/* What is copied at once; the lock of a page table is held no longer than that takes. */
#define BUFFER_SIZE	(64UL << 10)

struct reader {
	struct mutex lock;	/* all below */
	struct fallow_target target;
	struct fallow_visitor visitor;
	unsigned long next;	/* address of the first byte that is not in @buf */
	unsigned long end;
	bool stopped;		/* at @next is nothing to be had */
	size_t used;
	char *buf;
};

/* Both who asks and who opened the file. */
static bool permitted(struct file *file, const struct fallow_target *t)
{
	return fallow_target_permitted(t) && file_ns_capable(file, t->user_ns, CAP_SYS_PTRACE);
}

/*
 * Memory that its owner hides, and the kernel may have taken out of its own map, and
 * memory of devices, for which a read may be an order.
 */
static bool may_read(const struct vm_area_struct *vma)
{
	unsigned long magic;

	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
		return false;
	if (!vma->vm_file)
		return true;
	magic = vma->vm_file->f_mapping->host->i_sb->s_magic;
	return magic != FALLOW_SECRETMEM_MAGIC && magic != FALLOW_GUEST_MEMFD_MAGIC;
}

/* False: not all of it could be copied. */
static bool copy_page_part(struct reader *r, struct page *page, size_t offset, size_t len)
{
	unsigned long left;
	char *mem;

	if (!fallow_page_readable(page))
		return false;
	mem = kmap_local_page(page);
	/* Cold memory may have gone bad unseen; to find that out is no reason to die. */
	left = copy_mc_to_kernel(r->buf + r->used, mem + offset, len);
	kunmap_local(mem);
	return !left;
}

static void copy_entry(struct reader *r, const struct fallow_entry *e)
{
	unsigned long end = min(r->end, e->addr + e->size);

	/* Entries come in order: what lies before this one is not there. */
	if (r->stopped || e->addr > r->next || !(e->flags & FALLOW_ENTRY_PRESENT) ||
	    !(e->page || (e->flags & FALLOW_ENTRY_ZERO))) {
		r->stopped = true;
		return;
	}
	while (r->next < end) {
		size_t offset = offset_in_page(r->next);
		size_t len = min(end - r->next, PAGE_SIZE - offset);

		if (!e->page) {
			memset(r->buf + r->used, 0, len);
		} else if (!copy_page_part(r, e->page + ((r->next - e->addr) >> PAGE_SHIFT),
					   offset, len)) {
			r->stopped = true;
			return;
		}
		r->next += len;
		r->used += len;
	}
}

static void copy_entries(struct fallow_visitor *v, struct vm_area_struct *vma,
			 const struct fallow_entry *e, unsigned int n)
{
	struct reader *r = container_of(v, struct reader, visitor);

	for (; n; n--, e++)
		copy_entry(r, e);
}

/* Fills the buffer from r->next on, as far as there is something. */
static void fill_slice(struct reader *r)
{
	unsigned long at = r->next & PAGE_MASK;

	while (!r->stopped && r->next < r->end) {
		struct vm_area_struct *vma = find_vma(r->target.mm, at);

		if (!vma || vma->vm_start > at || !may_read(vma))
			break;
		at = fallow_walk_step(&r->visitor, vma, at,
				      min(vma->vm_end, PAGE_ALIGN(r->end)));
		/* A hole is not told. */
		if (r->next < min(at, r->end))
			break;
	}
}

static int fill(struct reader *r, unsigned long addr, size_t len)
{
	struct fallow_slice slice;
	int ret = fallow_slice_begin(&slice, r->target.mm, r->visitor.looked);

	if (ret)
		return ret;
	r->next = addr;
	r->end = addr + min_t(size_t, len, BUFFER_SIZE);
	r->used = 0;
	r->stopped = false;
	fill_slice(r);
	fallow_slice_end(&slice, r->visitor.looked);
	return 0;
}

static ssize_t read_locked(struct reader *r, char __user *to, size_t count, unsigned long addr)
{
	ssize_t done = 0;
	int ret = 0;

	while (count) {
		size_t want = min_t(size_t, count, BUFFER_SIZE);

		ret = fatal_signal_pending(current) ? -EINTR : fill(r, addr, want);
		if (ret)
			break;
		if (copy_to_user(to, r->buf, r->used)) {
			ret = -EFAULT;
			break;
		}
		done += r->used;
		to += r->used;
		addr += r->used;
		count -= r->used;
		if (r->used < want) {
			ret = -ENODATA;
			break;
		}
	}
	return done ?: ret;
}

/* Pieces of one FALLOW_IOC_GATHER, as many as are taken at once. */
struct gather {
	u64 addr[256];
	u8 ok[256];
};

/* Piece number @i, to its place in the buffer. */
static bool gather_one(struct reader *r, u64 addr, size_t i, size_t len)
{
	r->used = i * len;
	r->stopped = false;
	if (addr < TASK_SIZE_MAX && len <= TASK_SIZE_MAX - addr) {
		r->next = addr;
		r->end = addr + len;
		fill_slice(r);
	}
	if (r->used == (i + 1) * len)
		return true;
	memset(r->buf + i * len, 0, len);
	return false;
}

static int gather_batch(struct reader *r, struct gather *g, size_t n, size_t len)
{
	size_t i = 0;

	while (i < n) {
		struct fallow_slice slice;
		int ret = fallow_slice_begin(&slice, r->target.mm, r->visitor.looked);

		if (ret)
			return ret;
		do {
			g->ok[i] = gather_one(r, g->addr[i], i, len);
		} while (++i < n && !fallow_slice_over(&slice, r->visitor.looked));
		fallow_slice_end(&slice, r->visitor.looked);
	}
	return 0;
}

static int gather_all(struct reader *r, struct gather *g, const struct fallow_gather *rq)
{
	u64 __user *addr = u64_to_user_ptr(rq->addr);
	char __user *buf = u64_to_user_ptr(rq->buf);
	u8 __user *ok = u64_to_user_ptr(rq->ok);
	size_t done, n;
	int ret;

	for (done = 0; done < rq->count; done += n) {
		n = min3((size_t)rq->count - done, ARRAY_SIZE(g->addr),
			 (size_t)BUFFER_SIZE / rq->len);
		if (copy_from_user(g->addr, addr + done, n * sizeof(*addr)))
			return -EFAULT;
		ret = fatal_signal_pending(current) ? -EINTR : gather_batch(r, g, n, rq->len);
		if (ret)
			return ret;
		if (copy_to_user(buf + done * rq->len, r->buf, n * rq->len) ||
		    copy_to_user(ok + done, g->ok, n))
			return -EFAULT;
	}
	return 0;
}

static int gather(struct reader *r, const struct fallow_gather *rq)
{
	struct gather *g;
	int ret;

	if (!rq->count || rq->count > FALLOW_GATHER_MAX || !rq->len || rq->len > PAGE_SIZE)
		return -EINVAL;
	g = kmalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);
	if (!g)
		return -ENOMEM;
	ret = gather_all(r, g, rq);
	kfree(g);
	return ret;
}

/* Takes the lock of a reader that is bound, for one who may use it. */
static int reader_lock(struct file *file, struct reader *r)
{
	int ret = 0;

	if (mutex_lock_killable(&r->lock))
		return -EINTR;
	if (!r->target.mm)
		ret = -EINVAL;
	else if (!permitted(file, &r->target))
		ret = -EPERM;
	if (ret)
		mutex_unlock(&r->lock);
	return ret;
}

static ssize_t reader_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct reader *r = file->private_data;
	unsigned long addr = *pos;
	ssize_t ret;

	if (addr != *pos || addr >= TASK_SIZE_MAX)
		return -ENODATA;
	count = min3(count, (size_t)MAX_RW_COUNT, (size_t)(TASK_SIZE_MAX - addr));
	ret = reader_lock(file, r);
	if (ret)
		return ret;
	ret = read_locked(r, to, count, addr);
	mutex_unlock(&r->lock);
	if (ret > 0)
		*pos += ret;
	return ret;
}

static int ioctl_gather(struct file *file, struct reader *r, void __user *arg)
{
	struct fallow_gather rq;
	int ret;

	if (copy_from_user(&rq, arg, sizeof(rq)))
		return -EFAULT;
	ret = reader_lock(file, r);
	if (ret)
		return ret;
	ret = gather(r, &rq);
	mutex_unlock(&r->lock);
	return ret;
}

static int bind(struct file *file, struct reader *r, u32 pid)
{
	struct fallow_target t;
	int ret;

	if (r->target.mm)
		return -EINVAL;
	ret = fallow_target_find(&t, pid);
	if (ret)
		return ret;
	if (!permitted(file, &t)) {
		fallow_target_put(&t);
		return -EPERM;
	}
	r->target = t;
	return 0;
}

static int ioctl_target(struct file *file, struct reader *r, u32 __user *arg)
{
	int ret;
	u32 pid;

	if (get_user(pid, arg))
		return -EFAULT;
	if (mutex_lock_killable(&r->lock))
		return -EINTR;
	ret = bind(file, r, pid);
	mutex_unlock(&r->lock);
	return ret;
}

static long reader_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct reader *r = file->private_data;

	switch (cmd) {
	case FALLOW_IOC_TARGET:
		return ioctl_target(file, r, (u32 __user *)arg);
	case FALLOW_IOC_GATHER:
		return ioctl_gather(file, r, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int reader_open(struct inode *inode, struct file *file)
{
	struct reader *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);

	if (!r)
		return -ENOMEM;
	r->buf = kvmalloc(BUFFER_SIZE, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!r->buf) {
		kfree(r);
		return -ENOMEM;
	}
	mutex_init(&r->lock);
	r->visitor.entries = copy_entries;
	r->visitor.merge = true;
	file->private_data = r;
	return 0;
}

static int reader_release(struct inode *inode, struct file *file)
{
	struct reader *r = file->private_data;

	fallow_target_put(&r->target);
	kvfree(r->buf);
	kfree(r);
	return 0;
}

static const struct file_operations reader_fops = {
	.owner = THIS_MODULE,
	.open = reader_open,
	.release = reader_release,
	.read = reader_read,
	.unlocked_ioctl = reader_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = no_seek_end_llseek,
};

static struct miscdevice reader_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "fallow",
	.fops = &reader_fops,
	.mode = 0600,
};

u64 fallow_read_caps(void)
{
	return FALLOW_CAP_READ;
}

int __init fallow_read_init(void)
{
	return misc_register(&reader_device);
}

void fallow_read_exit(void)
{
	misc_deregister(&reader_device);
}
