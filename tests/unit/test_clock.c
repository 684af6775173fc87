/* Time: durations as people write them, and nothing else; wall time as RFC 3339. */
#include "base/clock.h"
#include "base/own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = { { "250ms", 250 * NS_PER_MS }, { "30s", 30 * NS_PER_S },
		{ "10m", 600 * NS_PER_S }, { "1h30m", 5400 * NS_PER_S }, { "2h", 7200 * NS_PER_S },
		{ "1.5s", 1500 * NS_PER_MS }, { "5us", 5000 }, { "0s", 0 },
		{ "1m1s1ms", 61001 * NS_PER_MS }, { "0.001s", NS_PER_MS } };
	static const char *const bad[] = { "", "30", "12abc", "-5s", "+5s", "s", "5 s", " 5s",
		"5s ", "1.s", ".5s", "5S", "5sec", "1h30", "1e3s", "99999999999h",
		"9223372036s9223372036s", "nan", "5d", "0x5s", "5,5s" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t ns = -1;

		assert_int_equal(clock_parse_duration(good[i].text, &ns, NULL), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };
		int64_t ns = -1;

		if (clock_parse_duration(bad[i], &ns, &err) != -1)
			fail_msg("\"%s\" was taken as a duration", bad[i]);
		assert_int_equal(ns, -1);
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text, "30s")); /* says what one looks like */
	}
}

static void test_format(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = { { 250 * NS_PER_MS, "250ms" }, { 1840 * NS_PER_MS, "1.84s" },
		{ 30 * NS_PER_S, "30s" }, { 600 * NS_PER_S, "10m" }, { 5400 * NS_PER_S, "1h30m" },
		{ 7200 * NS_PER_S, "2h" }, { 150 * NS_PER_S, "2m30s" }, { 0, "0s" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[CLOCK_DURATION_BYTES];

		clock_format_duration(cases[i].ns, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* What is printed for a round value reads back as the same. */
static void test_format_reads_back(void **state)
{
	(void)state;
	for (int64_t s = 0; s < 100000; s += 37) {
		char text[CLOCK_DURATION_BYTES];
		int64_t ns = -1;

		clock_format_duration(s * NS_PER_S, text);
		assert_int_equal(clock_parse_duration(text, &ns, NULL), 0);
		assert_int_equal(ns, s * NS_PER_S);
	}
}

static void test_rfc3339(void **state)
{
	char text[CLOCK_RFC3339_BYTES];

	(void)state;
	clock_rfc3339(INT64_C(1795532990) * NS_PER_S + 123456789, 0, text);
	assert_string_equal(text, "2026-11-24T15:09:50Z");
	clock_rfc3339(INT64_C(1795532990) * NS_PER_S + 123456789, 1, text);
	assert_string_equal(text, "2026-11-24T15:09:50.123Z");
	clock_rfc3339(0, 1, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

static void test_now(void **state)
{
	int64_t before = clock_now_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_now_ns();

		assert_true(now >= before);
		before = now;
	}
	assert_true(clock_wall_ns() > INT64_C(1700000000) * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_reads_back),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
