// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/write.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".XXXXXX"

/* 0 or errno; @f is closed. */
static int fill_file(FILE *f, int (*fill)(FILE *out, const void *arg), const void *arg)
{
	int err = 0;

	errno = 0;
	if (fill(f, arg) || fflush(f) || fsync(fileno(f)))
		err = errno ? errno : EIO;
	if (fclose(f) && !err)
		err = errno;
	return err;
}

/* So that the new name is there after a crash, too. 0 or errno. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, err = 0;

	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	/* Some file systems have no such thing for folders. */
	if (fsync(fd) && errno != EINVAL && errno != EROFS)
		err = errno;
	close(fd);
	return err;
}

/* What the user's umask leaves of @mode. */
static mode_t allowed(mode_t mode)
{
	mode_t mask = umask(0);

	umask(mask);
	return mode & ~mask;
}

/* 0 or errno. */
static int replace(const char *path, mode_t mode, int (*fill)(FILE *out, const void *arg),
		   const void *arg)
{
	char temp[PATH_MAX + sizeof(SUFFIX)];
	int fd, err;
	FILE *f;

	strcpy(temp, path);
	strcat(temp, SUFFIX);
	fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return errno;
	f = fdopen(fd, "w");
	if (!f) {
		err = errno;
		close(fd);
	} else if (fchmod(fd, allowed(mode))) {
		err = errno;
		fclose(f);
	} else {
		err = fill_file(f, fill, arg);
	}
	if (!err && rename(temp, path))
		err = errno;
	if (err)
		unlink(temp);
	return err ? err : sync_folder(path);
}

/* A device, a pipe or the like is not to be replaced by a file. */
static int check_place(const char *path, struct error *e)
{
	struct stat st;

	if (strlen(path) >= PATH_MAX)
		return error_sys(e, ENAMETOOLONG, "writing %.100s...", path);
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return error_set(e, EXIT_FAILED, "writing %s: it is there, and no file",
				 path);
	return 0;
}

int write_shared(const char *path, mode_t mode, int (*fill)(FILE *out, const void *arg),
		 const void *arg, struct error *e)
{
	sigset_t ends, before;
	int err;

	if (check_place(path, e))
		return -1;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, &before);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like others */
	err = replace(path, mode, fill, arg);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err ? error_set(e, EXIT_FAILED, "writing %s: %s", path, strerror(err)) : 0;
}

int write_whole(const char *path, int (*fill)(FILE *out, const void *arg),
		const void *arg, struct error *e)
{
	return write_shared(path, 0600, fill, arg, e);
}
