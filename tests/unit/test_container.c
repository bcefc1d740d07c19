// SPDX-License-Identifier: GPL-2.0-or-later
/* Containers and pods by the paths of cgroups, in the shapes that runtimes make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target/container.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2  "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID  "9b0a3d4e-5f10-4c2b-8a7e-00c0ffee0001"
#define UID_ "9b0a3d4e_5f10_4c2b_8a7e_00c0ffee0001"
#define HASH "0123456789abcdef0123456789abcdef"

static void expect(const char *cgroup, const char *id, const char *pod)
{
	struct container c;

	container_of_cgroup(&c, cgroup);
	assert_string_equal(c.id, id);
	assert_string_equal(c.pod, pod);
}

static void test_kubernetes(void **state)
{
	(void)state;
	/* By the cgroupfs driver. */
	expect("/kubepods/burstable/pod" UID "/" ID, ID, UID);
	expect("/kubepods/besteffort/pod" UID "/" ID, ID, UID);
	expect("/kubepods/pod" UID "/" ID, ID, UID);
	expect("/kubepods/burstable/pod" UID "/crio-" ID, "cri-o://" ID, UID);
	expect("/kubepods/burstable/pod" HASH "/" ID, ID, HASH);
	/* By the systemd driver. */
	expect("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	       ".slice/cri-containerd-" ID ".scope",
	       "containerd://" ID, UID);
	expect("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	       ".slice/docker-" ID ".scope",
	       "docker://" ID, UID);
	expect("/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope",
	       "cri-o://" ID, UID);
	/* Of the pod, but of no container. */
	expect("/kubepods/burstable/pod" UID, "", UID);
	/* From within a cgroup namespace. */
	expect("/../../../kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID
	       ".scope/worker",
	       "containerd://" ID, UID);
	/* Kubernetes in docker: the innermost container counts, and only its own. */
	expect("/docker/" ID "/kubelet/kubepods/burstable/pod" UID "/" ID2, ID2, UID);
	expect("/docker/" ID "/kubelet/kubepods/burstable/pod" UID, "", UID);
}

static void test_others(void **state)
{
	(void)state;
	expect("/docker/" ID, "docker://" ID, "");
	expect("/system.slice/docker-" ID ".scope", "docker://" ID, "");
	expect("/system.slice/docker-" ID ".scope/init", "docker://" ID, "");
	expect("/machine.slice/libpod-" ID ".scope/container", "podman://" ID, "");
	expect("/system.slice/nerdctl-" ID ".scope", "containerd://" ID, "");
}

static void test_none(void **state)
{
	(void)state;
	expect("", "", "");
	expect("/", "", "");
	expect("/system.slice/docker.service", "", "");
	expect("/user.slice/user-0.slice/session-1.scope", "", "");
	/* The monitor of a container is not in it. */
	expect("/machine.slice/libpod-conmon-" ID ".scope", "", "");
	/* Nearly, but not. */
	expect("/docker/" ID "0", "", "");
	expect("/docker/0123456789ABCDEF" ID, "", "");
	expect("/system.slice/docker-" ID ".service", "", "");
	expect("/mine/" ID, "", "");
	expect("/pod" UID "/" ID, "", "");
	expect("/kubepods/pod" UID "0/" ID, "", "");
	expect("/kubepods/pod9b0a3d4e-5f10-4c2b-8a7e/" ID, "", "");
	expect("/kubepods/pod", "", "");
	expect("///docker-//", "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kubernetes),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
