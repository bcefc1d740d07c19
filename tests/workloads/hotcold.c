// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of which one part is used again and again and the other never. Usage:
 * hotcold HOT_MIB COLD_MIB PERIOD_MS. Ends with its input.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t hot_size;
static volatile char *hot;
static useconds_t period;

static volatile char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	madvise(p, size, MADV_NOHUGEPAGE);
	memset(p, 1, size);
	return p;
}

static void *use(void *unused)
{
	(void)unused;
	for (;;) {
		for (size_t i = 0; i < hot_size; i += (size_t)getpagesize())
			(void)hot[i];
		usleep(period);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;
	char byte;

	if (argc != 4)
		return 2;
	hot_size = strtoul(argv[1], NULL, 10) << 20;
	hot = map(hot_size);
	map(strtoul(argv[2], NULL, 10) << 20);
	period = (useconds_t)strtoul(argv[3], NULL, 10) * 1000;
	if (pthread_create(&t, NULL, use, NULL))
		return 1;
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
