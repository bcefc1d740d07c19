/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FALLOW_NETLINK_H
#define FALLOW_NETLINK_H

int fallow_netlink_init(void);
void fallow_netlink_exit(void);

#endif
