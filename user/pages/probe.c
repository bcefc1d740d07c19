// SPDX-License-Identifier: GPL-2.0-or-later
/* Tries what the sources can do. Touches nothing but ourselves. */
#include "pages/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "linux/fallow.h"
#include "pages/runs.h"
#include "target/reader_device.h"

/* NULL @why: it can. */
static void add(struct probed_source *s, const char *key, const char *about,
		const char *why)
{
	struct ability *a = &s->abilities[s->nabilities++];

	*a = (struct ability){ .key = key, .about = about, .can = !why };
	snprintf(a->why, sizeof(a->why), "%s", why ? why : "");
}

/* Why @path cannot be read; NULL if it can. */
static const char *unreadable(const char *path)
{
	char byte[8];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *why = NULL;

	if (fd < 0 || read(fd, byte, sizeof(byte)) < 0)
		why = errno == ENOENT ? "kernel without CONFIG_PROC_PAGE_MONITOR"
				      : strerror(errno);
	if (fd >= 0)
		close(fd);
	return why;
}

static const char *frames_hidden(void)
{
	struct zero_page zero;

	zero_page_learn(&zero);
	return zero.pfn ? NULL
			: "shown with CAP_SYS_ADMIN alone: zero pages are told by count";
}

static const char *no_kpageflags(void)
{
	const char *why = unreadable("/proc/kpageflags");

	return !why && frames_hidden() ? "of no use without page frame numbers" : why;
}

/* Of capabilities(7), by the line CapEff of /proc/self/status. */
#define CAP_SYS_PTRACE_BIT (1ull << 19)

static const char *own_alone(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long effective = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	if (f)
		fclose(f);
	return effective & CAP_SYS_PTRACE_BIT ? NULL : "needs CAP_SYS_PTRACE";
}

static void probe_procfs(struct probe *p)
{
	struct probed_source *s = &p->procfs;
	struct pages pages;

	s->name = pages_procfs.name;
	s->usable = !pages_open(&pages, SOURCE_PROCFS, &s->why);
	add(s, "smaps", "smaps", unreadable("/proc/self/smaps"));
	add(s, "pagemap", "pagemap", unreadable("/proc/self/pagemap"));
	add(s, "frame_numbers", "page frame numbers", frames_hidden());
	add(s, "pagemap_scan", "PAGEMAP_SCAN",
	    s->usable && procfs_scans(&pages) ? NULL : "there from Linux 6.7 on");
	add(s, "kpageflags", "kpageflags", no_kpageflags());
	add(s, "other_users", "other users' processes", own_alone());
	add(s, "age", "ages of pages", "the module alone tracks them");
	add(s, "read", "reading without a trace", "reading marks pages as referenced");
	if (!s->usable)
		return;
	pages.ops->unknown(&pages, s->unknown);
	pages_close(&pages);
}

static const char *device_unusable(void)
{
	int fd = device_open(getpid());

	if (fd < 0)
		return strerror(-fd);
	close(fd);
	return NULL;
}

static void probe_kmod(struct probe *p)
{
	struct probed_source *s = &p->kmod;
	struct pages pages;

	s->name = pages_kmod.name;
	p->loaded = !pages_open(&pages, SOURCE_KMOD, &s->why);
	if (!p->loaded)
		return;
	p->info = *kmod_info(&pages);
	s->usable = !kmod_permitted(&pages, &s->why);
	for (size_t i = 0; i < KMOD_CAPS; i++)
		add(s, kmod_caps[i].key, kmod_caps[i].about,
		    p->info.caps & kmod_caps[i].bit ? NULL : kmod_caps[i].missing);
	add(s, "device", FALLOW_DEVICE, device_unusable());
	pages.ops->unknown(&pages, s->unknown);
	pages_close(&pages);
}

void probe(struct probe *p)
{
	struct pages pages;
	struct error e;

	*p = (struct probe){ 0 };
	probe_kmod(p);
	probe_procfs(p);
	if (!pages_open(&pages, SOURCE_AUTO, &e)) {
		p->automatic = pages.ops->name;
		pages_close(&pages);
	}
	p->reader = device_unusable() ? "process_vm_readv" : "fallow";
}
