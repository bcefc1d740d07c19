// SPDX-License-Identifier: GPL-2.0-or-later
/* Which look of a recording is meant; see recording.h. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store/recording.h"

#define DAY ((time_t)86400)

/* Of what is older than that, no look is: so many ns fit in 64 bits. */
#define AGE_MAX_S 1e9

/*
 * The last look until @when; false if all are after that. The clock may have been set back: of
 * two, the one is later that it showed a later time at.
 */
static bool last_until(const struct recording *r, time_t when, size_t *i)
{
	bool found = false;

	for (size_t n = recording_count(r); n; n--) {
		time_t at = recording_time(r, n - 1).tv_sec;

		if (at > when || (found && at <= recording_time(r, *i).tv_sec))
			continue;
		*i = n - 1;
		found = true;
	}
	return found;
}

bool recording_before(const struct recording *r, size_t i, uint64_t ns, size_t *at)
{
	uint64_t now = recording_uptime(r, i);

	for (size_t n = i + 1; n; n--) {
		uint64_t then = recording_uptime(r, n - 1);

		if (then <= now && now - then >= ns) {
			*at = n - 1;
			return true;
		}
	}
	return false;
}

/* 3, -1: false if it is no number. */
static bool by_number(const struct recording *r, const char *which, size_t *i,
		      struct error *e, int *err)
{
	size_t n = recording_count(r);
	char *end;
	long long number = strtoll(which, &end, 10);

	if (end == which || *end)
		return false;
	*err = 0;
	if (number > 0 && (unsigned long long)number <= n)
		*i = (size_t)number - 1;
	else if (number < 0 && number >= -(long long)n)
		*i = n - (size_t)-number;
	else
		*err = error_set(
			e, EXIT_FAILED,
			"look %s: looks are from 1 to %zu, or from -1, the last, "
			"to -%zu",
			which, n, n);
	return true;
}

/* -10m: so long, in ns, before the last one. */
static bool by_age(const char *which, uint64_t *ns)
{
	static const struct {
		const char *suffix;
		double seconds;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", DAY } };
	char *end;
	double n = strtod(which, &end);

	if (which[0] != '-' || !isdigit((unsigned char)which[1]) || n < -1e9)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].suffix)) {
			*ns = n * units[i].seconds < -AGE_MAX_S
				      ? UINT64_MAX
				      : (uint64_t)(-n * units[i].seconds * 1e9);
			return true;
		}
	return false;
}

/* Times without seconds are those of the minute's end. */
static bool parse_time(const char *which, struct tm *tm)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
					     "%H:%M:%S", "%H:%M" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm one = *tm;
		const char *end;

		one.tm_sec = 59;
		end = strptime(which, forms[i], &one);
		if (end && !*end) {
			*tm = one;
			return true;
		}
	}
	return false;
}

/* The latest that the clock showed on the day of the last look, which is @day. */
static time_t latest_of(const struct recording *r, struct tm day)
{
	size_t i = recording_count(r) - 1;

	day.tm_hour = 23;
	day.tm_min = day.tm_sec = 59;
	day.tm_isdst = -1;
	last_until(r, mktime(&day), &i);
	return recording_time(r, i).tv_sec;
}

/* 14:05: that of the last look's day, or of the day before if it was not then yet. */
static bool by_clock(const struct recording *r, const char *which, time_t *when)
{
	time_t last = recording_time(r, recording_count(r) - 1).tv_sec, latest;
	struct tm tm;

	localtime_r(&last, &tm);
	latest = latest_of(r, tm);
	if (!parse_time(which, &tm))
		return false;
	tm.tm_isdst = -1;
	*when = mktime(&tm);
	if (!strchr(which, '-') && *when - 59 > latest) {
		tm.tm_mday--;
		tm.tm_isdst = -1;
		*when = mktime(&tm);
	}
	return true;
}

int recording_find(const struct recording *r, const char *which, size_t *i,
		   struct error *e)
{
	uint64_t age;
	time_t when;
	bool found;
	int err;

	if (by_number(r, which, i, e, &err))
		return err;
	if (by_age(which, &age))
		found = recording_before(r, recording_count(r) - 1, age, i);
	else if (by_clock(r, which, &when))
		found = last_until(r, when, i);
	else
		return error_set(e, EXIT_USAGE,
				 "\"%s\" is no look such as 3, -1, -10m, 14:05 or "
				 "2026-11-28T14:05",
				 which);
	if (!found)
		return error_set(e, EXIT_FAILED, "look %s: all looks were later", which);
	return 0;
}
