// SPDX-License-Identifier: GPL-2.0-or-later
/* What only fallow record takes. */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "model/size.h"

#define DAY_NS	 (24 * 3600 * 1000000000ull)
#define DAYS_MAX 3650

/* "7d", or what parse_duration() takes and a unit is with. */
static bool parse_age(const char *arg, uint64_t *ns)
{
	char *end;
	unsigned long days = strtoul(arg, &end, 10);

	if (end != arg && !strcmp(end, "d") && days > 0 && days <= DAYS_MAX) {
		*ns = days * DAY_NS;
		return true;
	}
	return strpbrk(arg, "smh") && !parse_duration(arg, ns);
}

int parse_keep(const char *arg, struct keep *keep, struct error *e)
{
	const char *rest = size_parse(arg, &keep->n);
	bool plain = strspn(arg, "0123456789") == strlen(arg);

	if (rest && !*rest && plain) {
		keep->what = KEEP_LOOKS;
	} else if (rest && !*rest) {
		keep->what = KEEP_BYTES;
		if (keep->n < KEEP_BYTES_MIN)
			return error_set(e, EXIT_USAGE,
					 "--keep: %s is less than 4M, in which no "
					 "recording fits",
					 arg);
	} else if (parse_age(arg, &keep->n)) {
		keep->what = KEEP_TIME;
	} else {
		return error_set(e, EXIT_USAGE,
				 "--keep: \"%s\" is none of a number of looks (1000), a "
				 "size (100M) and a time (30m, 7d)",
				 arg);
	}
	return 0;
}

int parse_rate(const char *arg, struct rate *rate, struct error *e)
{
	char *end;
	unsigned long looks = strtoul(arg, &end, 10);

	if (end == arg || *end != '/' || !looks || looks > RATE_MAX ||
	    parse_duration(end + 1, &rate->ns))
		return error_set(e, EXIT_USAGE,
				 "--rate: \"%s\" is no rate such as 10/1h, of at most %d "
				 "looks",
				 arg, RATE_MAX);
	rate->looks = looks;
	return 0;
}
