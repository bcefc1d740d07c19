// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A leak: what each request needs is never freed.
 *
 * Verdict: live-growth
 * After: 3s
 * Idle: heap.used
 * Cure: none
 * Maps: serve_request
 * Cause: serve_request
 */
#include "scenario.h"

/* How it is named in a stack. */
static __attribute__((noinline)) void serve_request(void)
{
	memset(must(malloc(1000)), 1, 1000);
}

int main(void)
{
	ready();
	while (!told(15))
		for (int i = 0; i < 200; i++)
			serve_request();
	wait_for_end();
	return 0;
}
