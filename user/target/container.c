// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Containers by the paths of their cgroups, of which the innermost counts. Known are those
 * that the kubelet makes with either cgroup driver, and those of docker, containerd, CRI-O
 * and podman:
 *
 *   /kubepods/burstable/pod<UID>/<ID>
 *   /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<UID>.slice/
 *     cri-containerd-<ID>.scope
 *   /docker/<ID>
 *   /system.slice/docker-<ID>.scope
 */
#include "target/container.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS 64

/* What a runtime puts before the id, and what Kubernetes calls the runtime. */
static const struct {
	const char *prefix;
	const char *runtime;
} runtimes[] = {
	{ "cri-containerd-", "containerd" },
	{ "docker-", "docker" },
	{ "crio-", "cri-o" },
	{ "libpod-", "podman" },
	{ "nerdctl-", "containerd" },
};

/* A part of the path, [s, s + len). */
struct part {
	const char *s;
	size_t len;
};

static bool part_is(struct part p, const char *text)
{
	return p.len == strlen(text) && !memcmp(p.s, text, p.len);
}

static bool begins(struct part p, const char *prefix)
{
	return p.len >= strlen(prefix) && !memcmp(p.s, prefix, strlen(prefix));
}

static struct part without(struct part p, const char *prefix)
{
	size_t n = strlen(prefix);

	return (struct part){ p.s + n, p.len - n };
}

static struct part without_end(struct part p, const char *suffix)
{
	size_t n = strlen(suffix);

	if (p.len > n && !memcmp(p.s + p.len - n, suffix, n))
		p.len -= n;
	return p;
}

static bool is_hex(struct part p, size_t digits)
{
	if (p.len != digits)
		return false;
	for (size_t i = 0; i < digits; i++)
		if (!isdigit((unsigned char)p.s[i]) && (p.s[i] < 'a' || p.s[i] > 'f'))
			return false;
	return true;
}

/* A UUID, the hyphens of which systemd's names have as underscores. */
static bool is_uuid(struct part p)
{
	static const size_t digits[] = { 8, 4, 4, 4, 12 };
	size_t at = 0;

	for (size_t i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		if (i && (at >= p.len || (p.s[at] != '-' && p.s[at] != '_')))
			return false;
		at += !!i;
		if (at + digits[i] > p.len ||
		    !is_hex((struct part){ p.s + at, digits[i] }, digits[i]))
			return false;
		at += digits[i];
	}
	return at == p.len;
}

/* A pod's own cgroup. Pods that come from files have a hash instead of a UUID. */
static bool take_pod(struct container *c, struct part p)
{
	static const char *const prefixes[] = { "kubepods-burstable-pod",
						"kubepods-besteffort-pod", "kubepods-pod",
						"pod" };

	p = without_end(p, ".slice");
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct part uid;

		if (!begins(p, prefixes[i]))
			continue;
		uid = without(p, prefixes[i]);
		if (!is_uuid(uid) && !is_hex(uid, 32))
			return false;
		snprintf(c->pod, sizeof(c->pod), "%.*s", (int)uid.len, uid.s);
		for (char *s = c->pod; *s; s++)
			*s = *s == '_' ? '-' : *s;
		return true;
	}
	return false;
}

static void set_id(struct container *c, const char *runtime, struct part id)
{
	snprintf(c->id, sizeof(c->id), "%s%s%.*s", runtime, *runtime ? "://" : "",
		 (int)id.len, id.s);
}

static bool take_container(struct container *c, struct part parent, struct part p)
{
	p = without_end(p, ".scope");
	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		if (begins(p, runtimes[i].prefix) &&
		    is_hex(without(p, runtimes[i].prefix), ID_DIGITS)) {
			set_id(c, runtimes[i].runtime, without(p, runtimes[i].prefix));
			return true;
		}
	if (!is_hex(p, ID_DIGITS))
		return false;
	if (part_is(parent, "docker"))
		set_id(c, "docker", p);
	else if (c->pod[0])
		set_id(c, "", p); /* the path does not tell the runtime */
	return c->id[0];
}

void container_of_cgroup(struct container *c, const char *cgroup)
{
	struct part parent = { "", 0 };
	bool in_kubepods = false;

	*c = (struct container){ "", "" };
	while (*cgroup) {
		struct part p = { cgroup, strcspn(cgroup, "/") };

		in_kubepods |= part_is(p, "kubepods") || part_is(p, "kubepods.slice");
		/* A pod in a container: it is no longer that container's own process. */
		if (in_kubepods && take_pod(c, p))
			c->id[0] = '\0';
		else
			take_container(c, parent, p);
		parent = p;
		cgroup += p.len;
		cgroup += *cgroup == '/';
	}
}
