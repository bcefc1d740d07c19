// SPDX-License-Identifier: GPL-2.0-or-later
/* Sizes for people. */
#include "model/size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/vma.h"

/*
 * MiB up to a terabyte: a report is compared line by line, and lines of one
 * unit compare at a glance.
 */
static void format(char *buf, uint64_t bytes)
{
	uint64_t tenths;

	if (bytes < 1024) {
		snprintf(buf, SIZE_TEXT, "%u B", (unsigned int)bytes);
		return;
	}
	if (bytes < 1024 * 1024) {
		tenths = (bytes * 10 + 512) / 1024;
		snprintf(buf, SIZE_TEXT, "%u.%u KiB", (unsigned int)(tenths / 10),
			 (unsigned int)(tenths % 10));
		return;
	}
	tenths =
		bytes / (1 << 20) * 10 + (bytes % (1 << 20) * 10 + (1 << 19)) / (1 << 20);
	if (tenths < 10000)
		snprintf(buf, SIZE_TEXT, "%u.%u MiB", (unsigned int)(tenths / 10),
			 (unsigned int)(tenths % 10));
	else if (tenths < 10000000)
		snprintf(buf, SIZE_TEXT, "%u,%03u.%u MiB", (unsigned int)(tenths / 10000),
			 (unsigned int)(tenths / 10 % 1000), (unsigned int)(tenths % 10));
	else
		snprintf(buf, SIZE_TEXT, "%u,%03u,%03u MiB",
			 (unsigned int)(tenths / 10000000),
			 (unsigned int)(tenths / 10000 % 1000),
			 (unsigned int)(tenths / 10 % 1000));
}

char *size_format(char *buf, uint64_t bytes)
{
	if (bytes == UNKNOWN)
		strcpy(buf, "-");
	else
		format(buf, bytes);
	return buf;
}

char *size_format_change(char *buf, int64_t bytes)
{
	char plain[SIZE_TEXT];

	if (!bytes) {
		strcpy(buf, "0 B");
		return buf;
	}
	size_format(plain, bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes);
	snprintf(buf, SIZE_TEXT, "%c%.22s", bytes < 0 ? '-' : '+', plain);
	return buf;
}

const char *size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	char *end;
	double n = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || !(n > 0))
		return NULL;
	for (const char *u = units; unit && u <= unit; u++)
		n *= 1024;
	if (n > (double)((uint64_t)1 << 56) || n < 1)
		return NULL;
	*bytes = (uint64_t)n;
	return unit ? end + 1 : end;
}
