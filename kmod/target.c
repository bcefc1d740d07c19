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

#include "target.h"

static struct task_struct *task_of(u32 nr)
{
	/* Of the caller's namespace. Numbers above INT_MAX name nobody. */
	struct pid *pid = nr <= INT_MAX ? find_get_pid(nr) : NULL;
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	return task;
}

struct mm_struct *fallow_target_get(struct sk_buff *request, u32 pid,
				    struct netlink_ext_ack *extack)
{
	struct task_struct *task = task_of(pid);
	struct mm_struct *mm;

	if (!task) {
		NL_SET_ERR_MSG(extack, "no such process");
		return ERR_PTR(-ESRCH);
	}
	/* NULL for kernel threads, and once a task has begun to exit. */
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm) {
		NL_SET_ERR_MSG(extack, "the process has no memory of its own");
		return ERR_PTR(-ESRCH);
	}
	mmgrab(mm);
	mmput(mm);
	/* Of both who opened the socket and who sends. */
	if (!netlink_ns_capable(request, mm->user_ns, CAP_SYS_PTRACE)) {
		mmdrop(mm);
		NL_SET_ERR_MSG(extack, "CAP_SYS_PTRACE is needed in the target's user namespace");
		return ERR_PTR(-EPERM);
	}
	return mm;
}

bool fallow_target_permitted(struct mm_struct *mm)
{
	return ns_capable(mm->user_ns, CAP_SYS_PTRACE);
}
