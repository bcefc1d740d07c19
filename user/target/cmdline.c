// SPDX-License-Identifier: GPL-2.0-or-later
/* What /proc/PID/cmdline would say: get_mm_cmdline() in fs/proc/base.c. */
#include "target/cmdline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CMDLINE_MAX (1u << 20) /* longer ones are cut */

/* Where the arguments lie, and the environment. */
struct arguments {
	uint64_t start, end, env_start, env_end;
};

/* proc(5), /proc/PID/stat, fields 48 to 51; zeros for those who may not know. */
static bool find_arguments(const struct target *t, struct arguments *a)
{
	char *text = target_slurp(t, "stat", NULL);
	const char *p = text ? strrchr(text, ')') : NULL;
	bool found;

	for (int field = 3; p && field <= 48; field++)
		p = strchr(p + 1, ' ');
	found = p && sscanf(p, "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64, &a->start,
			    &a->end, &a->env_start, &a->env_end) == 4;
	free(text);
	return found && a->start && a->start < a->end;
}

static size_t at_most(uint64_t n, size_t max)
{
	return n < max ? n : max;
}

/* How many bytes of @text, which holds CMDLINE_MAX, are the command line. */
static size_t read_text(struct target *t, const struct arguments *a, char *text)
{
	size_t len = at_most(a->end - a->start, CMDLINE_MAX);

	if (reader_read(&t->reader, a->start, text, len))
		return 0;
	if (!text[len - 1] || len == CMDLINE_MAX)
		return len;
	/* setproctitle(3) has written over them, and maybe on into the environment. */
	if (a->env_start == a->end && a->env_end > a->end)
		len = at_most(a->env_end - a->start, t->reader.page_size);
	if (reader_read(&t->reader, a->start, text, len))
		return 0;
	return strnlen(text, len);
}

char *cmdline_read(struct target *t)
{
	char *text = malloc(CMDLINE_MAX + 1);
	struct arguments a;
	size_t len;

	if (!text)
		return NULL;
	len = find_arguments(t, &a) ? read_text(t, &a, text) : 0;
	while (len && !text[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!text[i])
			text[i] = ' ';
	text[len] = '\0';
	return text;
}
