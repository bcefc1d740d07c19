// SPDX-License-Identifier: GPL-2.0-or-later
/* Sizes, numbers, escaping, durations, and lines of maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/cmd.h"
#include "model/size.h"
#include "model/verdict.h"
#include "render/escape.h"
#include "render/member.h"
#include "store/fields.h"
#include "target/vma.h"

static const char *size(uint64_t bytes)
{
	static char buf[SIZE_TEXT];

	return size_format(buf, bytes);
}

static void test_size(void **state)
{
	char buf[SIZE_TEXT];

	(void)state;
	assert_string_equal(size(0), "0 B");
	assert_string_equal(size(1023), "1023 B");
	assert_string_equal(size(1024), "1.0 KiB");
	assert_string_equal(size(1 << 20), "1.0 MiB");
	assert_string_equal(size(1234ull << 20), "1,234.0 MiB");
	assert_string_equal(size(1234567ull << 20), "1,234,567 MiB");
	assert_string_equal(size(UNKNOWN), "-");
	assert_true(strlen(size(UNKNOWN - 1)) < SIZE_TEXT);
	assert_string_equal(size_format_change(buf, 0), "0 B");
	assert_string_equal(size_format_change(buf, 2048), "+2.0 KiB");
	assert_string_equal(size_format_change(buf, -2048), "-2.0 KiB");
	assert_true(strlen(size_format_change(buf, INT64_MIN)) < SIZE_TEXT);
}

/* As it is written, and read back. */
static uint64_t there_and_back(uint64_t n, const char *text)
{
	struct error e = { 0 };
	struct fields f = { .file = "", .part = "", .e = &e };
	json_t *o = json_object();
	bool ok = true;
	uint64_t back;
	char *written;

	value_set(o, "n", value_number(n), &ok);
	written = json_dumps(json_object_get(o, "n"), JSON_ENCODE_ANY);
	assert_string_equal(written, text);
	back = field_bits(&f, o, "n");
	assert_true(ok && !f.failed);
	free(written);
	json_decref(o);
	return back;
}

static void test_numbers(void **state)
{
	static const uint64_t numbers[] = { 0, 7, INT64_MAX, 1ull << 63, UINT64_MAX };
	static const char *const texts[] = { "0", "7", "9223372036854775807",
					     "\"9223372036854775808\"",
					     "\"18446744073709551615\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_true(there_and_back(numbers[i], texts[i]) == numbers[i]);
}

static void test_no_numbers(void **state)
{
	static const char *const texts[] = { "", "-1", "1x", " 1", "18446744073709551616" };
	struct error e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fields f = { .file = "", .part = "", .e = &e };
		json_t *o = json_pack("{s:s}", "n", texts[i]);

		field_bits(&f, o, "n");
		assert_true(f.failed);
		json_decref(o);
	}
}

static void test_escape(void **state)
{
	char out[64], small[6];

	(void)state;
	assert_string_equal(escape_terminal(out, sizeof(out), "plain"), "plain");
	assert_string_equal(escape_terminal(out, sizeof(out), "a\033[2Jb\n"), "a\\x1b[2Jb\\x0a");
	assert_string_equal(escape_terminal(out, sizeof(out), "h\xc3\xa9"), "h\xc3\xa9");
	assert_string_equal(escape_terminal(out, sizeof(out), "\xff\xc3("), "\\xff\\xc3(");
	/* C1 controls, and what turns the direction of writing. */
	assert_string_equal(escape_terminal(out, sizeof(out), "\xc2\x9b"), "\\xc2\\x9b");
	assert_string_equal(escape_terminal(out, sizeof(out), "\xe2\x80\xae"),
			    "\\xe2\\x80\\xae");
	assert_string_equal(escape_terminal(out, sizeof(out), "\xd8\x9c"), "\\xd8\\x9c");
	/* Overlong forms and surrogates are not UTF-8. */
	assert_string_equal(escape_utf8(out, sizeof(out), "\xc0\x80"), "\\xc0\\x80");
	assert_string_equal(escape_utf8(out, sizeof(out), "\xed\xa0\x80"), "\\xed\\xa0\\x80");
	assert_string_equal(escape_utf8(out, sizeof(out), "a\nb"), "a\nb");
	/* Cut between characters. */
	assert_string_equal(escape_terminal(small, sizeof(small), "abc\xc3\xa9\xc3\xa9"),
			    "abc\xc3\xa9");
	assert_string_equal(escape_terminal(small, sizeof(small), "ab\ncd"), "ab");
}

static void test_duration(void **state)
{
	uint64_t ns;

	(void)state;
	assert_int_equal(parse_duration("2s", &ns), 0);
	assert_int_equal(ns, 2000000000u);
	assert_int_equal(parse_duration("1.5m", &ns), 0);
	assert_int_equal(ns, 90000000000ull);
	assert_int_equal(parse_duration("500ms", &ns), 0);
	assert_int_equal(parse_duration("7", &ns), 0);
	assert_int_equal(ns, 7000000000ull);
	assert_int_equal(parse_duration("", &ns), -1);
	assert_int_equal(parse_duration("x", &ns), -1);
	assert_int_equal(parse_duration("-1s", &ns), -1);
	assert_int_equal(parse_duration("0", &ns), -1);
	assert_int_equal(parse_duration("nan", &ns), -1);
	assert_int_equal(parse_duration("1e300h", &ns), -1);
	assert_int_equal(parse_duration("1sx", &ns), -1);
}

static void test_maps_line(void **state)
{
	char plain[] = "7f00-8f00 rw-p 00001000 fe:01 1234    /tmp/a b\\012c (deleted)\n";
	char anon[] = "1000-2000 r-xs 00000000 00:00 0 \n";
	char bad[] = "Rss:    4 kB\n", backwards[] = "2000-1000 rw-p 00000000 00:00 0 \n";
	struct vma v;

	(void)state;
	assert_true(vma_parse(plain, &v));
	assert_int_equal(v.start, 0x7f00);
	assert_int_equal(v.offset, 0x1000);
	assert_int_equal(v.inode, 1234);
	assert_int_equal(v.flags, VMA_READ | VMA_WRITE);
	assert_string_equal(v.name, "/tmp/a b\nc (deleted)");
	assert_true(vma_parse(anon, &v));
	assert_int_equal(v.flags, VMA_READ | VMA_EXEC | VMA_SHARED);
	assert_string_equal(v.name, "");
	assert_false(vma_parse(bad, &v));
	assert_false(vma_parse(backwards, &v));
}

static void test_vma_find(void **state)
{
	struct vma v[] = { { .start = 10, .end = 20 }, { .start = 20, .end = 30 },
			   { .start = 40, .end = 50 } };
	struct vma_list l = { v, 3, 3 };

	(void)state;
	assert_null(vma_find(&l, 9));
	assert_ptr_equal(vma_find(&l, 10), &v[0]);
	assert_ptr_equal(vma_find(&l, 20), &v[1]);
	assert_null(vma_find(&l, 30));
	assert_ptr_equal(vma_find(&l, 49), &v[2]);
	assert_null(vma_find(&l, 50));
}

static void test_verdict_names(void **state)
{
	(void)state;
	for (int i = 0; i < VERDICT_IDS; i++) {
		const char *name = verdict_name((enum verdict_id)i);

		assert_int_equal(verdict_by_name(name, strlen(name)), i);
	}
	assert_int_equal(verdict_by_name("retentio", 8), VERDICT_IDS);
	assert_int_equal(verdict_by_name("", 0), VERDICT_IDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),	  cmocka_unit_test(test_escape),
		cmocka_unit_test(test_duration),  cmocka_unit_test(test_maps_line),
		cmocka_unit_test(test_vma_find),  cmocka_unit_test(test_verdict_names),
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_no_numbers),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
