/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes for people, in IEC units. */
#ifndef FALLOW_SIZE_H
#define FALLOW_SIZE_H

#include <stdint.h>

#define SIZE_TEXT 24

/* "1,234.5 MiB", "512 B"; "-" for UNKNOWN. Returns @buf of SIZE_TEXT bytes. */
char *size_format(char *buf, uint64_t bytes);

/* As size_format() with a sign: "+1.5 MiB", "-4.0 KiB", "0 B". */
char *size_format_change(char *buf, int64_t bytes);

/*
 * "8G", "1.5M", "100": bytes, in units of K, M, G and T, each 1024 of the one before.
 * Returns what follows, or NULL if it begins with no such size, or with 0.
 */
const char *size_parse(const char *text, uint64_t *bytes);

#endif
