// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of functions: those that the ABI and Rust's RFC 2603 have, and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "trace/demangle.h"

static void names_are_as_in_their_sources(void **state)
{
	static const char *const known[][2] = {
		{ "_ZN3foo3barEi", "foo::bar(int)" },
		{ "_ZN4pool4growIlEEPvm", "void* pool::grow<long>(unsigned long)" },
		{ "_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function" },
		{ "_ZN3std2io4Read11read_to_end17h0123456789abcdefE",
		  "std::io::Read::read_to_end" },
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_true(demangle(known[i][0], out, sizeof(out)));
		assert_string_equal(out, known[i][1]);
	}
}

static void others_are_left_alone(void **state)
{
	static const char *const others[] = { "",      "_",   "main",	"_Z",
					      "_R",    "_ZN", "_start", "_ZZZZZZZZ",
					      "_Zfoo", "_RNv" };
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(demangle(others[i], out, sizeof(out)));
}

/* Each parameter is a pair of the one before: what that stands for doubles each time. */
static void what_is_long_is_refused(void **state)
{
	char name[1024] = "_Z1f1SIiiE", out[1024];
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	(void)state;
	for (int i = 0; i < 30; i++) {
		char last[8], next[32];

		snprintf(last, sizeof(last), "S%c_", digits[i]);
		snprintf(next, sizeof(next), "S_I%s%sE", last, last);
		strcat(name, next);
	}
	assert_false(demangle(name, out, sizeof(out)));
	assert_string_equal(out, "");
	/* And what does not fit. */
	assert_false(demangle("_ZN3foo3barEi", out, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_as_in_their_sources),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(what_is_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
