/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which container and pod a process is in, as far as the path of its cgroup tells. */
#ifndef FALLOW_CONTAINER_H
#define FALLOW_CONTAINER_H

#define CONTAINER_ID  80 /* "containerd://" and 64 hexadecimal digits */
#define CONTAINER_POD 37 /* a UUID */

struct container {
	char id[CONTAINER_ID]; /* as Kubernetes has it: "RUNTIME://ID"; "" if in none */
	char pod[CONTAINER_POD]; /* the pod's UID; "" if in none */
};

/*
 * Takes @cgroup, a path as in /proc/PID/cgroup, apart. Names of containers and pods are
 * not in it. What does not look exactly as a runtime's own path is in no container.
 */
void container_of_cgroup(struct container *c, const char *cgroup);

#endif
