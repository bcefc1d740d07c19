/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of functions of C++ and Rust, as their sources have them; by libiberty. */
#ifndef FALLOW_DEMANGLE_H
#define FALLOW_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes what @name stands for to @out, of @size bytes, terminated. False, and nothing
 * written, if it is no mangled name, or stands for more than fits: names are the
 * target's, and a short one can stand for more than there is memory.
 */
bool demangle(const char *name, char *out, size_t size);

#endif
