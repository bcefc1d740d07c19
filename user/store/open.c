// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>

#include "store/record.h"
#include "store/stored.h"

int record_open(struct record *r, const char *where, struct error *e)
{
	struct blob text;
	int err;

	if (stored_text(&text, where, e))
		return -1;
	err = record_parse(r, text.data, text.len, where, e);
	free(text.data);
	return err;
}
