// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON of top; described by Documentation/fallow-top.schema.json. */
#include <sys/utsname.h>

#include "render/member.h"
#include "render/top.h"

static json_t *verdict(const struct node_process *p, bool *ok)
{
	json_t *o;

	if (p->state != NODE_LOOKED)
		return json_null();
	o = json_object();
	value_set(o, "id", json_string(verdict_name(p->verdict)), ok);
	value_set(o, "confidence", json_string(confidence_name(p->confidence)), ok);
	value_set(o, "bytes", value_count(p->verdict_bytes), ok);
	return o;
}

static void growth(json_t *o, const struct node_process *p, bool *ok)
{
	int64_t change;
	uint64_t ns;
	bool known = node_growth(p, &change, &ns);

	value_set(o, "growth_bytes", known ? json_integer(change) : json_null(), ok);
	value_set(o, "growth_ns", known ? value_count(ns) : json_null(), ok);
}

static json_t *process(const struct node_process *p)
{
	bool looked = p->state == NODE_LOOKED, ok = true;
	json_t *o = json_object();

	value_set(o, "pid", json_integer(p->pid), &ok);
	value_set(o, "comm", value_text(p->comm), &ok);
	value_set(o, "starttime", value_count(p->activity.starttime), &ok);
	value_set(o, "state", json_string(node_state_name(p->state)), &ok);
	if (p->reason[0] && p->state != NODE_DENIED)
		value_set(o, "reason", value_text(p->reason), &ok);
	value_set(o, "rss_bytes", value_count(p->rss), &ok);
	value_set(o, "anon_bytes", value_count(p->anon), &ok);
	value_set(o, "fallow_bytes", value_count(looked ? p->fallow : UNKNOWN), &ok);
	value_set(o, "fallow_at_most_bytes",
		  value_count(looked ? p->fallow_most : p->anon), &ok);
	value_set(o, "returnable_bytes", value_count(looked ? p->returnable : UNKNOWN),
		  &ok);
	growth(o, p, &ok);
	value_set(o, "verdict", verdict(p, &ok), &ok);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *counts(const struct node *n)
{
	json_t *o = json_object();
	bool ok = true;

	for (enum node_state s = 0; s < NODE_STATES; s++)
		value_set(o, node_state_name(s), value_count(n->of_state[s]), &ok);
	value_set(o, "ended", value_count(n->ended), &ok);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

int json_top(FILE *out, const struct node *n)
{
	struct members m = { .out = out };
	struct utsname u = { .nodename = "" };

	uname(&u);
	member_write(&m, "schema", json_string("fallow.top/1"));
	member_write(&m, "time", value_time(&n->time));
	member_write(&m, "host", value_text(u.nodename));
	member_write(&m, "kernel", value_text(u.release));
	member_write(&m, "source", json_string(n->pages->ops->name));
	member_write(&m, "duration_ns", value_count(n->duration_ns));
	member_write(&m, "memory_bytes", value_count(n->total));
	member_write(&m, "available_bytes", value_count(n->available));
	member_write(&m, "counts", counts(n));
	member_list_begin(&m, "processes");
	for (size_t i = 0; i < n->n; i++)
		member_list_add(&m, i, process(&n->v[i]));
	member_list_end(&m);
	return members_end(&m);
}
