// SPDX-License-Identifier: GPL-2.0-only
/* Finds the target of a request and decides whether it may be looked at. */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>
#include <net/netlink.h>

#include "compat.h"
#include "target.h"

static struct task_struct *task_of(u32 nr)
{
	/* Of the caller's namespace. Numbers above INT_MAX name nobody. */
	struct pid *pid = nr <= INT_MAX ? find_get_pid(nr) : NULL;
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	return task;
}

/*
 * The lock keeps execve(2) from changing the address space and its namespace
 * between the one look and the other.
 */
static void take_mm(struct fallow_target *t, struct task_struct *task)
{
	task_lock(task);
	/* NULL for kernel threads, and once a task has begun to exit. */
	if (task->mm && !(task->flags & PF_KTHREAD)) {
		t->mm = task->mm;
		mmgrab(t->mm);
		t->user_ns = get_user_ns(fallow_user_ns(task));
	}
	task_unlock(task);
}

int fallow_target_find(struct fallow_target *t, u32 pid)
{
	struct task_struct *task = task_of(pid);

	*t = (struct fallow_target){};
	if (!task)
		return -ESRCH;
	take_mm(t, task);
	put_task_struct(task);
	return t->mm ? 0 : -ESRCH;
}

int fallow_target_get(struct fallow_target *t, struct sk_buff *request, u32 pid,
		      struct netlink_ext_ack *extack)
{
	int ret = fallow_target_find(t, pid);

	if (ret) {
		NL_SET_ERR_MSG(extack, "no such process, or it has no memory of its own");
		return ret;
	}
	if (!netlink_ns_capable(request, t->user_ns, CAP_SYS_PTRACE)) {
		fallow_target_put(t);
		NL_SET_ERR_MSG(extack, "CAP_SYS_PTRACE is needed in the target's user namespace");
		return -EPERM;
	}
	return 0;
}

bool fallow_target_permitted(const struct fallow_target *t)
{
	return ns_capable(t->user_ns, CAP_SYS_PTRACE);
}

void fallow_target_put(struct fallow_target *t)
{
	if (!t->mm)
		return;
	mmdrop(t->mm);
	put_user_ns(t->user_ns);
	t->mm = NULL;
}
