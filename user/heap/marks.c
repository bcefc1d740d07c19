// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sets of addresses; see marks.h. Blocks are found by a hash table with open addressing.
 * The slots of a block are a list as long as they are few, then a bitmap.
 */
#include "heap/marks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Lists grow when they have so many, and give way to a bitmap: each fits malloc well. */
#define LIST_FEW  12u
#define LIST_SOME 24u
#define LIST_MAX  48u
#define BITMAP	  (MARKS_SLOTS / 8)
#define TABLE_MIN 64u

struct marks_block {
	uint64_t number : 48; /* of the block, and one: 0 is an empty entry */
	uint64_t n : 16; /* of its slots; a bitmap from LIST_MAX on */
	void *slots; /* uint16_t each; or bits, in uint64_t */
};

static size_t place_of(const struct marks *m, uint64_t number)
{
	/* Fibonacci hashing; neighbours come to lie apart. */
	size_t i = (size_t)((number * 0x9e3779b97f4a7c15u) >> 32) & (m->cap - 1);

	while (m->table[i].number && m->table[i].number != number)
		i = (i + 1) & (m->cap - 1);
	return i;
}

static int grow_table(struct marks *m, size_t limit)
{
	struct marks old = *m;

	m->cap = old.cap ? 2 * old.cap : TABLE_MIN;
	if (m->bytes + m->cap * sizeof(*m->table) > limit) {
		*m = old;
		return -ENOSPC;
	}
	m->table = calloc(m->cap, sizeof(*m->table));
	if (!m->table) {
		*m = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.table[i].number)
			m->table[place_of(m, old.table[i].number)] = old.table[i];
	m->bytes += (m->cap - old.cap) * sizeof(*m->table);
	free(old.table);
	return 0;
}

static int find_block(struct marks *m, uint64_t number, size_t limit,
		      struct marks_block **b)
{
	if (m->cap && m->table[m->last].number == number) {
		*b = &m->table[m->last];
		return 0;
	}
	if (4 * (m->nblocks + 1) > 3 * m->cap) {
		int err = grow_table(m, limit);

		if (err)
			return err;
	}
	m->last = place_of(m, number);
	*b = &m->table[m->last];
	if (!(*b)->number) {
		(*b)->number = number;
		m->nblocks++;
	}
	return 0;
}

static bool list_has(const struct marks_block *b, uint16_t slot)
{
	const uint16_t *list = b->slots;

	for (size_t i = 0; i < b->n; i++)
		if (list[i] == slot)
			return true;
	return false;
}

static int grow_list(struct marks *m, struct marks_block *b, size_t limit)
{
	size_t n = b->n ? 2u * b->n : LIST_FEW;
	uint16_t *grown;

	if (m->bytes + (n - b->n) * sizeof(*grown) > limit)
		return -ENOSPC;
	grown = realloc(b->slots, n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->bytes += (n - b->n) * sizeof(*grown);
	b->slots = grown;
	return 0;
}

static int to_bitmap(struct marks *m, struct marks_block *b, size_t limit)
{
	const uint16_t *list = b->slots;
	uint64_t *bits;

	if (m->bytes + BITMAP > limit)
		return -ENOSPC;
	bits = calloc(1, BITMAP);
	if (!bits)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++)
		bits[list[i] / 64] |= 1ull << list[i] % 64;
	m->bytes += BITMAP - LIST_MAX * sizeof(*list);
	free(b->slots);
	b->slots = bits;
	return 0;
}

static int add_to_list(struct marks *m, struct marks_block *b, uint16_t slot,
		       size_t limit)
{
	int err = 0;

	if (list_has(b, slot))
		return 0;
	if (!b->n || b->n == LIST_FEW || b->n == LIST_SOME)
		err = grow_list(m, b, limit);
	if (err)
		return err;
	((uint16_t *)b->slots)[b->n] = slot;
	if (b->n + 1u == LIST_MAX) {
		b->n++;
		err = to_bitmap(m, b, limit);
		b->n -= err != 0;
		return err ? err : 1;
	}
	b->n++;
	return 1;
}

static int add_to_bitmap(struct marks_block *b, uint16_t slot)
{
	uint64_t *word = (uint64_t *)b->slots + slot / 64, bit = 1ull << slot % 64;

	if (*word & bit)
		return 0;
	*word |= bit;
	b->n++;
	return 1;
}

int marks_add(struct marks *m, uint64_t addr, size_t limit)
{
	uint16_t slot = (uint16_t)(addr % MARKS_BLOCK / MARKS_ALIGN);
	struct marks_block *b;
	int added = find_block(m, addr / MARKS_BLOCK + 1, limit, &b);

	if (added)
		return added;
	added = b->n < LIST_MAX ? add_to_list(m, b, slot, limit) : add_to_bitmap(b, slot);
	m->n += added > 0;
	return added;
}

void marks_spread(const struct marks *m, uint64_t start, uint8_t kind,
		  uint8_t slots[MARKS_SLOTS])
{
	const struct marks_block *b =
		m->cap ? &m->table[place_of(m, start / MARKS_BLOCK + 1)] : NULL;

	if (!b || !b->n)
		return;
	if (b->n < LIST_MAX) {
		for (size_t i = 0; i < b->n; i++)
			slots[((const uint16_t *)b->slots)[i]] = kind;
		return;
	}
	for (size_t i = 0; i < MARKS_SLOTS / 64; i++)
		for (uint64_t w = ((const uint64_t *)b->slots)[i]; w; w &= w - 1)
			slots[64 * i + (size_t)__builtin_ctzll(w)] = kind;
}

void marks_free(struct marks *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->table[i].slots);
	free(m->table);
	*m = (struct marks){ 0 };
}
