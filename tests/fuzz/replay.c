// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replay-NAME --images=DIR [--reduce] [FILE…]: the harness without libFuzzer. Looks at each image
 * as it is, prints what the decoder says of it, and then runs the inputs. With --reduce,
 * makes the images smaller (reduce.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void print_seed(const struct seed *s)
{
	static const char *const status[] = { "exact", "partial", "unsupported" };
	const char *name = strrchr(s->image->name, '/');
	uint64_t sum = 0;
	struct look l;

	look(s->image, &FUZZ_DECODER, NULL, 0, NULL, &l);
	for (int k = 0; k < EXTENT_KINDS; k++)
		sum += l.bytes[k];
	printf("%s %s version=%s mapped=%lu live=%lu own_free=%lu extents=%lu calls=%u "
	       "pages=%zu data=%zu heads=%zu words=%zu %s\n",
	       name ? name + 1 : s->image->name, l.found ? status[l.status] : "none",
	       l.version, sum, l.bytes[EXTENT_LIVE], l.own_free, l.extents, l.calls,
	       s->image->npages, s->data.n, s->heads.n, s->words.n, l.reason);
}

static void replay(const char *path)
{
	uint8_t data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, n);
}

static void reduce_all(void)
{
	for (size_t i = 0; i < nseeds; i++)
		seed_reduce(&seeds[i]);
}

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	for (size_t i = 0; i < nseeds; i++)
		print_seed(&seeds[i]);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--reduce"))
			reduce_all();
		else if (strncmp(argv[i], "--", 2) != 0)
			replay(argv[i]);
	for (size_t i = 0; i < nseeds; i++) {
		image_free(seeds[i].image);
		free(seeds[i].data.at);
		free(seeds[i].heads.at);
		free(seeds[i].words.at);
	}
	free(seeds);
	return 0;
}
