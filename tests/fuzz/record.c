// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The harness of snapshots in files for libFuzzer: an input is two of them with a NUL in
 * between, or one that is compared with itself. What is taken has to add up, and is shown;
 * the first one is also read back as a look, which all that shows a look shows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/diff.h"
#include "render/diff.h"
#include "render/render.h"
#include "store/revive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_sums(const struct diff *d)
{
	int64_t rss = change_of(d->before->rss, d->now->rss);
	int64_t classes = 0, regions = 0;
	int64_t heaps = change_of(d->outside_before, d->outside_now);

	for (int c = 0; c < LEDGER_CLASSES; c++)
		classes += change_of(d->before->resident[c], d->now->resident[c]);
	for (size_t i = 0; i < d->nheaps; i++)
		heaps += d->heaps[i].change;
	for (size_t i = 0; i < d->nregions; i++)
		regions += d->regions[i].change;
	check(classes == rss && heaps == rss && regions == rss);
}

static void compare(const struct record *a, const struct record *b)
{
	static FILE *null;
	struct error e;
	struct diff d;

	if (!null)
		null = fopen("/dev/null", "w");
	check(null && !diff_make(&d, a, b, &e));
	check_sums(&d);
	text_diff(null, &d, true);
	check(!json_diff(null, &d));
	diff_free(&d);
}

static void judge(const struct snapshot *s, FILE *null)
{
	static struct verdicts verdicts;
	struct view v = { s, NULL, &verdicts, true };
	struct column_list shown;
	struct error e;

	verdicts_judge(&verdicts, s, NULL);
	check(!columns_parse("all", &shown, &e));
	text_report(null, &v);
	text_heap(null, &v);
	text_regions(null, &v, &shown, column_by_name("rss", 3));
	check(!json_snapshot(null, &v, true));
}

/* What is shown of it as JSON is read back again. */
static void read_back(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct snapshot s;
	struct error e = { .text = "" };

	if (!null)
		null = fopen("/dev/null", "w");
	check(null != NULL);
	if (snapshot_revive(&s, (const char *)data, size, "file", &e)) {
		check(e.status == EXIT_FAILED && e.text[0]);
		return;
	}
	judge(&s, null);
	snapshot_free(&s);
}

/* As a whole of its own, so that a look behind its end is seen. */
static int parse(struct record *r, const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1);
	struct error e = { .text = "" };
	int err;

	check(text);
	memcpy(text, data, size);
	err = record_parse(r, text, size, "file", &e);
	check(!err || (e.status == EXIT_FAILED && e.text[0] && !strchr(e.text, '\n')));
	free(text);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
	struct record a, b;

	read_back(data, cut ? (size_t)(cut - data) : size);
	if (parse(&a, data, cut ? (size_t)(cut - data) : size))
		return 0;
	compare(&a, &a);
	if (cut && !parse(&b, cut + 1, size - (size_t)(cut - data) - 1)) {
		compare(&a, &b);
		compare(&b, &a);
		record_free(&b);
	}
	record_free(&a);
	return 0;
}
