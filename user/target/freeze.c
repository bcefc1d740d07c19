// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --freeze. The target is named by its open /proc directory, which serves as a
 * pidfd, so that no other process is ever signalled.
 */
#include "target/freeze.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 2000

static int send_signal(const struct target *t, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, t->dir, sig, NULL, 0);
}

static bool is_stopped(const struct target *t)
{
	char *text = target_slurp(t, "stat", NULL);
	const char *p = text ? strrchr(text, ')') : NULL;
	bool stopped = p && p[1] == ' ' && (p[2] == 'T' || p[2] == 't');

	free(text);
	return stopped;
}

/* Waits for the end of the pipe, which a kill of the parent closes too. */
static _Noreturn void guard(const struct target *t, int fd)
{
	sigset_t all;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	send_signal(t, SIGCONT);
	_exit(0);
}

static int start_guardian(struct freeze *f, const struct target *t, struct error *e)
{
	int fd[2];

	if (pipe(fd))
		return error_sys(e, errno, "pipe");
	f->guardian = fork();
	if (f->guardian < 0) {
		int err = errno;

		close(fd[0]);
		close(fd[1]);
		return error_sys(e, err, "fork");
	}
	if (!f->guardian) {
		close(fd[1]);
		guard(t, fd[0]);
	}
	close(fd[0]);
	f->pipe = fd[1];
	return 0;
}

int freeze_begin(struct freeze *f, const struct target *t, struct error *e)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	*f = (struct freeze){ .pipe = -1 };
	if (is_stopped(t))
		return 0;
	if (start_guardian(f, t, e))
		return -1;
	if (send_signal(t, SIGSTOP)) {
		int err = errno;

		freeze_end(f);
		return error_sys(e, err, "process %d: stopping it", (int)t->pid);
	}
	for (int i = 0; i < WAIT_MS; i++) {
		if (is_stopped(t))
			return 0;
		nanosleep(&ms, NULL);
	}
	freeze_end(f);
	return error_set(e, EXIT_FAILED, "process %d did not stop within %d s",
			 (int)t->pid, WAIT_MS / 1000);
}

void freeze_end(struct freeze *f)
{
	if (f->pipe < 0)
		return;
	close(f->pipe);
	f->pipe = -1;
	while (waitpid(f->guardian, NULL, 0) < 0 && errno == EINTR)
		;
}
