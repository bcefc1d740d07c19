// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks the module what it can tell, and prints FALLOW_A_INFO_CAPS. Needs no library. */
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux/fallow.h"

static struct {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	char attrs[8192];
} m;

/* Sends a request with one attribute, or none, and receives the answer over it. */
static int ask(int sock, int family, int cmd, int attr, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)m.attrs;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	m.nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m.nl.nlmsg_type = family;
	m.nl.nlmsg_flags = NLM_F_REQUEST;
	m.genl.cmd = cmd;
	if (len) {
		a->nla_type = attr;
		a->nla_len = NLA_HDRLEN + len;
		memcpy(a + 1, data, len);
		m.nl.nlmsg_len += NLA_ALIGN(a->nla_len);
	}
	if (send(sock, &m, m.nl.nlmsg_len, 0) < 0)
		return -1;
	n = recv(sock, &m, sizeof(m), 0);
	return n >= (ssize_t)sizeof(m.nl) && m.nl.nlmsg_type != NLMSG_ERROR ? 0 : -1;
}

static const void *find(int attr)
{
	const char *end = (char *)&m + m.nl.nlmsg_len;
	struct nlattr *a = (struct nlattr *)m.attrs;

	for (; (char *)(a + 1) <= end && a->nla_len >= NLA_HDRLEN;
	     a = (struct nlattr *)((char *)a + NLA_ALIGN(a->nla_len)))
		if (a->nla_type == attr)
			return a + 1;
	return NULL;
}

int main(void)
{
	int sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	const void *found;
	uint16_t family;
	uint64_t caps;

	if (ask(sock, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
		FALLOW_GENL_NAME, sizeof(FALLOW_GENL_NAME)) ||
	    !(found = find(CTRL_ATTR_FAMILY_ID)))
		return 1;
	memcpy(&family, found, sizeof(family));
	if (ask(sock, family, FALLOW_CMD_GET_INFO, 0, NULL, 0) ||
	    !(found = find(FALLOW_A_INFO_CAPS)))
		return 1;
	memcpy(&caps, found, sizeof(caps));
	printf("caps: %llu\n", (unsigned long long)caps);
	return 0;
}
