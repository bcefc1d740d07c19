/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the module's netlink family, with nothing between us and the kernel. */
#ifndef FALLOW_TEST_GENL_H
#define FALLOW_TEST_GENL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

struct genl_attr {
	uint16_t type;
	const void *data;
	size_t len;
};

#define GENL_REQUEST_MAX 4096

/* Sends a request with @n attributes; -1 if it does not fit, or cannot be sent. */
static inline int genl_send(int fd, uint16_t family, uint16_t flags, uint8_t cmd,
			    const struct genl_attr *attrs, size_t n)
{
	union {
		struct nlmsghdr head;
		char bytes[GENL_REQUEST_MAX];
	} rq = { .head = { .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST | flags } };
	struct genlmsghdr *g = (struct genlmsghdr *)(rq.bytes + NLMSG_HDRLEN);
	size_t at = NLMSG_HDRLEN + GENL_HDRLEN;

	g->cmd = cmd;
	g->version = 1;
	for (size_t i = 0; i < n; i++) {
		struct nlattr *a = (struct nlattr *)(rq.bytes + at);

		if (at + NLA_HDRLEN + NLA_ALIGN(attrs[i].len) > sizeof(rq))
			return -1;
		a->nla_type = attrs[i].type;
		a->nla_len = (uint16_t)(NLA_HDRLEN + attrs[i].len);
		memcpy((char *)a + NLA_HDRLEN, attrs[i].data, attrs[i].len);
		at += NLA_HDRLEN + NLA_ALIGN(attrs[i].len);
	}
	rq.head.nlmsg_len = (uint32_t)at;
	return send(fd, &rq, at, 0) < 0 ? -1 : 0;
}

/* The number of the module's family, or -1 while there is none. */
static inline int genl_family(int fd)
{
	const struct genl_attr name = { CTRL_ATTR_FAMILY_NAME, "fallow", 7 };
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} in;
	ssize_t n;

	if (genl_send(fd, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, &name, 1))
		return -1;
	n = recv(fd, &in, sizeof(in), 0);
	if (n < (ssize_t)sizeof(in.head) || in.head.nlmsg_type == NLMSG_ERROR)
		return -1;
	for (size_t at = NLMSG_HDRLEN + GENL_HDRLEN; at + NLA_HDRLEN <= (size_t)n;) {
		const struct nlattr *a = (const struct nlattr *)(in.bytes + at);
		uint16_t id;

		if (a->nla_type == CTRL_ATTR_FAMILY_ID) {
			memcpy(&id, (const char *)a + NLA_HDRLEN, sizeof(id));
			return id;
		}
		at += a->nla_len >= NLA_HDRLEN ? NLA_ALIGN(a->nla_len) : (size_t)n;
	}
	return -1;
}

#endif
