// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family: policies and requests. No page logic. */
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include <uapi/linux/fallow.h>

#include "age.h"
#include "compat.h"
#include "cost.h"
#include "netlink.h"
#include "read.h"
#include "target.h"
#include "vma.h"

static struct genl_family fallow_family;

#define PID		[FALLOW_A_REQ_PID] = NLA_POLICY_MIN(NLA_U32, 1)
#define NO(attr)	[FALLOW_A_REQ_##attr] = { .type = NLA_REJECT }

static const struct nla_policy vma_policy[FALLOW_A_REQ_MAX + 1] = {
	PID,
	[FALLOW_A_REQ_START] = { .type = NLA_U64 },
	[FALLOW_A_REQ_END] = { .type = NLA_U64 },
	NO(RANGES), NO(STATE_MASK), NO(FLAGS), NO(INTERVAL_MS),
};

static const struct nla_policy pages_policy[FALLOW_A_REQ_MAX + 1] = {
	PID,
	[FALLOW_A_REQ_START] = { .type = NLA_U64 },
	[FALLOW_A_REQ_END] = { .type = NLA_U64 },
	[FALLOW_A_REQ_RANGES] = { .type = NLA_BINARY,
				  .len = FALLOW_RANGES_MAX * sizeof(struct fallow_range) },
	[FALLOW_A_REQ_STATE_MASK] = { .type = NLA_U32 },
	[FALLOW_A_REQ_FLAGS] = NLA_POLICY_MASK(NLA_U32, FALLOW_REQ_ZERO_TEST),
	NO(INTERVAL_MS),
};

static const struct nla_policy age_start_policy[FALLOW_A_REQ_MAX + 1] = {
	PID,
	NO(START), NO(END), NO(RANGES), NO(STATE_MASK), NO(FLAGS),
	[FALLOW_A_REQ_INTERVAL_MS] = NLA_POLICY_MIN(NLA_U32, FALLOW_INTERVAL_MIN_MS),
};

static const struct nla_policy age_stop_policy[FALLOW_A_REQ_MAX + 1] = {
	PID,
	NO(START), NO(END), NO(RANGES), NO(STATE_MASK), NO(FLAGS), NO(INTERVAL_MS),
};

/* GET_INFO takes nothing, and a command without a policy would take anything. */
static const struct nla_policy info_policy[FALLOW_A_REQ_MAX + 1] = {
	NO(PID), NO(START), NO(END), NO(RANGES), NO(STATE_MASK), NO(FLAGS), NO(INTERVAL_MS),
};

static int put_u64(struct sk_buff *skb, int attr, u64 n)
{
	return nla_put_u64_64bit(skb, attr, n, FALLOW_A_INFO_PAD);
}

static int put_info(struct sk_buff *skb)
{
	u64 caps = fallow_vma_caps() | fallow_age_caps() | fallow_read_caps();
	struct fallow_age_totals age;
	struct fallow_cost cost;

	fallow_cost_get(&cost);
	fallow_age_totals(&age);
	return nla_put_string(skb, FALLOW_A_INFO_VERSION, FALLOW_VERSION) ?:
	       nla_put_u32(skb, FALLOW_A_INFO_PAGE_SIZE, PAGE_SIZE) ?:
	       put_u64(skb, FALLOW_A_INFO_CAPS, caps) ?:
	       nla_put_u32(skb, FALLOW_A_INFO_LOCK_BUDGET_US, fallow_lock_budget_us()) ?:
	       put_u64(skb, FALLOW_A_INFO_LOCK_MAX_NS, cost.lock_max_ns) ?:
	       put_u64(skb, FALLOW_A_INFO_SLICES, cost.slices) ?:
	       put_u64(skb, FALLOW_A_INFO_PAGES, cost.pages) ?:
	       put_u64(skb, FALLOW_A_INFO_WALK_NS, cost.walk_ns) ?:
	       nla_put_u32(skb, FALLOW_A_INFO_TRACKERS, age.trackers) ?:
	       put_u64(skb, FALLOW_A_INFO_AGE_BYTES, age.bytes) ?:
	       put_u64(skb, FALLOW_A_INFO_AGE_MAX_BYTES, age.max_bytes);
}

static int get_info(struct sk_buff *request, struct genl_info *info)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &fallow_family, 0, FALLOW_CMD_GET_INFO);
	if (!head || put_info(skb)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

/* The target of a request that is no dump. */
static int target_of(struct fallow_target *t, struct sk_buff *request, struct genl_info *info)
{
	if (!info->attrs[FALLOW_A_REQ_PID]) {
		NL_SET_ERR_MSG(info->extack, "a process id is missing");
		return -EINVAL;
	}
	return fallow_target_get(t, request, nla_get_u32(info->attrs[FALLOW_A_REQ_PID]),
				 info->extack);
}

static int age_start(struct sk_buff *request, struct genl_info *info)
{
	struct nlattr *interval = info->attrs[FALLOW_A_REQ_INTERVAL_MS];
	struct fallow_target t;
	int ret;

	if (!interval || nla_get_u32(interval) > FALLOW_INTERVAL_MAX_MS) {
		NL_SET_ERR_MSG(info->extack, "the interval is missing, or too long");
		return -EINVAL;
	}
	ret = target_of(&t, request, info);
	if (ret)
		return ret;
	ret = fallow_age_start(t.mm, genl_info_net(info), info->snd_portid,
			       nla_get_u32(interval));
	if (ret == -EBUSY)
		NL_SET_ERR_MSG(info->extack, "the process is being tracked already");
	else if (ret == -EOPNOTSUPP)
		NL_SET_ERR_MSG(info->extack, "ages cannot be told on this kernel or machine");
	fallow_target_put(&t);
	return ret;
}

static int age_stop(struct sk_buff *request, struct genl_info *info)
{
	struct fallow_target t;
	int ret = target_of(&t, request, info);

	if (ret)
		return ret;
	ret = fallow_age_stop(t.mm, genl_info_net(info), info->snd_portid);
	if (ret)
		NL_SET_ERR_MSG(info->extack, "this socket does not track that process");
	fallow_target_put(&t);
	return ret;
}

void *fallow_msg_put(struct sk_buff *skb, struct netlink_callback *cb, int flags, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &fallow_family,
			   flags, cmd);
}

static const struct genl_ops fallow_ops[] = {
	{
		.cmd = FALLOW_CMD_GET_INFO,
		.doit = get_info,
		.policy = info_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
	{
		.cmd = FALLOW_CMD_GET_VMA,
		.start = fallow_vma_dump_start,
		.dumpit = fallow_vma_dump,
		.done = fallow_vma_dump_done,
		.policy = vma_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
	{
		.cmd = FALLOW_CMD_GET_PAGES,
		.start = fallow_pages_dump_start,
		.dumpit = fallow_pages_dump,
		.done = fallow_pages_dump_done,
		.policy = pages_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
	{
		.cmd = FALLOW_CMD_AGE_START,
		.doit = age_start,
		.policy = age_start_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
	{
		.cmd = FALLOW_CMD_AGE_STOP,
		.doit = age_stop,
		.policy = age_stop_policy,
		.maxattr = FALLOW_A_REQ_MAX,
	},
};

static struct genl_family fallow_family __ro_after_init = {
	.name = FALLOW_GENL_NAME,
	.version = FALLOW_GENL_VERSION,
	.module = THIS_MODULE,
	.ops = fallow_ops,
	.n_ops = ARRAY_SIZE(fallow_ops),
	FALLOW_RESV_START_OP(__FALLOW_CMD_MAX)
	/* Processes are not of a network namespace: a container's root may ask. */
	.netnsok = true,
	/* Dumps guard themselves, and one must not wait for another. */
	.parallel_ops = true,
};

int __init fallow_netlink_init(void)
{
	return genl_register_family(&fallow_family);
}

void fallow_netlink_exit(void)
{
	genl_unregister_family(&fallow_family);
}
