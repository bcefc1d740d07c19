// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

struct collected {
	char *out;
	size_t size, n;
	jmp_buf full; /* the demangler has no other way to be stopped */
};

static void collect(const char *text, size_t len, void *arg)
{
	struct collected *c = arg;

	if (len >= c->size - c->n)
		longjmp(c->full, 1);
	memcpy(c->out + c->n, text, len);
	c->n += len;
	c->out[c->n] = '\0';
}

bool demangle(const char *name, char *out, size_t size)
{
	struct collected c = { .out = out, .size = size };

	if (strncmp(name, "_Z", 2) && strncmp(name, "_R", 2))
		return false;
	if (setjmp(c.full)) {
		out[0] = '\0';
		return false;
	}
	/* Rust's older names look like those of C++, which has them with a hash. */
	if (rust_demangle_callback(name, DMGL_PARAMS | DMGL_ANSI, collect, &c))
		return true;
	c.n = 0;
	return cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, collect, &c);
}
