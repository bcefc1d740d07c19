// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two allocators: a library brings its own. The program's freed much, the library's holds
 * much; neither can have what the other does not use.
 *
 * Verdict: two-allocators
 * Env: OTHER=LIB(libjemalloc.so.2) GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536
 * Cure: call malloc_trim(0)
 * Maps: main
 */
#include "scenario.h"

#include <dlfcn.h>

#define BLOCKS 60000

int main(void)
{
	void *lib = must(dlopen(getenv("OTHER"), RTLD_NOW | RTLD_LOCAL));
	void *(*other)(size_t) = (void *(*)(size_t))must(dlsym(lib, "malloc"));
	static char *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		block[i] = memset(must(malloc(1500)), 1, 1500);
	for (int i = 0; i < BLOCKS - 1; i++)
		free(block[i]);
	for (int i = 0; i < BLOCKS; i++)
		memset(must(other(1500)), 1, 1500);
	ready();
	wait_for_end();
	return 0;
}
