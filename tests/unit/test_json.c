/* JSON: whole values only, keys by exact case, absent things as the caller said. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static cJSON *parse(const char *text)
{
	cJSON *json = NULL;
	struct err err = { 0 };

	if (json_parse("the test", text, strlen(text), &json, &err))
		fail_msg("%s", err.text);
	return json;
}

static void test_parse(void **state)
{
	static const char *const bad[] = { "", "{", "{} x", "{}{}", "[1,]", "nul", "{\"a\" 1}",
		"\"open", "[1] ]" };

	(void)state;
	cJSON_Delete(parse(" {\"a\": [1, 2]} \n"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cJSON *json = NULL;
		struct err err = { 0 };

		assert_int_equal(json_parse("the test", bad[i], strlen(bad[i]), &json, &err), -1);
		assert_null(json);
		assert_int_equal(err.code, ERR_FORMAT);
		assert_int_equal(strncmp(err.text, "the test: ", 10), 0);
	}
}

/* The length counts, not a NUL: what follows in memory is not the text's. */
static void test_parse_length(void **state)
{
	const char text[] = { '[', '1', ']', '}' };
	cJSON *json = NULL;

	(void)state;
	assert_int_equal(json_parse("the test", text, 3, &json, NULL), 0);
	assert_int_equal(json_int(json, -1, "0", NULL), 1);
	cJSON_Delete(json);
	json = NULL;
	assert_int_equal(json_parse("the test", text, 4, &json, NULL), -1);
	assert_int_equal(json_parse("the test", text, 2, &json, NULL), -1);
}

static void test_deep_nesting(void **state)
{
	static char deep[200001];
	cJSON *json = NULL;
	struct err err;

	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	assert_int_equal(json_parse("deep", deep, sizeof(deep) - 1, &json, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
}

static void test_walk(void **state)
{
	OWN_JSON cJSON *json = parse(
		"{\"meta\": {\"name\": \"x\", \"Name\": \"y\"}, \"n\": 3, "
		"\"list\": [{\"a\": 1.5}, {\"a\": 2}], \"t\": true, \"z\": null}");

	(void)state;
	assert_string_equal(json_str(json, "meta", "name", NULL), "x");
	assert_string_equal(json_str(json, "meta", "Name", NULL), "y");
	assert_null(json_str(json, "META", "name", NULL));
	assert_null(json_str(json, "n", NULL)); /* no string */
	assert_null(json_str(json, "n", "deeper", NULL));
	assert_null(json_str(NULL, "n", NULL));
	assert_ptr_equal(json_at(json, NULL), json);
	assert_true(json_num(json, -1, "list", "0", "a", NULL) == 1.5);
	assert_int_equal(json_int(json, -1, "list", "1", "a", NULL), 2);
	assert_int_equal(json_int(json, -1, "list", "2", "a", NULL), -1);
	assert_int_equal(json_int(json, -1, "list", "x", NULL), -1);
	assert_int_equal(json_int(json, -1, "list", "-1", "a", NULL), -1);
	assert_int_equal(json_int(json, -7, "meta", NULL), -7);
	assert_true(json_bool(json, false, "t", NULL));
	assert_true(json_bool(json, true, "n", NULL)); /* no bool: as the caller said */
	assert_false(json_bool(json, false, "z", NULL));
}

static void test_numbers(void **state)
{
	OWN_JSON cJSON *json = parse("[9007199254740992, -5, 1e300, 1e18]");

	(void)state;
	assert_int_equal(json_int(json, 0, "0", NULL), INT64_C(9007199254740992));
	assert_int_equal(json_int(json, 0, "1", NULL), -5);
	assert_int_equal(json_int(json, 42, "2", NULL), 42); /* fits no int64_t */
	assert_int_equal(json_int(json, 0, "3", NULL), INT64_C(1000000000000000000));
}

static void test_write(void **state)
{
	OWN_JSON cJSON *json = json_object("a", "1", "b", "q\"", NULL, NULL);
	OWN_MEM char *text = NULL;

	(void)state;
	json_add_int(json, "big", INT64_C(9223372036854775807));
	json_add_int(json, "low", INT64_MIN);
	json_add_str(json, "none", NULL);
	json_add_str(json, "s", "line\n");
	text = json_print(json);
	assert_string_equal(text, "{\"a\":\"1\",\"b\":\"q\\\"\",\"big\":9223372036854775807,"
				  "\"low\":-9223372036854775808,\"s\":\"line\\n\"}");
}

static void test_object_stops(void **state)
{
	OWN_JSON cJSON *json = json_object("a", "1", "b", NULL, "c", "3", NULL);
	OWN_MEM char *text = json_print(json);

	(void)state;
	assert_string_equal(text, "{\"a\":\"1\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_length),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_object_stops),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
