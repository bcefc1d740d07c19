// SPDX-License-Identifier: GPL-2.0-or-later
#include "heap/array.h"

#include <stdlib.h>

bool grow(void *array, size_t *cap, size_t n, size_t size)
{
	void **a = array;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*a, (*cap ? 2 * *cap : 64) * size);
	if (!grown)
		return false;
	*a = grown;
	*cap = *cap ? 2 * *cap : 64;
	return true;
}
