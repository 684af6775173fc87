/* Expectations as text: what is taken, how it is written back, what is refused and why. */
#include "base/own.h"
#include "reports/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void texts_become_limits(void **state)
{
	static const struct {
		const char *text;
		struct expectation e;
		const char *canonical;
	} rows[] = {
		{ "availability >= 99.5%", { METRIC_AVAILABILITY, OP_GE, 99.5, WINDOW_CHAOS },
			"availability >= 99.5%" },
		{ "  longest_outage<=2s  during   faults ",
			{ METRIC_LONGEST_OUTAGE, OP_LE, 2e9, WINDOW_FAULTS },
			"longest_outage <= 2s during faults" },
		{ "p99 < 250ms during run", { METRIC_P99, OP_LT, 250e6, WINDOW_RUN },
			"p99 < 250ms during run" },
		{ "max <= 1234ms", { METRIC_MAX, OP_LE, 1234e6, WINDOW_CHAOS }, "max <= 1234ms" },
		{ "errors == 0", { METRIC_ERRORS, OP_EQ, 0, WINDOW_CHAOS }, "errors == 0" },
		{ "rate > 19.5/s during baseline", { METRIC_RATE, OP_GT, 19.5, WINDOW_BASELINE },
			"rate > 19.5/s during baseline" },
		{ "samples >= 1 during chaos", { METRIC_SAMPLES, OP_GE, 1, WINDOW_CHAOS },
			"samples >= 1" },
		{ "downtime <= 1m30s during recovery",
			{ METRIC_DOWNTIME, OP_LE, 90e9, WINDOW_RECOVERY },
			"downtime <= 90s during recovery" },
		{ "sla", { METRIC_SLA, OP_GE, 0, WINDOW_CHAOS }, "sla" },
		{ "recovered", { METRIC_RECOVERED, OP_GE, 0, WINDOW_CHAOS }, "recovered" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct expectation e;
		struct err err;
		char text[EXPECTATION_BYTES];

		if (expectation_parse(rows[i].text, false, &e, &err))
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(e.metric, rows[i].e.metric);
		assert_int_equal(e.op, rows[i].e.op);
		assert_true(e.value == rows[i].e.value);
		assert_int_equal(e.window, rows[i].e.window);
		expectation_format(&e, text);
		assert_string_equal(text, rows[i].canonical);
	}
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text;
		bool of_cookie;
		const char *message;
	} rows[] = {
		{ "", false,
			"expected \"metric op value [during window]\", like availability >= 99.5%" },
		{ "availabilty >= 99%", false,
			"unknown metric \"availabilty\"; did you mean \"availability\"?" },
		{ "happiness >= 99%", false,
			"unknown metric \"happiness\" (`crumble list` names them)" },
		{ "bites >= 1 during baseline", true,
			"cookies bite in the faults phase: no bites during baseline" },
		{ "bites <= 1 during recovery", true,
			"cookies bite in the faults phase: no bites during recovery" },
		{ "bites >= 1", false, "\"bites\" is a metric of cookies, not of verifiers" },
		{ "availability >= 1%", true,
			"\"availability\" is a metric of verifiers, not of cookies" },
		{ "p99 2s", false, "expected >=, <=, >, < or == before \"2s\"" },
		{ "p99 => 2s", false, "expected >=, <=, >, < or == before \"=> 2s\"" },
		{ "p99", false, "expected >=, <=, >, < or == at the end" },
		{ "p99 <=", false, "the limit is missing at the end" },
		{ "p99 <= 2", false,
			"\"2\" is not a duration: write a number with a unit, like 250ms, 30s, 10m, 1h30m" },
		{ "availability >= 99", false, "\"99\" is not a percentage, like 99.9%" },
		{ "availability >= 101%", false, "101% is more than 100%" },
		{ "availability >= 0x10%", false, "\"0x10%\" is not a percentage, like 99.9%" },
		{ "errors <= 1.5", false, "\"1.5\" is not a count, like 8" },
		{ "errors <= -1", false, "\"-1\" is not a count, like 8" },
		{ "rate >= 20", false, "\"20\" is not a rate, like 20/s" },
		{ "sla >= 1", false, "\"sla\" stands alone, without a limit or a window" },
		{ "p99 <= 2s in faults", false,
			"expected \"during\" and a window, or the end, instead of \"in\"" },
		{ "p99 <= 2s during fault", false,
			"unknown window \"fault\" (baseline, faults, recovery, chaos, run); "
			"did you mean \"faults\"?" },
		{ "p99 <= 2s during faults please", false,
			"text behind the expectation: \"please\"" },
		{ "p99 <= 2s < 3s", false,
			"expected \"during\" and a window, or the end, instead of \"< 3s\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct expectation e;
		struct err err = { 0 };

		if (!expectation_parse(rows[i].text, rows[i].of_cookie, &e, &err))
			fail_msg("\"%s\" was taken", rows[i].text);
		assert_string_equal(err.text, rows[i].message);
		assert_int_equal(err.code, ERR_CONFIG);
	}
}

static bool collide(const char *a, const char *b)
{
	struct expectation x, y;
	struct err err;

	assert_int_equal(expectation_parse(a, false, &x, &err), 0);
	assert_int_equal(expectation_parse(b, false, &y, &err), 0);
	assert_int_equal(expectation_collides(&x, &y), expectation_collides(&y, &x));
	return expectation_collides(&x, &y);
}

static void two_limits_of_one_direction_collide(void **state)
{
	(void)state;
	assert_true(collide("p99 <= 2s", "p99 < 1s"));
	assert_true(collide("errors == 0", "errors <= 3"));
	assert_true(collide("sla", "sla"));
	assert_true(collide("p99 <= 2s during chaos", "p99 <= 1s"));
	assert_false(collide("rate >= 1/s", "rate <= 2/s"));
	assert_false(collide("p99 <= 2s", "p95 <= 2s"));
	assert_false(collide("p99 <= 2s", "p99 <= 2s during faults"));
}

static void every_metric_is_described(void **state)
{
	(void)state;
	for (int i = 0; i < METRIC_COUNT; i++) {
		assert_true(strlen(metric_name((enum metric)i)) > 2);
		assert_true(strlen(metric_doc((enum metric)i)) > 8);
	}
	assert_true(metric_of_cookies(METRIC_BITES));
	assert_false(metric_of_cookies(METRIC_SAMPLES));
	assert_int_equal(metric_needs(METRIC_P99), 100);
	assert_int_equal(metric_needs(METRIC_P999), 1000);
	assert_string_equal(window_name(WINDOW_RECOVERY), "recovery");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_become_limits),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(two_limits_of_one_direction_collide),
		cmocka_unit_test(every_metric_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
