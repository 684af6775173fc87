/* Records that know too little: whatever is missing in them, they are not judged as if it were
 * there. */
#include "reports/report.h"
#include "tests/support/fake_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define EXPECTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct fake f;
static struct result *result;

static int setup(void **state)
{
	(void)state;
	fake_begin(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	result_free(result);
	result = NULL;
	fake_end(&f);
	return 0;
}

static void judge(void)
{
	struct err err = { 0 };

	fake_close(&f);
	if (report_build(f.dir, false, &result, &err))
		fail_msg("%s", err.text);
}

/* `says`: part of the message; NULL: there is none. */
static void expect(const char *name, enum verdict verdict, const char *says)
{
	const struct result_case *c = NULL;

	for (size_t i = 0; i < result->n_cases && !c; i++)
		if (!strcmp(result->cases[i].name, name))
			c = &result->cases[i];
	if (!c)
		fail_msg("no case \"%s\"", name);
	if (c->verdict != verdict)
		fail_msg("%s is %s, not %s: %s", name, verdict_name(c->verdict),
			verdict_name(verdict), c->message ? c->message : "(no message)");
	if (says ? !c->message || !strstr(c->message, says) : c->message != NULL)
		fail_msg("%s says \"%s\", not \"%s\"", name, c->message ? c->message : "(nothing)",
			says ? says : "(nothing)");
}

/* The baseline, with its gate passed, and the faults begun at 10 s. */
static void until_faults(void)
{
	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_phase(&f, 0, "baseline", "begin");
	fake_samples(&f);
	fake_phase(&f, 10 * S, "baseline", "end");
	fake_event(&f, "gate", "{\"ok\":true}");
	fake_phase(&f, 10 * S, "faults", "begin");
	fake_at(&f, 10 * S, "cookie", "{\"name\":\"eat\",\"mark\":\"begin\"}");
}

static void until_recovered(void)
{
	fake_at(&f, 40 * S, "cookie", "{\"name\":\"eat\",\"mark\":\"end\"}");
	fake_phase(&f, 40 * S, "faults", "end");
	fake_phase(&f, 40 * S, "recovery", "begin");
	fake_phase(&f, 50 * S, "recovery", "end");
}

static void samples_that_stop_early_are_broken(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("availability >= 99.5%", "longest_outage <= 2s"));
	until_faults();
	fake_run(&f, 0, 14 * S, OUTCOME_OK, 20);
	fake_bite(&f, 1, 12 * S, 15 * S);
	until_recovered();
	fake_finish(&f, 53 * S);
	judge();
	expect("token availability", VERDICT_BROKEN, "360 of 500 records of token are lost");
	expect("token longest_outage", VERDICT_BROKEN, "lost");
	assert_int_equal(result->verdict, VERDICT_BROKEN);
}

static void default_is_broken_too_when_samples_stop_early(void **state)
{
	(void)state;
	fake_plan(&f, NULL);
	until_faults();
	fake_run(&f, 0, 14 * S, OUTCOME_OK, 20);
	fake_bite(&f, 1, 12 * S, 15 * S);
	until_recovered();
	fake_finish(&f, 53 * S);
	judge();
	expect("token recovered", VERDICT_BROKEN, "lost");
}

static void a_last_slot_may_be_missing(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("availability >= 99.5%"));
	until_faults();
	fake_run(&f, 0, 49800 * MS, OUTCOME_OK, 20);
	fake_bite(&f, 1, 12 * S, 15 * S);
	until_recovered();
	fake_finish(&f, 53 * S);
	judge();
	expect("token availability", VERDICT_PASS, NULL);
}

static void a_replacement_behind_recovery_comes_too_late(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("availability >= 99.5%"));
	until_faults();
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 20);
	fake_bite(&f, 1, 12 * S, -1);
	until_recovered();
	fake_at(&f, 50 * S + MS, "target",
		"{\"bite\":\"eat/1\",\"target\":0,\"state\":\"ready\",\"name\":\"n\",\"uid\":\"n1\"}");
	fake_finish(&f, 53 * S);
	judge();
	expect("eat bites", VERDICT_PASS, NULL);
	expect("eat recovered", VERDICT_FAIL, "1 of 1 bites not recovered by the end");
	assert_false(result->bites[0].recovered);
	assert_int_equal(result->verdict, VERDICT_FAIL);
}

static void criteria_that_were_all_skipped_say_nothing(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("sla"), 50 * S, 50 * S);
	fake_event(&f, "case",
		"{\"verifier\":\"token\",\"name\":\"sla: x\",\"verdict\":\"skip\",\"message\":\"off\"}");
	judge();
	expect("token sla", VERDICT_BROKEN, "no criterion was judged");
	assert_int_equal(result->verdict, VERDICT_BROKEN);
}

static void a_verifier_that_never_saw_the_faults_is_not_recovered(void **state)
{
	(void)state;
	fake_plan(&f, NULL);
	fake_event(
		&f, "verifier", "{\"name\":\"token\",\"mark\":\"plan\",\"phases\":[\"baseline\"]}");
	until_faults();
	fake_run(&f, 0, 10 * S, OUTCOME_OK, 20);
	fake_bite(&f, 1, 12 * S, 15 * S);
	until_recovered();
	fake_finish(&f, 53 * S);
	judge();
	expect("token recovered", VERDICT_BROKEN, "no samples in chaos");
}

static void percentiles_do_not_pass_over_failures(void **state)
{
	(void)state;
	/* 300 of 400 refused: the 100 that were ok were fast */
	fake_whole(&f, EXPECTS("p99 <= 2s", "p50 <= 2s", "max <= 2s"), 15 * S, 45 * S);
	judge();
	expect("token p99", VERDICT_FAIL,
		"p99, expected <= 2s, is not kept: 300 of 400 samples failed and have no latency");
	expect("token p50", VERDICT_FAIL, "300 of 400");
	expect("token max", VERDICT_PASS, NULL); /* of those that were answered */
}

static void percentiles_are_of_the_others_where_failures_have_a_limit(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("availability >= 90%", "p99 <= 2s"), 15 * S, 18 * S); /* 30 of 400 */
	judge();
	expect("token availability", VERDICT_PASS, NULL);
	expect("token p99", VERDICT_PASS, NULL);
}

static void percentiles_leave_their_share_of_failures_aside(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("p99 <= 2s", "p999 <= 2s"), 24100 * MS, 24500 * MS); /* 4 of 400 */
	judge();
	expect("token p99", VERDICT_PASS, NULL);
	expect("token p999", VERDICT_BROKEN, "of 1000 ok samples needed");
}

static void a_control_probe_that_stops_early_clears_nobody(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("availability >= 99.5%"));
	fake_event(&f, "verifier",
		"{\"name\":\"control\",\"kind\":\"http\",\"mark\":\"plan\",\"control\":true,"
		"\"period\":100000000,\"timeout\":2000000000}");
	until_faults();
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 20);
	fake_samples_of(&f, "control", "control.samples", 100 * MS);
	fake_run(&f, 0, 20 * S, OUTCOME_OK, 1);
	fake_bite(&f, 1, 12 * S, 15 * S);
	until_recovered();
	fake_finish(&f, 53 * S);
	judge();
	expect("run completed", VERDICT_BROKEN, "control: 300 of 500 records of control are lost");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(samples_that_stop_early_are_broken),
		TEST(default_is_broken_too_when_samples_stop_early),
		TEST(a_last_slot_may_be_missing),
		TEST(a_replacement_behind_recovery_comes_too_late),
		TEST(criteria_that_were_all_skipped_say_nothing),
		TEST(a_verifier_that_never_saw_the_faults_is_not_recovered),
		TEST(percentiles_do_not_pass_over_failures),
		TEST(percentiles_are_of_the_others_where_failures_have_a_limit),
		TEST(percentiles_leave_their_share_of_failures_aside),
		TEST(a_control_probe_that_stops_early_clears_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
