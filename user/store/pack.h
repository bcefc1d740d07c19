/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts made small by zstd: as they are, or by how they differ from one before, which is
 * what zstd --patch-from does. A checksum is in each.
 */
#ifndef FALLOW_PACK_H
#define FALLOW_PACK_H

#include <stddef.h>

/* Of a text, and of what is read of a file: about a million mappings. */
#define TEXT_MAX ((size_t)1 << 30)

struct blob {
	void *data; /* malloc() */
	size_t len;
};

/*
 * Packs @text, with @base, which unpacking it then takes, or NULL. NULL, or what is wrong;
 * @out is to be freed on success.
 */
const char *pack(const struct blob *text, const struct blob *base, struct blob *out);

/* The other way. Nothing of @packed is believed: a text is at most TEXT_MAX long. */
const char *unpack(const struct blob *packed, const struct blob *base, struct blob *out);

#endif
