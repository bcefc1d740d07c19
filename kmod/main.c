// SPDX-License-Identifier: GPL-2.0-only
/* fallow: page-level reclaim inspection. */
#include <linux/init.h>
#include <linux/module.h>

#include "netlink.h"

static int __init fallow_init(void)
{
	return fallow_netlink_init();
}

static void __exit fallow_exit(void)
{
	fallow_netlink_exit();
}

module_init(fallow_init);
module_exit(fallow_exit);

MODULE_DESCRIPTION("Page-level reclaim inspection");
MODULE_VERSION(FALLOW_VERSION);
MODULE_LICENSE("GPL");
