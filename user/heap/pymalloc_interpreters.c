// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Interpreters that have an allocator of their own are reached from the first one's,
 * by what _PyRuntime says of itself since CPython 3.13; in 3.12 by how it begins.
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

/* Include/internal/pycore_runtime.h of 3.12: what _PyRuntime begins with. */
struct runtime_3_12 {
	uint32_t initialized, preinitializing, preinitialized, core_initialized;
	uint32_t all_initialized, padding;
	uint64_t finalizing;
	uint64_t mutex, head, main; /* of interpreters */
	int64_t next_id;
};

/* pycore_interp.h of 3.12: what an interpreter begins with. */
struct interpreter_3_12 {
	uint64_t next;
	int64_t id; /* of the main one: 0 */
};

#define COOKIE		 "xdebugpy"
#define RUNTIME_MAX	 (16u << 20) /* _PyRuntime has the first interpreter in it */
#define INTERPRETER_MAX	 (512u << 10) /* of 3.12, bytes */
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

/* Once it runs. The first interpreter is a part of it, and the last in the list. */
static bool is_runtime_3_12(struct pymalloc *p, uint64_t addr, const uint8_t *b)
{
	struct interpreter_3_12 main;
	struct runtime_3_12 r;

	memcpy(&r, b, sizeof(r));
	return r.initialized == 1 && !r.preinitializing && r.preinitialized == 1 &&
	       r.core_initialized == 1 && r.all_initialized == 1 && !r.finalizing &&
	       r.head && r.next_id > 0 && r.main > addr && r.main - addr < RUNTIME_MAX &&
	       !pymalloc_look(p, r.main, &main, sizeof(main)) && !main.next && !main.id;
}

void pymalloc_see_runtime(struct pymalloc *p, uint64_t addr, const uint8_t *b, size_t len)
{
	struct debug_offsets o;

	if (!p->runtime && len >= sizeof(struct runtime_3_12) &&
	    is_runtime_3_12(p, addr, b)) {
		p->runtime = addr;
		p->is_3_12 = true;
	}
	if (len < sizeof(o) || memcmp(b, COOKIE, sizeof(o.cookie)))
		return;
	memcpy(&o, b, sizeof(o));
	if (!offsets_hold(&o))
		return;
	p->runtime = addr;
	p->is_3_12 = false;
	p->version = (uint32_t)o.version;
}

/* The interpreters of _PyRuntime, the newest first, the main one last. */
struct interpreters {
	uint64_t at[INTERPRETERS_MAX];
	size_t n;
	uint64_t size; /* of each, bytes */
};

static int read_offsets(struct pymalloc *p, struct debug_offsets *o)
{
	int err;

	if (p->is_3_12) {
		o->interpreters_head = offsetof(struct runtime_3_12, head);
		o->interpreter_next = offsetof(struct interpreter_3_12, next);
		o->interpreter_size = INTERPRETER_MAX;
		return 0;
	}
	err = pymalloc_look(p, p->runtime, o, sizeof(*o));
	return err || offsets_hold(o) ? err : -EPROTO;
}

static int list_interpreters(struct pymalloc *p, struct interpreters *list)
{
	struct debug_offsets o;
	uint64_t at;
	int err = read_offsets(p, &o);

	if (err)
		return err;
	list->size = o.interpreter_size;
	err = pymalloc_look(p, p->runtime + o.interpreters_head, &at, sizeof(at));
	while (!err && at && list->n < INTERPRETERS_MAX) {
		list->at[list->n++] = at;
		err = pymalloc_look(p, at + o.interpreter_next, &at, sizeof(at));
	}
	return !err && at ? -EFAULT : err;
}

/* Where in an interpreter its allocator's state is, or a pointer to that. */
struct state_place {
	uint64_t offset;
	bool is_pointer; /* since 3.13 */
};

static bool find_state(struct pymalloc *p, const struct interpreters *list,
		       struct state_place *place)
{
	uint64_t main = list->at[list->n - 1];

	for (size_t i = 0; i < p->nroots; i++) {
		uint64_t state = p->roots[i].slot - STATE_ARENAS;

		*place = (struct state_place){ .offset = state - main };
		if (state >= main && place->offset < list->size)
			return true;
	}
	for (uint64_t off = 8; off + 8 <= list->size; off += 8) {
		uint64_t word;

		if (pymalloc_look(p, main + off, &word, sizeof(word)))
			continue;
		*place = (struct state_place){ .offset = off, .is_pointer = true };
		for (size_t i = 0; i < p->nroots; i++)
			if (word == p->roots[i].slot - STATE_ARENAS)
				return true;
	}
	return false;
}

/* Takes the state that the interpreter at @at has for its own. */
static int try_interpreter(struct pymalloc *p, uint64_t at,
			   const struct state_place *place)
{
	uint64_t state = at + place->offset, records;
	int err = 0;

	if (place->is_pointer)
		err = pymalloc_look(p, state, &state, sizeof(state));
	if (!err)
		err = pymalloc_look(p, state + STATE_ARENAS, &records, sizeof(records));
	/* Without arenas so far. */
	if (!err && records)
		err = pymalloc_try_root(p, state + STATE_ARENAS, records);
	return err;
}

/* Those other than the first. */
static int try_interpreters(struct pymalloc *p, const struct interpreters *list)
{
	struct state_place place;
	int err = 0;

	if (list->n < 2)
		return 0;
	if (!find_state(p, list, &place))
		return -EPROTO;
	for (size_t i = 0; !err && i + 1 < list->n; i++)
		err = try_interpreter(p, list->at[i], &place);
	return err;
}

int pymalloc_find_interpreters(struct pymalloc *p)
{
	struct interpreters *list = calloc(1, sizeof(*list));
	int err = list ? list_interpreters(p, list) : -ENOMEM;

	if (!err)
		err = try_interpreters(p, list);
	free(list);
	/* What cannot be followed is not claimed by anybody. */
	if (err && err != -ESRCH && err != -ENOMEM) {
		heap_incomplete(p->heap,
				"the list of interpreters could not be followed");
		err = 0;
	}
	return err;
}
