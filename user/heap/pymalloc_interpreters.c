// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Interpreters that have an allocator of their own are reached from the first one's,
 * by what _PyRuntime says of itself since CPython 3.13.
 */
#include "heap/pymalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/emit.h"

/*
 * Include/internal/pycore_debug_offsets.h (3.14), pycore_runtime.h (3.13): what
 * _PyRuntime begins with.
 */
struct debug_offsets {
	char cookie[8];
	uint64_t version, free_threaded;
	uint64_t runtime_size, runtime_finalizing, interpreters_head;
	uint64_t interpreter_size, interpreter_id, interpreter_next;
};

#define COOKIE		 "xdebugpy"
#define RUNTIME_MAX	 (16u << 20) /* _PyRuntime has the first interpreter in it */
#define INTERPRETERS_MAX 4096u
#define STATE_ARENAS	 512u /* struct _obmalloc_state: pools, then mgmt.arenas */

static bool offsets_hold(const struct debug_offsets *o)
{
	return !memcmp(o->cookie, COOKIE, sizeof(o->cookie)) && o->version >> 24 == 3 &&
	       o->version >> 32 == 0 && o->runtime_size < RUNTIME_MAX &&
	       o->interpreters_head < o->runtime_size &&
	       o->interpreter_size <= o->runtime_size &&
	       o->interpreter_next < o->interpreter_size;
}

void pymalloc_see_runtime(struct pymalloc *p, uint64_t addr, const uint8_t *b, size_t len)
{
	struct debug_offsets o;

	if (len < sizeof(o) || memcmp(b, COOKIE, sizeof(o.cookie)))
		return;
	memcpy(&o, b, sizeof(o));
	if (!offsets_hold(&o))
		return;
	p->runtime = addr;
	p->version = (uint32_t)o.version;
}

/* The interpreters of _PyRuntime, the newest first, the main one last. */
struct interpreters {
	uint64_t at[INTERPRETERS_MAX];
	size_t n;
	uint64_t size; /* of each, bytes */
};

static int list_interpreters(struct pymalloc *p, struct interpreters *list)
{
	struct debug_offsets o;
	uint64_t at;
	int err = pymalloc_look(p, p->runtime, &o, sizeof(o));

	if (err || !offsets_hold(&o))
		return err;
	list->size = o.interpreter_size;
	err = pymalloc_look(p, p->runtime + o.interpreters_head, &at, sizeof(at));
	while (!err && at && list->n < INTERPRETERS_MAX) {
		list->at[list->n++] = at;
		err = pymalloc_look(p, at + o.interpreter_next, &at, sizeof(at));
	}
	return !err && at ? -EFAULT : err;
}

/* Where in an interpreter the pointer to its allocator's state is; 0: not found. */
static uint64_t find_state_pointer(struct pymalloc *p, const struct interpreters *list)
{
	uint64_t main = list->at[list->n - 1];

	for (uint64_t off = 8; off + 8 <= list->size; off += 8) {
		uint64_t word;

		if (pymalloc_look(p, main + off, &word, sizeof(word)))
			continue;
		for (size_t i = 0; i < p->nroots; i++)
			if (word == p->roots[i].slot - STATE_ARENAS)
				return off;
	}
	return 0;
}

/* Takes the state that the interpreter at @at has for its own. */
static int try_interpreter(struct pymalloc *p, uint64_t at, uint64_t pointer)
{
	uint64_t state, records;
	int err = pymalloc_look(p, at + pointer, &state, sizeof(state));

	if (!err)
		err = pymalloc_look(p, state + STATE_ARENAS, &records, sizeof(records));
	/* Without arenas so far. */
	if (!err && records)
		err = pymalloc_try_root(p, state + STATE_ARENAS, records);
	return err;
}

int pymalloc_find_interpreters(struct pymalloc *p)
{
	struct interpreters *list = calloc(1, sizeof(*list));
	uint64_t pointer;
	int err = list ? list_interpreters(p, list) : -ENOMEM;

	pointer = !err && list->n > 1 ? find_state_pointer(p, list) : 0;
	for (size_t i = 0; pointer && !err && i + 1 < list->n; i++)
		err = try_interpreter(p, list->at[i], pointer);
	free(list);
	/* What cannot be followed is not claimed by anybody. */
	if (err && err != -ESRCH && err != -ENOMEM) {
		heap_incomplete(p->heap,
				"the list of interpreters could not be followed");
		err = 0;
	}
	return err;
}
