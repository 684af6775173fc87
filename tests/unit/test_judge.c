/* Verdicts: each rule that makes a run FAIL or BROKEN, beside its honest twin. */
#include "base/buf.h"
#include "reports/report.h"
#include "tests/support/fake_record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

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

static void judge_as(bool ending)
{
	struct err err = { 0 };

	result_free(result);
	result = NULL;
	if (report_build(f.dir, ending, &result, &err))
		fail_msg("%s", err.text);
}

static void judge(void)
{
	fake_close(&f);
	judge_as(false);
}

static const struct result_case *find(const char *name)
{
	for (size_t i = 0; i < result->n_cases; i++)
		if (!strcmp(result->cases[i].name, name))
			return &result->cases[i];
	fail_msg("no case \"%s\"", name);
	return NULL;
}

/* `says`: part of the message; NULL: there is none. */
static void expect(const char *name, enum verdict verdict, const char *says)
{
	const struct result_case *c = find(name);

	if (c->verdict != verdict)
		fail_msg("%s is %s, not %s: %s", name, verdict_name(c->verdict),
			verdict_name(verdict), c->message ? c->message : "(no message)");
	if (says ? !c->message || !strstr(c->message, says) : c->message != NULL)
		fail_msg("%s says \"%s\", not \"%s\"", name, c->message ? c->message : "(nothing)",
			says ? says : "(nothing)");
}

static void expect_exit(enum verdict verdict, int code)
{
	assert_int_equal(result->verdict, verdict);
	assert_int_equal(result->exit_code, code);
}

/* ---- a good run ---- */

static void a_good_run_passes(void **state)
{
	static const char *const names[] = { "preflight", "steady state", "eat bites",
		"eat recovered", "token availability", "token longest_outage",
		"token p99 in faults", "run completed", "nothing left behind" };

	(void)state;
	fake_whole(&f,
		EXPECTS("availability >= 99.5%", "longest_outage <= 2s", "p99 <= 2s during faults"),
		50 * S, 50 * S);
	judge();
	assert_int_equal(result->n_cases, 9);
	for (size_t i = 0; i < 9; i++) {
		assert_string_equal(result->cases[i].name, names[i]);
		expect(names[i], VERDICT_PASS, NULL);
	}
	expect_exit(VERDICT_PASS, 0);
	assert_true(result->complete);
	assert_int_equal(result->n_bites, 2);
	assert_true(result->bites[1].proved && result->bites[1].recovered);
	assert_int_equal(result->verifiers[0].samples, 500);
	assert_true(find("token availability")->value == 100);
	assert_int_equal(find("token availability")->n, 400);
}

static void without_expectations_there_are_defaults(void **state)
{
	(void)state;
	fake_whole(&f, NULL, 50 * S, 50 * S);
	judge();
	expect("eat bites", VERDICT_PASS, NULL);
	expect("token recovered", VERDICT_PASS, NULL);
	expect_exit(VERDICT_PASS, 0);
}

/* ---- limits ---- */

static void a_broken_limit_names_bite_target_and_time(void **state)
{
	const struct result_case *c;

	(void)state;
	fake_whole(&f,
		EXPECTS("availability >= 99.5%", "longest_outage <= 500ms", "errors <= 10",
			"downtime <= 1s", "errors <= 19 during faults"),
		12100 * MS, 14 * S);
	judge();
	expect("token availability", VERDICT_FAIL, "95.25%");
	expect("token availability", VERDICT_FAIL, "caused by eat/1: pod openstack/api-1");
	expect("token longest_outage", VERDICT_FAIL, "t+12.0s");
	expect("token errors", VERDICT_FAIL, "19");
	expect("token downtime", VERDICT_FAIL, "1.9s ±100ms");
	expect("token errors in faults", VERDICT_PASS, NULL);
	expect_exit(VERDICT_FAIL, 1);
	c = find("token longest_outage");
	assert_string_equal(c->bite, "eat/1");
	assert_string_equal(c->type, "crumble.AssertionFailed");
	assert_true(c->low == 1800e6 && c->high == 2000e6 && c->value == 1900e6);
	assert_int_equal(c->line, 21);
	assert_int_equal(result->n_outages, 1);
	assert_string_equal(result->outages[0].class, "caused");
	assert_string_equal(result->outages[0].phase, "faults");
}

static void bounds_on_both_sides_of_the_limit_are_undecided(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("longest_outage <= 1950ms", "downtime <= 2s"), 12100 * MS, 14 * S);
	judge();
	expect("token longest_outage", VERDICT_BROKEN, "both sides of the limit");
	expect("token downtime", VERDICT_PASS, NULL);
	expect_exit(VERDICT_BROKEN, 3);
}

static void an_outage_without_end_is_never_within_a_limit(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("longest_outage <= 30s", "downtime <= 1s"), 48 * S, 50 * S);
	judge();
	expect("token longest_outage", VERDICT_BROKEN, "at least 1.9s");
	expect("token downtime", VERDICT_FAIL, ">= 1.9s");
	assert_true(result->outages[0].censored_end);
}

static void too_little_data_is_broken_and_says_what_to_use(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("p999 <= 1s", "p99 <= 1s", "p99 <= 1s during recovery"), 50 * S,
		50 * S);
	judge();
	expect("token p999", VERDICT_BROKEN, "400 of 1000 ok samples needed for p999; use p99");
	expect("token p99", VERDICT_PASS, NULL);
	expect("token p99 in recovery", VERDICT_PASS, NULL); /* exactly 100 */
	assert_true(isnan(find("token p999")->value));
	expect_exit(VERDICT_BROKEN, 3);
}

static void samples_fall_short_by_the_runners_fault(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("samples >= 401", "samples >= 100 during baseline"), 50 * S, 50 * S);
	judge();
	expect("token samples", VERDICT_BROKEN, "fell short, not the service");
	expect("token samples in baseline", VERDICT_PASS, NULL);
}

static void limits_in_both_directions_have_names_of_their_own(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("rate >= 5/s", "rate <= 8/s"), 50 * S, 50 * S);
	judge();
	expect("token rate (min)", VERDICT_PASS, NULL);
	expect("token rate (max)", VERDICT_FAIL, "10/s");
}

/* ---- verifiers of which nothing can be said ---- */

static void missed_samples_beyond_one_percent_are_broken(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("availability >= 50%"), 50 * S, 50 * S);
	fake_run(&f, 50 * S, 50 * S + 500 * MS, OUTCOME_MISSED, 0);
	judge_as(false);
	expect("token availability", VERDICT_PASS, NULL); /* 5 of 505 */
	fake_run(&f, 50 * S + 500 * MS, 50 * S + 600 * MS, OUTCOME_MISSED, 0);
	judge();
	expect("token availability", VERDICT_BROKEN, "missed");
}

static void lost_records_beyond_one_percent_are_broken(void **state)
{
	struct sample s = { .due_ns = 49 * S + 950 * MS, .done_us = 10 };

	(void)state;
	fake_whole(&f, EXPECTS("availability >= 50%"), 50 * S, 50 * S);
	f.seq += 5; /* 5 of 506 */
	fake_sample(&f, &s);
	judge_as(false);
	expect("token availability", VERDICT_PASS, NULL);
	f.seq += 1;
	fake_sample(&f, &s);
	judge();
	expect("token availability", VERDICT_BROKEN, "records of token are lost");
}

static void plan(const char *expect_text)
{
	const char *expects[] = { expect_text, NULL };

	fake_plan(&f, expects);
	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_phase(&f, 0, "baseline", "begin");
	fake_event(&f, "gate", "{\"ok\":true}");
	fake_phase(&f, 10 * S, "baseline", "end");
	fake_phase(&f, 10 * S, "faults", "begin");
}

static void rest(void)
{
	fake_phase(&f, 40 * S, "faults", "end");
	fake_phase(&f, 40 * S, "recovery", "begin");
	fake_phase(&f, 50 * S, "recovery", "end");
	fake_finish(&f, 53 * S);
}

static void no_samples_are_broken(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_samples(&f);
	fake_bite(&f, 1, 12 * S, 15 * S);
	rest();
	judge();
	expect("token errors", VERDICT_BROKEN, "token has no samples");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_missing_samples_file_is_broken(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_event(&f, "verifier",
		"{\"name\":\"token\",\"mark\":\"begin\",\"file\":\"gone.samples\"}");
	fake_bite(&f, 1, 12 * S, 15 * S);
	rest();
	judge();
	expect("token errors", VERDICT_BROKEN, "gone.samples");
}

static void no_samples_in_the_window_are_broken(void **state)
{
	(void)state;
	plan("errors <= 5 during recovery");
	fake_event(&f, "verifier",
		"{\"name\":\"token\",\"mark\":\"plan\",\"phases\":[\"baseline\",\"faults\"]}");
	fake_samples(&f);
	fake_run(&f, 0, 40 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	rest();
	judge();
	expect("token errors in recovery", VERDICT_BROKEN, "no samples in recovery");
}

/* ---- back at the end ---- */

static void down_at_the_end_is_not_recovered(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("recovered"), 49900 * MS, 50 * S);
	judge();
	expect("token recovered", VERDICT_FAIL, "9 of its last 10 samples are ok");
}

static void slow_at_the_end_is_not_recovered(void **state)
{
	(void)state;
	plan("recovered");
	fake_samples(&f);
	for (int64_t due = 0; due < 10 * S; due += 200 * MS) { /* a baseline of 20 +-5 ms */
		fake_run(&f, due, due + 100 * MS, OUTCOME_OK, 15);
		fake_run(&f, due + 100 * MS, due + 200 * MS, OUTCOME_OK, 25);
	}
	fake_run(&f, 10 * S, 48 * S, OUTCOME_OK, 20);
	fake_run(&f, 48 * S - 100 * MS, 50 * S, OUTCOME_OK, 39);
	fake_bite(&f, 1, 12 * S, 15 * S);
	rest();
	judge_as(false);
	expect("token recovered", VERDICT_PASS, NULL); /* within 4 sigma */
	fake_run(&f, 48 * S - 100 * MS, 50 * S, OUTCOME_OK, 45);
	judge();
	expect("token recovered", VERDICT_FAIL, "baseline's mean + 4 sigma");
}

/* ---- cookies ---- */

static void a_cookie_that_bit_nothing_says_why(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	for (int i = 0; i < 3; i++)
		fake_at(&f, (11 + i) * S, "bite.skip",
			"{\"cookie\":\"eat\",\"due\":1,\"reason\":\"only one pod available, doing nothing\","
			"\"workload\":{\"kind\":\"deployment\",\"namespace\":\"openstack\",\"name\":\"api\"}}");
	rest();
	judge();
	expect("eat bites", VERDICT_BROKEN,
		"eat bit nothing: deployment openstack/api: only one pod available, doing nothing");
	expect("eat recovered", VERDICT_SKIP, "no proved bite");
	expect("token errors", VERDICT_PASS, NULL);
	expect_exit(VERDICT_BROKEN, 3);
	assert_int_equal(result->n_skips, 1);
	assert_int_equal(result->skips[0].times, 3);
}

static void too_few_bites_are_broken_not_failed(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_event(&f, "expect", "{\"of\":\"eat\",\"role\":\"cookie\",\"text\":\"bites <= 5\"}");
	fake_event(&f, "expect", "{\"of\":\"eat\",\"role\":\"cookie\",\"text\":\"bites > 2\"}");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_bite(&f, 2, 22 * S, 25 * S);
	rest();
	judge();
	expect("eat bites (max)", VERDICT_PASS, NULL);
	assert_int_equal(result->cases[2].verdict, VERDICT_PASS); /* >= 1 */
	expect("eat bites (min) (2)", VERDICT_BROKEN, "fell short");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_bite_without_proof_is_broken(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_at(&f, 30 * S, "bite.intent",
		"{\"bite\":\"eat/3\",\"cookie\":\"eat\",\"due\":1,\"targets\":[{\"kind\":\"pod\","
		"\"namespace\":\"openstack\",\"name\":\"api-3\",\"uid\":\"u3\"}]}");
	fake_event(&f, "bite.sent", "{\"bite\":\"eat/3\"}");
	judge();
	expect("eat bites", VERDICT_BROKEN,
		"eat/3: pod openstack/api-3, at t+30.0s: nothing shows");
	expect("eat recovered", VERDICT_PASS, NULL);
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_disproved_bite_is_broken_with_its_evidence(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_event(&f, "bite.proof",
		"{\"bite\":\"eat/2\",\"verdict\":\"disproved\",\"evidence\":\"UID u2 is still there\"}");
	judge();
	expect("eat bites", VERDICT_BROKEN, "UID u2 is still there");
}

static void a_kill_without_replacement_fails(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_bite(&f, 2, 22 * S, -1);
	rest();
	judge();
	expect("eat bites", VERDICT_PASS, NULL);
	expect("eat recovered", VERDICT_FAIL, "eat/2: pod openstack/api-2");
	assert_string_equal(find("eat recovered")->bite, "eat/2");
	expect_exit(VERDICT_FAIL, 1);
}

/* ---- what a scenario lacks ---- */

static void run_event(void)
{
	fake_at(&f, 0, "run", "{\"format\":1,\"id\":\"x\",\"scenario\":\"bare\"}");
	fake_event(&f, "preflight", "{\"ok\":true}");
}

static void a_scenario_without_cookie_is_broken(void **state)
{
	(void)state;
	run_event();
	fake_event(
		&f, "verifier", "{\"name\":\"token\",\"mark\":\"plan\",\"phases\":[\"faults\"]}");
	fake_event(
		&f, "expect", "{\"of\":\"token\",\"role\":\"verifier\",\"text\":\"errors <= 1\"}");
	fake_phase(&f, 10 * S, "faults", "begin");
	fake_samples(&f);
	fake_run(&f, 10 * S, 50 * S, OUTCOME_OK, 5);
	rest();
	judge();
	expect("token errors", VERDICT_PASS, NULL);
	expect("run completed", VERDICT_BROKEN, "feeds no cookie");
	expect("steady state", VERDICT_SKIP, "no baseline");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_scenario_without_verifier_is_broken(void **state)
{
	(void)state;
	run_event();
	fake_event(&f, "cookie", "{\"name\":\"eat\",\"mark\":\"plan\",\"instant\":true}");
	fake_phase(&f, 10 * S, "faults", "begin");
	fake_bite(&f, 1, 12 * S, 15 * S);
	rest();
	f.t = 0;
	judge();
	expect("eat bites", VERDICT_PASS, NULL);
	result_free(result);
	result = NULL;
	judge_as(false);
	/* fake_finish tells of "token": a verifier that never had samples */
	expect("token recovered", VERDICT_BROKEN, "no samples");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_scenario_with_neither_is_broken(void **state)
{
	(void)state;
	run_event();
	fake_at(&f, 5 * S, "run.end", "{\"verdict\":\"PASS\",\"exit\":0}");
	judge();
	expect("run completed", VERDICT_BROKEN, "feeds no cookie");
	expect_exit(VERDICT_BROKEN, 3);
}

/* ---- finite verifiers ---- */

static void run_rally(const char *end, int64_t sample_ns)
{
	struct sample s = { .due_ns = sample_ns, .done_us = 300000 };

	plan("errors <= 5");
	fake_event(&f, "verifier",
		"{\"name\":\"rally\",\"kind\":\"rally\",\"mark\":\"plan\",\"finite\":true,\"line\":30}");
	fake_event(&f, "expect",
		"{\"of\":\"rally\",\"role\":\"verifier\",\"text\":\"sla\",\"line\":31}");
	fake_event(&f, "expect",
		"{\"of\":\"rally\",\"role\":\"verifier\",\"text\":\"availability >= 90%%\",\"line\":32}");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_samples_of(&f, "rally", "rally.0.samples", 0);
	fake_sample(&f, &s);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_event(&f, "case",
		"{\"verifier\":\"rally\",\"name\":\"failure_rate\",\"verdict\":\"pass\"}");
	if (end)
		fake_at(&f, 30 * S, "verifier", "%s", end);
	rest();
	judge();
}

static void a_finite_verifier_that_succeeds_passes(void **state)
{
	(void)state;
	run_rally("{\"name\":\"rally\",\"mark\":\"end\",\"ok\":true}", 13 * S);
	expect("rally sla", VERDICT_PASS, NULL);
	expect("rally sla: failure_rate", VERDICT_PASS, NULL);
	expect("rally availability", VERDICT_PASS, NULL);
	expect_exit(VERDICT_PASS, 0);
}

static void a_finite_verifier_beside_the_bites_is_broken(void **state)
{
	(void)state;
	run_rally("{\"name\":\"rally\",\"mark\":\"end\",\"ok\":true}", 25 * S);
	expect("rally sla", VERDICT_BROKEN, "no sample of rally overlaps a bite");
	expect("rally availability", VERDICT_BROKEN, "overlaps");
}

static void a_finite_verifier_that_did_not_end_is_broken(void **state)
{
	(void)state;
	run_rally(NULL, 13 * S);
	expect("rally sla", VERDICT_BROKEN, "still running at the end");
}

static void a_finite_verifier_that_crashed_is_broken(void **state)
{
	(void)state;
	run_rally("{\"name\":\"rally\",\"mark\":\"end\",\"ok\":false,\"message\":\"exit 114\"}",
		13 * S);
	expect("rally availability", VERDICT_BROKEN, "exit 114");
	expect_exit(VERDICT_BROKEN, 3);
}

static void lost_iterations_count_as_not_ok(void **state)
{
	struct sample lost = { .outcome = OUTCOME_LOST,
		.sent_us = SAMPLE_NEVER,
		.first_us = SAMPLE_NEVER,
		.done_us = SAMPLE_NEVER };
	struct sample ok = { .due_ns = 13 * S, .done_us = 300000 };

	(void)state;
	plan("errors <= 5");
	fake_event(&f, "verifier",
		"{\"name\":\"rally\",\"kind\":\"rally\",\"mark\":\"plan\",\"finite\":true}");
	fake_event(&f, "expect",
		"{\"of\":\"rally\",\"role\":\"verifier\",\"text\":\"availability >= 90%%\"}");
	fake_event(&f, "expect",
		"{\"of\":\"rally\",\"role\":\"verifier\",\"text\":\"errors <= 0 during faults\"}");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_samples_of(&f, "rally", "rally.0.samples", 0);
	for (int i = 0; i < 8; i++)
		fake_sample(&f, &ok);
	fake_sample(&f, &lost);
	fake_sample(&f, &lost);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_at(&f, 30 * S, "verifier", "{\"name\":\"rally\",\"mark\":\"end\",\"ok\":true}");
	rest();
	judge();
	expect("rally availability", VERDICT_FAIL, "80%");
	expect("rally errors in faults", VERDICT_PASS, NULL); /* without a place in time */
}

static void a_failed_criterion_fails(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_event(&f, "verifier", "{\"name\":\"rally\",\"mark\":\"plan\",\"finite\":true}");
	fake_event(&f, "expect", "{\"of\":\"rally\",\"role\":\"verifier\",\"text\":\"sla\"}");
	fake_event(&f, "case",
		"{\"verifier\":\"rally\",\"name\":\"sla: failure_rate\",\"verdict\":\"fail\","
		"\"message\":\"33%% > 0%%\"}");
	fake_event(&f, "case",
		"{\"verifier\":\"rally\",\"name\":\"failure_rate\",\"verdict\":\"pass\"}");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_samples_of(&f, "rally", "rally.0.samples", 0);
	fake_run(&f, 12 * S, 13 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_at(&f, 30 * S, "verifier", "{\"name\":\"rally\",\"mark\":\"end\",\"ok\":true}");
	rest();
	judge();
	expect("rally sla", VERDICT_FAIL, "1 of 2 criteria failed: 33% > 0%");
	expect("rally sla: failure_rate", VERDICT_FAIL, "33% > 0%"); /* the worst of one name */
	expect_exit(VERDICT_FAIL, 1);
}

/* ---- the control probe ---- */

static void control(enum outcome outcome, bool samples)
{
	fake_whole(&f, EXPECTS("longest_outage <= 1s", "availability >= 99%"), 12100 * MS, 14 * S);
	fake_event(&f, "verifier",
		"{\"name\":\"control\",\"kind\":\"http\",\"mark\":\"plan\",\"control\":true}");
	fake_samples_of(&f, "control", "control.samples", 100 * MS);
	if (samples) {
		fake_run(&f, 0, 13 * S, OUTCOME_OK, 5);
		fake_run(&f, 13 * S, 13500 * MS, outcome, 5);
		fake_run(&f, 13500 * MS, 50 * S, OUTCOME_OK, 5);
	}
	judge();
}

static void an_outage_that_the_control_probe_shares_is_broken(void **state)
{
	(void)state;
	control(OUTCOME_TIMEOUT, true);
	expect("token longest_outage", VERDICT_BROKEN, "control probe failed");
	expect("token availability", VERDICT_BROKEN, "control probe failed");
	assert_string_equal(result->outages[0].class, "observer");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_good_control_probe_lets_it_fail(void **state)
{
	(void)state;
	control(OUTCOME_OK, true);
	expect("token longest_outage", VERDICT_FAIL, "caused by eat/1");
	expect("token availability", VERDICT_FAIL, "caused by eat/1");
	expect("run completed", VERDICT_PASS, NULL);
}

static void a_blind_control_probe_is_broken(void **state)
{
	(void)state;
	control(OUTCOME_OK, false);
	expect("run completed", VERDICT_BROKEN, "control");
}

/* ---- the run itself ---- */

static void an_error_event_breaks_the_run(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_event(&f, "error", "{\"text\":\"watch ended for good\"}");
	judge();
	expect("run completed", VERDICT_BROKEN, "watch ended for good");
	expect("token errors", VERDICT_PASS, NULL);
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_damaged_journal_breaks_the_run(void **state)
{
	OWN_MEM char *path = str_format("%s/journal.jsonl", f.dir);
	FILE *file;

	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_close(&f);
	file = fopen(path, "a");
	fputs("00000000 {\"t\":1,\"e\":\"note\"}\n", file);
	fclose(file);
	judge_as(false);
	assert_true(result->record_damaged);
	expect("run completed", VERDICT_BROKEN, "damaged");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_torn_last_line_does_not(void **state)
{
	OWN_MEM char *path = str_format("%s/journal.jsonl", f.dir);
	FILE *file;

	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_close(&f);
	file = fopen(path, "a");
	fputs("00000000 {\"t\":1,", file);
	fclose(file);
	judge_as(false);
	expect_exit(VERDICT_PASS, 0);
}

static void a_signal_aborts(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_samples(&f);
	fake_run(&f, 0, 20 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_at(&f, 20 * S, "signal", "{\"signal\":15,\"name\":\"SIGTERM\"}");
	fake_finish(&f, 21 * S);
	judge();
	expect("run completed", VERDICT_BROKEN, "aborted by SIGTERM after 20.0 s in phase faults");
	assert_string_equal(find("run completed")->type, "crumble.Aborted");
	expect("token errors", VERDICT_SKIP, "not run: run aborted");
	expect("eat bites", VERDICT_SKIP, "not run: run aborted");
	expect("steady state", VERDICT_PASS, NULL);
	expect("nothing left behind", VERDICT_PASS, NULL);
	assert_int_equal(result->exit_code, 143);
}

static void an_unsteady_baseline_skips_the_rest(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5", "availability >= 99% during baseline"));
	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_phase(&f, 0, "baseline", "begin");
	fake_phase(&f, 10 * S, "baseline", "end");
	fake_event(&f, "gate", "{\"ok\":false,\"message\":\"token: availability is 90%%\"}");
	fake_finish(&f, 11 * S);
	judge();
	expect("steady state", VERDICT_BROKEN, "token: availability is 90%");
	assert_string_equal(find("steady state")->type, "crumble.PreconditionFailed");
	expect("eat bites", VERDICT_SKIP, "steady state was not reached");
	expect("token errors", VERDICT_SKIP, "steady state was not reached");
	expect("token availability in baseline", VERDICT_SKIP, "steady state was not reached");
	expect("run completed", VERDICT_PASS, NULL);
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_failed_preflight_skips_the_rest(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5"));
	fake_event(&f, "preflight", "{\"ok\":false,\"message\":\"GET /api: 401\"}");
	fake_at(&f, S, "run.end", "{\"verdict\":\"BROKEN\",\"exit\":3}");
	judge();
	expect("preflight", VERDICT_BROKEN, "GET /api: 401");
	expect("steady state", VERDICT_SKIP, "preflight failed");
	expect("token errors", VERDICT_SKIP, "preflight failed");
	expect("nothing left behind", VERDICT_PASS, NULL);
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_failed_deployment_is_no_steady_state(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5"));
	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_event(&f, "deploy.intent", "{\"name\":\"stack\",\"deployer\":\"manifests\"}");
	fake_event(&f, "deploy.done", "{\"name\":\"stack\",\"ok\":false,\"message\":\"no image\"}");
	fake_event(&f, "undo.done", "{\"name\":\"stack\",\"ok\":true}");
	fake_finish(&f, 11 * S);
	judge();
	expect("steady state", VERDICT_BROKEN, "deployment stack: no image");
	expect("token errors", VERDICT_SKIP, "a deployment failed");
	expect("nothing left behind", VERDICT_PASS, NULL);
}

/* ---- what is left ---- */

static void an_open_deployment_is_left_behind(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_event(&f, "deploy.intent", "{\"name\":\"stack\",\"deployer\":\"manifests\"}");
	fake_event(&f, "deploy.done", "{\"name\":\"stack\",\"ok\":true}");
	judge_as(true);
	expect("nothing left behind", VERDICT_BROKEN, "crumble heal");
	assert_int_equal(result->n_left, 1);
	assert_non_null(strstr(result->left[0], f.dir));
	assert_int_equal(result->exit_code, 4);
	fake_event(&f, "undo.done", "{\"name\":\"stack\",\"ok\":false,\"message\":\"403\"}");
	judge_as(true);
	assert_int_equal(result->exit_code, 4);
	fake_event(&f, "undo.done", "{\"name\":\"stack\",\"ok\":true}");
	judge();
	expect("nothing left behind", VERDICT_PASS, NULL);
	expect_exit(VERDICT_PASS, 0);
}

static void a_kept_deployment_is_not(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_event(&f, "deploy.intent", "{\"name\":\"stack\",\"deployer\":\"manifests\"}");
	fake_event(&f, "deploy.done", "{\"name\":\"stack\",\"ok\":true}");
	fake_event(&f, "undo.done", "{\"name\":\"stack\",\"ok\":true,\"kept\":true}");
	judge();
	expect("nothing left behind", VERDICT_PASS, NULL);
}

static void held(bool healed)
{
	plan("errors <= 5");
	fake_event(&f, "cookie", "{\"name\":\"lag\",\"mark\":\"plan\",\"instant\":false}");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_at(&f, 20 * S, "bite.intent",
		"{\"bite\":\"lag/1\",\"cookie\":\"lag\",\"due\":1,\"targets\":[{\"kind\":\"node\","
		"\"name\":\"n1\"}],\"undo\":{\"x\":1}}");
	fake_event(&f, "bite.sent", "{\"bite\":\"lag/1\"}");
	fake_event(&f, "bite.done", "{\"bite\":\"lag/1\",\"ok\":true}");
	fake_event(&f, "bite.proof", "{\"bite\":\"lag/1\",\"verdict\":\"proved\"}");
	if (healed)
		fake_at(&f, 30 * S, "heal.proof", "{\"bite\":\"lag/1\",\"evidence\":\"no qdisc\"}");
	rest();
	judge();
}

static void an_open_held_bite_is_left_behind(void **state)
{
	(void)state;
	held(false);
	expect("nothing left behind", VERDICT_BROKEN, "lag/1 on node /n1");
	expect("lag recovered", VERDICT_BROKEN, "not proved healed");
	assert_int_equal(result->exit_code, 4);
}

static void a_healed_one_is_not(void **state)
{
	(void)state;
	held(true);
	expect("nothing left behind", VERDICT_PASS, NULL);
	expect("lag recovered", VERDICT_PASS, NULL);
	assert_true(result->bites[1].end_ns == 30 * S);
	expect_exit(VERDICT_PASS, 0);
}

static void what_the_sweep_finds_is_left_behind(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	fake_event(&f, "sweep",
		"{\"ok\":false,\"message\":\"1 object\",\"left\":[\"pod openstack/x\"]}");
	judge();
	expect("nothing left behind", VERDICT_BROKEN, "pod openstack/x: crumble heal");
	assert_int_equal(result->exit_code, 4);
}

static void without_a_sweep_nothing_is_proved(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_samples(&f);
	fake_run(&f, 0, 50 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	fake_phase(&f, 40 * S, "faults", "end");
	fake_phase(&f, 40 * S, "recovery", "begin");
	fake_phase(&f, 50 * S, "recovery", "end");
	fake_at(&f, 53 * S, "run.end", "{\"verdict\":\"PASS\",\"exit\":0}");
	judge();
	expect("nothing left behind", VERDICT_BROKEN, "the sweep did not run");
	expect_exit(VERDICT_BROKEN, 3);
}

/* ---- precedence, and runs without an end ---- */

static void failure_comes_before_broken(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5", "p999 <= 1s"), 12100 * MS, 14 * S);
	judge();
	expect("token errors", VERDICT_FAIL, "19");
	expect("token p999", VERDICT_BROKEN, "needed");
	expect_exit(VERDICT_FAIL, 1);
}

static void a_killed_run_is_never_green(void **state)
{
	(void)state;
	plan("errors <= 5");
	fake_samples(&f);
	fake_run(&f, 0, 20 * S, OUTCOME_OK, 5);
	fake_bite(&f, 1, 12 * S, 15 * S);
	judge();
	assert_false(result->live);
	expect("token errors", VERDICT_BROKEN, "was running when the runner was killed");
	expect("run completed", VERDICT_BROKEN, "killed in phase faults");
	expect("nothing left behind", VERDICT_BROKEN, "crumble heal");
	expect_exit(VERDICT_BROKEN, 3);
}

static void a_live_run_lists_all_its_cases(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5", "availability >= 99% during baseline"));
	judge_as(false);
	assert_true(result->live);
	assert_int_equal(result->n_cases, 8);
	expect("preflight", VERDICT_SKIP, "not run: waits");
	expect("token errors", VERDICT_SKIP, "not run: waits for phase faults");
	expect("run completed", VERDICT_BROKEN, "still running");
	assert_true(find("run completed")->running);
	expect_exit(VERDICT_BROKEN, 3);

	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_phase(&f, 0, "baseline", "begin");
	fake_samples(&f);
	fake_run(&f, 0, 10 * S, OUTCOME_OK, 5);
	judge_as(false);
	expect("token availability in baseline", VERDICT_BROKEN, "still running");
	assert_true(find("token availability in baseline")->running);
	fake_phase(&f, 10 * S, "baseline", "end");
	fake_event(&f, "gate", "{\"ok\":true}");
	fake_phase(&f, 10 * S, "faults", "begin");
	fake_at(&f, 13 * S, "note", "{\"text\":\"behind the timeout\"}");
	judge_as(false);
	expect("steady state", VERDICT_PASS, NULL);
	expect("token availability in baseline", VERDICT_PASS, NULL);
	expect("token errors", VERDICT_BROKEN, "still running");
	expect("eat bites", VERDICT_BROKEN, "still running");
}

/* ---- the gate ---- */

static bool gate(
	const char *expect_text, int64_t bad_from, int64_t bad_to, int64_t last, const char *says)
{
	char message[256] = "";
	struct err err = { 0 };
	bool ok = false;

	fake_end(&f);
	fake_begin(&f);
	fake_plan(&f, EXPECTS(expect_text));
	fake_phase(&f, 0, "baseline", "begin");
	fake_samples(&f);
	fake_run(&f, 0, bad_from, OUTCOME_OK, 20);
	fake_run(&f, bad_from, bad_to, OUTCOME_HTTP_5XX, 20);
	fake_run(&f, bad_to, last, OUTCOME_OK, 20);
	fake_phase(&f, 10 * S, "baseline", "end");
	if (report_gate(f.dir, &ok, message, &err))
		fail_msg("%s", err.text);
	if (says && !strstr(message, says))
		fail_msg("gate says \"%s\", not \"%s\"", message, says);
	return ok;
}

static void the_gate_judges_the_baseline(void **state)
{
	(void)state;
	assert_true(gate("availability >= 99%", 10 * S, 10 * S, 10 * S, NULL));
	assert_true(gate("availability >= 99%", 5 * S, 5100 * MS, 10 * S, NULL));
	assert_false(gate("availability >= 99%", 5 * S, 5200 * MS, 10 * S, "98%"));
	assert_false(gate("errors <= 0 during baseline", 5 * S, 5100 * MS, 10 * S, "errors is 1"));
	assert_true(gate("errors <= 0", 5 * S, 5100 * MS, 10 * S, NULL)); /* of chaos */
	assert_false(gate("errors <= 99", 9900 * MS, 10 * S, 10 * S, "open at the end"));
	assert_false(gate("errors <= 99", 0, 0, 0, "no samples"));
	assert_false(
		gate("errors <= 99", 7 * S, 7 * S, 7 * S, "no answer to any request since t+6.9s"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_run_passes),
		TEST(without_expectations_there_are_defaults),
		TEST(a_broken_limit_names_bite_target_and_time),
		TEST(bounds_on_both_sides_of_the_limit_are_undecided),
		TEST(an_outage_without_end_is_never_within_a_limit),
		TEST(too_little_data_is_broken_and_says_what_to_use),
		TEST(samples_fall_short_by_the_runners_fault),
		TEST(limits_in_both_directions_have_names_of_their_own),
		TEST(missed_samples_beyond_one_percent_are_broken),
		TEST(lost_records_beyond_one_percent_are_broken),
		TEST(no_samples_are_broken),
		TEST(a_missing_samples_file_is_broken),
		TEST(no_samples_in_the_window_are_broken),
		TEST(down_at_the_end_is_not_recovered),
		TEST(slow_at_the_end_is_not_recovered),
		TEST(a_cookie_that_bit_nothing_says_why),
		TEST(too_few_bites_are_broken_not_failed),
		TEST(a_bite_without_proof_is_broken),
		TEST(a_disproved_bite_is_broken_with_its_evidence),
		TEST(a_kill_without_replacement_fails),
		TEST(a_scenario_without_cookie_is_broken),
		TEST(a_scenario_without_verifier_is_broken),
		TEST(a_scenario_with_neither_is_broken),
		TEST(a_finite_verifier_that_succeeds_passes),
		TEST(a_finite_verifier_beside_the_bites_is_broken),
		TEST(a_finite_verifier_that_did_not_end_is_broken),
		TEST(a_finite_verifier_that_crashed_is_broken),
		TEST(lost_iterations_count_as_not_ok),
		TEST(a_failed_criterion_fails),
		TEST(an_outage_that_the_control_probe_shares_is_broken),
		TEST(a_good_control_probe_lets_it_fail),
		TEST(a_blind_control_probe_is_broken),
		TEST(an_error_event_breaks_the_run),
		TEST(a_damaged_journal_breaks_the_run),
		TEST(a_torn_last_line_does_not),
		TEST(a_signal_aborts),
		TEST(an_unsteady_baseline_skips_the_rest),
		TEST(a_failed_preflight_skips_the_rest),
		TEST(a_failed_deployment_is_no_steady_state),
		TEST(an_open_deployment_is_left_behind),
		TEST(a_kept_deployment_is_not),
		TEST(an_open_held_bite_is_left_behind),
		TEST(a_healed_one_is_not),
		TEST(what_the_sweep_finds_is_left_behind),
		TEST(without_a_sweep_nothing_is_proved),
		TEST(failure_comes_before_broken),
		TEST(a_killed_run_is_never_green),
		TEST(a_live_run_lists_all_its_cases),
		TEST(the_gate_judges_the_baseline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
