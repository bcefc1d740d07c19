// SPDX-License-Identifier: GPL-2.0-or-later
/* The module's device, as one more way to copy; see the header. */
#include "target/reader_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "linux/fallow.h"

int device_open(pid_t pid)
{
	uint32_t id = (uint32_t)pid;
	int fd = open(FALLOW_DEVICE, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, FALLOW_IOC_TARGET, &id))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

ssize_t device_copy(int fd, uint64_t addr, void *buf, size_t len)
{
	ssize_t got = pread(fd, buf, len, (off_t)addr);

	if (got < 0 && (errno == ESRCH || errno == EPERM))
		return -errno;
	return got < 0 ? 0 : got;
}

int device_gather(int fd, const uint64_t *addr, size_t n, size_t len, char *buf,
		  uint8_t *ok)
{
	for (size_t at = 0, some; at < n; at += some) {
		struct fallow_gather g = {
			.addr = (uintptr_t)(addr + at),
			.buf = (uintptr_t)(buf + at * len),
			.ok = (uintptr_t)(ok + at),
			.len = (uint32_t)len,
		};

		some = n - at < FALLOW_GATHER_MAX ? n - at : FALLOW_GATHER_MAX;
		g.count = (uint32_t)some;
		if (!ioctl(fd, FALLOW_IOC_GATHER, &g))
			continue;
		if (errno == ESRCH || errno == EPERM)
			return -errno;
		memset(ok + at, 0, some);
	}
	return 0;
}
