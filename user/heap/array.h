/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays that grow by what is found, never by what the target says. */
#ifndef FALLOW_ARRAY_H
#define FALLOW_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Grows *@array, of elements of @size, to hold @n + 1. False: out of memory. */
bool grow(void *array, size_t *cap, size_t n, size_t size);

#endif
