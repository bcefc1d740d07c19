// SPDX-License-Identifier: GPL-2.0-only
/* fallow: page-level reclaim inspection. */
#include <linux/init.h>
#include <linux/module.h>

#include "age.h"
#include "netlink.h"
#include "read.h"

static int __init fallow_init(void)
{
	int ret;

	ret = fallow_age_init();
	if (ret)
		return ret;
	ret = fallow_read_init();
	if (ret)
		goto no_read;
	ret = fallow_netlink_init();
	if (ret)
		goto no_netlink;
	return 0;

no_netlink:
	fallow_read_exit();
no_read:
	fallow_age_exit();
	return ret;
}

static void __exit fallow_exit(void)
{
	fallow_netlink_exit();
	fallow_read_exit();
	fallow_age_exit();
}

module_init(fallow_init);
module_exit(fallow_exit);

MODULE_DESCRIPTION("Page-level reclaim inspection");
MODULE_VERSION(FALLOW_VERSION);
MODULE_LICENSE("GPL");
