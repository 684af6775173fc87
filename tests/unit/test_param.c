/* Parameter tables: every type, its limits, its defaults, and what is no value of it. */
#include "base/near.h"
#include "base/own.h"
#include "base/param.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct things {
	char *text;
	bool on;
	int64_t count, wait_ns;
	double ratio, loss;
	int colour;
	struct strings args;
};

static const char *const colours[] = { "red", "green", NULL };
static const struct param table[] = {
	{ .name = "text",
		.type = PARAM_STRING,
		.offset = offsetof(struct things, text),
		.def = "a" },
	{ .name = "on", .type = PARAM_BOOL, .offset = offsetof(struct things, on), .def = "true" },
	{ .name = "count",
		.type = PARAM_INT,
		.offset = offsetof(struct things, count),
		.def = "3",
		.min = 1,
		.max = 256 },
	{ .name = "wait",
		.type = PARAM_DURATION,
		.offset = offsetof(struct things, wait_ns),
		.def = "90s",
		.min = 0.001,
		.max = 3600 },
	{ .name = "ratio",
		.type = PARAM_NUMBER,
		.offset = offsetof(struct things, ratio),
		.def = "2.5",
		.min = 1,
		.max = -1 },
	{ .name = "loss", .type = PARAM_PERCENT, .offset = offsetof(struct things, loss) },
	{ .name = "colour",
		.type = PARAM_ENUM,
		.offset = offsetof(struct things, colour),
		.def = "green",
		.choices = colours },
	{ .name = "args", .type = PARAM_STRINGS, .offset = offsetof(struct things, args) },
	PARAM_END,
};

static void defaults_fill_the_struct(void **state)
{
	struct things things = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(param_defaults(table, &things, &err), 0);
	assert_string_equal(things.text, "a");
	assert_true(things.on);
	assert_int_equal(things.count, 3);
	assert_int_equal(things.wait_ns, INT64_C(90000000000));
	assert_true(things.ratio == 2.5);
	assert_int_equal(things.colour, 1);
	assert_null(things.args.v);
	param_done(table, &things);
	assert_null(things.text);
}

static void values_replace_and_lists_grow(void **state)
{
	struct things things = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(param_defaults(table, &things, &err), 0);
	assert_int_equal(param_set(param_find(table, "text"), &things, "bb", &err), 0);
	assert_string_equal(things.text, "bb");
	assert_int_equal(param_set(param_find(table, "on"), &things, "false", &err), 0);
	assert_false(things.on);
	assert_int_equal(param_set(param_find(table, "loss"), &things, "1.5%", &err), 0);
	assert_true(things.loss == 1.5);
	assert_int_equal(param_append(param_find(table, "args"), &things, "x", &err), 0);
	assert_int_equal(param_append(param_find(table, "args"), &things, "y", &err), 0);
	assert_int_equal(things.args.n, 2);
	assert_string_equal(things.args.v[1], "y");
	assert_null(things.args.v[2]);
	assert_int_equal(param_set(param_find(table, "args"), &things, "z", &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	assert_int_equal(param_append(param_find(table, "text"), &things, "z", &err), -1);
	assert_null(param_find(table, "nothing"));
	param_done(table, &things);
	param_done(table, NULL);
}

static void what_is_no_value_is_refused(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} rows[] = {
		{ "on", "flase", "\"flase\" is not a bool: write true or false" },
		{ "on", "yes", "\"yes\" is not a bool: write true or false" },
		{ "on", "", "\"\" is not a bool: write true or false" },
		{ "count", "010", "\"010\" is not a plain integer, like 3" },
		{ "count", "0x10", "\"0x10\" is not a plain integer, like 3" },
		{ "count", "1.5", "\"1.5\" is not a plain integer, like 3" },
		{ "count", "12abc", "\"12abc\" is not a plain integer, like 3" },
		{ "count", "+1", "\"+1\" is not a plain integer, like 3" },
		{ "count", " 1", "\" 1\" is not a plain integer, like 3" },
		{ "count", "99999999999999999999",
			"99999999999999999999 is too large for an integer" },
		{ "count", "0", "0 is out of range: 1 to 256" },
		{ "count", "257", "257 is out of range: 1 to 256" },
		{ "wait", "30",
			"\"30\" is not a duration: write a number with a unit, like 250ms, 30s, 10m, 1h30m" },
		{ "wait", "2h", "2h is out of range: 1ms to 1h" },
		{ "ratio", "0.5", "0.5 is too small: at least 1" },
		{ "ratio", "nan", "\"nan\" is not a number, like 2.5" },
		{ "ratio", "0x1p3", "\"0x1p3\" is not a number, like 2.5" },
		{ "loss", "1", "\"1\" is not a percentage, like 1%" },
		{ "loss", "101%", "101% is out of range: 0% to 100%" },
		{ "colour", "blue", "\"blue\" is not one of: red, green" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct things things = { 0 };
		struct err err = { 0 };

		if (!param_set(param_find(table, rows[i].name), &things, rows[i].text, &err))
			fail_msg("%s: %s was taken", rows[i].name, rows[i].text);
		assert_string_equal(err.text, rows[i].message);
	}
}

static const char *word(void *arg, size_t i)
{
	return ((const char *const *)arg)[i];
}

static void near_names(void **state)
{
	const char *words[] = { "name", "namespace", "timeout", "rate", "every", NULL };

	(void)state;
	assert_string_equal(name_near("nmae", word, words), "name");
	assert_string_equal(name_near("timout", word, words), "timeout");
	assert_string_equal(name_near("Rate", word, words), "rate");
	assert_string_equal(name_near("namespaces", word, words), "namespace");
	assert_null(name_near("selector", word, words));
	assert_null(name_near("x", word, words));
	assert_null(name_near("", word, words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fill_the_struct),
		cmocka_unit_test(values_replace_and_lists_grow),
		cmocka_unit_test(what_is_no_value_is_refused),
		cmocka_unit_test(near_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
