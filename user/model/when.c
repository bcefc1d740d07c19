// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/size.h"
#include "target/vma.h"

#define NS_PER_S 1000000000ull

enum unit { BYTES, RATE, SHARE, EVENT };

static const struct known {
	const char *name;
	enum unit unit;
} known[WHEN_FACTS] = {
	[WHEN_RSS] = { "rss", BYTES },
	[WHEN_SWAP] = { "swap", BYTES },
	[WHEN_GROWTH] = { "growth", RATE },
	[WHEN_PSI] = { "psi", SHARE },
	[WHEN_PSI_FULL] = { "psi-full", SHARE },
	[WHEN_CGROUP_PSI] = { "cgroup-psi", SHARE },
	[WHEN_CGROUP_PSI_FULL] = { "cgroup-psi-full", SHARE },
	[WHEN_HIGH] = { "memory.high", EVENT },
	[WHEN_MAX] = { "memory.max", EVENT },
	[WHEN_OOM] = { "memory.oom", EVENT },
};

/* "8G", "100M/min": @end is what follows. */
static bool parse_bytes(const char *text, struct when *w)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} per[] = { { "/s", NS_PER_S },
		    { "/min", 60 * NS_PER_S },
		    { "/h", 3600 * NS_PER_S } };
	const char *end = size_parse(text, &w->limit);

	if (!end)
		return false;
	if (known[w->fact].unit == BYTES)
		return !*end;
	for (size_t i = 0; i < sizeof(per) / sizeof(per[0]); i++)
		if (!strcmp(end, per[i].name)) {
			w->per_ns = per[i].ns;
			return true;
		}
	return false;
}

/* "10%", "0.5%" */
static bool parse_share(const char *text, struct when *w)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || strcmp(end, "%") != 0 || !(n >= 0 && n < 100))
		return false;
	w->limit = (uint64_t)(n * 10 + 0.5);
	return true;
}

static bool parse(struct when *w, const char *text)
{
	size_t len = strcspn(text, ">");

	if (strlen(text) >= sizeof(w->text))
		return false;
	strcpy(w->text, text);
	for (int i = 0; i < WHEN_FACTS; i++) {
		const char *name = known[i].name;

		if (strlen(name) != len || strncmp(name, text, len) != 0)
			continue;
		w->fact = (enum when_fact)i;
		if (known[i].unit == EVENT)
			return !text[len];
		if (!text[len])
			return false;
		return known[i].unit == SHARE ? parse_share(text + len + 1, w)
					      : parse_bytes(text + len + 1, w);
	}
	return false;
}

int when_parse(struct when_list *list, const char *text, struct error *e)
{
	if (list->n == WHENS_MAX)
		return error_set(e, EXIT_USAGE, "--when: more than %d conditions",
				 WHENS_MAX);
	list->v[list->n] = (struct when){ 0 };
	if (!parse(&list->v[list->n], text))
		return error_set(
			e, EXIT_USAGE,
			"--when: \"%s\" is no condition such as rss>8G, swap>1G, "
			"growth>100M/min, psi>10%%, psi-full>5%%, cgroup-psi>10%%, "
			"memory.high, memory.max or memory.oom",
			text);
	list->n++;
	return 0;
}

uint32_t when_facts(const struct when_list *list)
{
	uint32_t facts = 0;

	for (size_t i = 0; i < list->n; i++)
		facts |= 1u << list->v[i].fact;
	return facts;
}

/* The youngest sample that is at least so old; UNKNOWN if there is none. */
static uint64_t rss_before(const struct when_history *h, uint64_t at_ns)
{
	uint64_t rss = UNKNOWN;

	for (size_t i = 0; i < h->n; i++) {
		size_t k = (h->next + WHEN_HISTORY - h->n + i) % WHEN_HISTORY;

		if (h->at_ns[k] > at_ns)
			break;
		rss = h->rss[k];
	}
	return rss;
}

static bool holds(const struct when *w, const struct when_history *h,
		  const struct counters *now)
{
	uint64_t value = now->fact[w->fact], before;

	if (value == UNKNOWN)
		return false;
	switch (known[w->fact].unit) {
	case BYTES:
	case SHARE:
		return value > w->limit;
	case RATE:
		before = now->at_ns < w->per_ns ? UNKNOWN
						: rss_before(h, now->at_ns - w->per_ns);
		return before != UNKNOWN && value > before && value - before > w->limit;
	case EVENT:
		before = h->last.fact[w->fact];
		return h->begun && before != UNKNOWN && value > before;
	}
	return false;
}

/* As often as the shortest growth that is asked for can be told well by. */
static uint64_t spacing(const struct when_list *list)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].per_ns > longest)
			longest = list->v[i].per_ns;
	return longest / (WHEN_HISTORY / 2);
}

static void remember(const struct when_list *list, struct when_history *h,
		     const struct counters *now)
{
	size_t newest = (h->next + WHEN_HISTORY - 1) % WHEN_HISTORY;

	h->last = *now;
	h->begun = true;
	if (now->fact[WHEN_GROWTH] == UNKNOWN ||
	    (h->n && now->at_ns - h->at_ns[newest] < spacing(list)))
		return;
	h->at_ns[h->next] = now->at_ns;
	h->rss[h->next] = now->fact[WHEN_GROWTH];
	h->next = (h->next + 1) % WHEN_HISTORY;
	if (h->n < WHEN_HISTORY)
		h->n++;
}

const struct when *when_holds(const struct when_list *list, struct when_history *h,
			      const struct counters *now)
{
	const struct when *found = NULL;

	for (size_t i = 0; i < list->n && !found; i++)
		if (holds(&list->v[i], h, now))
			found = &list->v[i];
	remember(list, h, now);
	return found;
}
