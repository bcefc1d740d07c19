/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family, and the version that it tells. */
#ifndef FALLOW_NETLINK_H
#define FALLOW_NETLINK_H

#define FALLOW_VERSION "0.1.0"

int fallow_netlink_init(void);
void fallow_netlink_exit(void);

#endif
