// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/pack.h"

#include <stdlib.h>
#include <zstd.h>

#define NO_MEMORY "out of memory"

/*
 * Of 1,000 regions, 1 MB, of which half have changed: 2.9 KB in 7 ms; by level 3 it is 11
 * in 1 ms, by 9 no less in 10, and with long-distance matching 6 in 8.
 */
#define LEVEL 7

/* A window of this logarithm holds all of @len bytes. */
static int window_log(size_t len)
{
	int log = 10; /* ZSTD_WINDOWLOG_MIN */

	while (log < 31 && (size_t)1 << log < len)
		log++;
	return log;
}

static const char *compress(ZSTD_CCtx *z, const struct blob *text,
			    const struct blob *base, struct blob *out)
{
	size_t cap = ZSTD_compressBound(text->len), n;

	*out = (struct blob){ 0 };
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	if (base) {
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog,
				       window_log(text->len + base->len));
		ZSTD_CCtx_refPrefix(z, base->data, base->len);
	}
	out->data = malloc(cap);
	if (!out->data)
		return NO_MEMORY;
	n = ZSTD_compress2(z, out->data, cap, text->data, text->len);
	if (ZSTD_isError(n)) {
		free(out->data);
		out->data = NULL;
		return ZSTD_getErrorName(n);
	}
	out->len = n;
	return NULL;
}

const char *pack(const struct blob *text, const struct blob *base, struct blob *out)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	const char *wrong = z ? compress(z, text, base, out) : NO_MEMORY;

	ZSTD_freeCCtx(z);
	return wrong;
}

static const char *decompress(ZSTD_DCtx *z, const struct blob *packed,
			      const struct blob *base, struct blob *out)
{
	unsigned long long len = ZSTD_getFrameContentSize(packed->data, packed->len);
	size_t n;

	*out = (struct blob){ 0 };
	if (len == ZSTD_CONTENTSIZE_ERROR || len == ZSTD_CONTENTSIZE_UNKNOWN)
		return "no zstd frame that tells its length";
	if (len > TEXT_MAX)
		return "longer than 1 GiB";
	if (base)
		ZSTD_DCtx_refPrefix(z, base->data, base->len);
	out->data = malloc((size_t)len + 1);
	if (!out->data)
		return NO_MEMORY;
	n = ZSTD_decompressDCtx(z, out->data, (size_t)len, packed->data, packed->len);
	if (ZSTD_isError(n)) {
		free(out->data);
		out->data = NULL;
		return ZSTD_getErrorName(n);
	}
	out->len = n;
	return NULL;
}

const char *unpack(const struct blob *packed, const struct blob *base, struct blob *out)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	const char *wrong = z ? decompress(z, packed, base, out) : NO_MEMORY;

	ZSTD_freeDCtx(z);
	return wrong;
}
