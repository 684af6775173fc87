/*
 * Rally's reports, recorded from Rally 3.3 on a real Keystone, with and without faults: what is
 * told to the record, and above all what Rally itself calls green and is not.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "verifiers/rally_call.h"
#include "verifiers/rally_report.h"
#include "verifiers/verifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct verifier_ops verifier_rally;

#define FILES 8
#define SAMPLES 2048

/* The recorder's end of the sink: keeps everything. */
struct seen {
	struct sink sink;
	cJSON *events;
	int files;
	char names[FILES][64];
	size_t n[FILES];
	struct sample samples[FILES][SAMPLES];
};

static void see_event(struct sink *sink, cJSON *event)
{
	struct seen *seen = (struct seen *)(void *)sink;

	cJSON_AddItemToArray(seen->events, event);
}

static int see_open(struct sink *sink, const char *file, const char *verifier, int64_t period_ns)
{
	struct seen *seen = (struct seen *)(void *)sink;

	assert_string_equal(verifier, "boot");
	assert_int_equal(period_ns, 0);
	assert_true(seen->files < FILES);
	snprintf(seen->names[seen->files], sizeof(seen->names[0]), "%s", file);
	return seen->files++;
}

static void see_samples(struct sink *sink, int file, const struct sample *samples, size_t n)
{
	struct seen *seen = (struct seen *)(void *)sink;

	assert_true(n <= SAMPLES_BLOCK && seen->n[file] + n <= SAMPLES);
	memcpy(seen->samples[file] + seen->n[file], samples, n * sizeof(*samples));
	seen->n[file] += n;
}

static int set_up(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	assert_non_null(seen);
	seen->sink.event = see_event;
	seen->sink.open = see_open;
	seen->sink.samples = see_samples;
	seen->events = cJSON_CreateArray();
	*state = seen;
	return 0;
}

static int tear_down(void **state)
{
	struct seen *seen = *state;

	cJSON_Delete(seen->events);
	free(seen);
	return 0;
}

static cJSON *load(const char *name)
{
	OWN_MEM char *path = str_format(TESTS_DIR "/samples/rally/%s.json", name);
	OWN_MEM char *text = NULL;
	cJSON *json = NULL;
	struct err err;
	size_t len;

	assert_int_equal(buf_read_file(path, (size_t)1 << 20, &text, &len, &err), 0);
	assert_int_equal(json_parse(path, text, len, &json, &err), 0);
	return json;
}

/* Rally's own exit status of sla-check, as recorded: the number of failed criteria. */
static int emit_json(struct seen *seen, const cJSON *report, const char *sla_name, int sla_exit,
	unsigned died, struct err *err)
{
	OWN_MEM char *name = str_format("%s.sla", sla_name);
	OWN_JSON cJSON *sla = load(name);
	struct rally_report in = { .report = report,
		.sla = sla,
		.sla_exit = sla_exit,
		.died = died,
		.verifier = "boot",
		.phases = PHASE_FAULTS };

	err->text[0] = '\0';
	return rally_report_emit(&in, &seen->sink, err);
}

static int emit(struct seen *seen, const char *name, int sla_exit, unsigned died, struct err *err)
{
	OWN_JSON cJSON *report = load(name);

	return emit_json(seen, report, name, sla_exit, died, err);
}

static size_t count(const struct seen *seen, int file, enum outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < seen->n[file]; i++)
		n += seen->samples[file][i].outcome == outcome;
	return n;
}

static const cJSON *find_event(
	const struct seen *seen, const char *e, const char *key, const char *value)
{
	const cJSON *event;

	cJSON_ArrayForEach(event, seen->events)
	{
		const char *name = json_str(event, "e", NULL), *there = json_str(event, key, NULL);

		if (name && !strcmp(name, e) && there && !strcmp(there, value))
			return event;
	}
	return NULL;
}

static void assert_case(
	const struct seen *seen, const char *name, const char *verdict, const char *message)
{
	const cJSON *event = find_event(seen, "case", "name", name);

	if (!event)
		fail_msg("no case %s", name);
	assert_string_equal(json_str(event, "verifier", NULL), "boot");
	assert_string_equal(json_str(event, "verdict", NULL), verdict);
	if (!strstr(json_str(event, "message", NULL), message))
		fail_msg("%s: %s", name, json_str(event, "message", NULL));
}

static void each_iteration_is_a_sample(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "pass", 0, 0, &err), 0);
	assert_int_equal(seen->files, 2);
	assert_string_equal(seen->names[0], "boot.0.samples");
	assert_string_equal(seen->names[1], "boot.1.samples");
	assert_int_equal(seen->n[0], 60);
	assert_int_equal(seen->n[1], 30);
	assert_int_equal(count(seen, 0, OUTCOME_OK) + count(seen, 1, OUTCOME_OK), 90);
	assert_non_null(
		find_event(seen, "verifier", "workload", "KeystoneBasic.create_delete_user"));
	assert_null(find_event(seen, "detail", "verifier", "boot"));
}

static void criteria_are_cases_told_apart(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "pass", 0, 0, &err), 0);
	assert_case(seen, "failure_rate [Authenticate.keystone]", "pass", "0.00% <= 0.00%");
	assert_case(seen, "failure_rate [KeystoneBasic.create_delete_user]", "pass", "0.00%");
	assert_case(seen, "max_seconds_per_iteration [Authenticate.keystone]", "pass", "0.19s");
}

/* The same scenario twice in a task: their cases need names of their own. */
static void twins_are_told_apart(void **state)
{
	struct seen *seen = *state;
	OWN_JSON cJSON *report = load("pass");
	cJSON *second = (cJSON *)json_at(
		report, "tasks", "0", "subtasks", "1", "workloads", "0", "scenario", NULL);
	struct err err;

	free(second->child->string);
	second->child->string = strdup("Authenticate.keystone");
	assert_int_equal(emit_json(seen, report, "pass", 0, 0, &err), 0);
	assert_case(seen, "failure_rate [Authenticate.keystone]", "pass", "");
	assert_case(seen, "failure_rate [Authenticate.keystone 2]", "pass", "");
}

static void times_are_the_runs(void **state)
{
	struct seen *seen = *state;
	OWN_JSON cJSON *report = load("pass");
	OWN_JSON cJSON *sla = load("pass.sla");
	const int64_t first_wall = INT64_C(1795375720099020500),
		      offset = INT64_C(1795370000) * NS_PER_S;
	struct rally_report in = {
		.report = report, .sla = sla, .verifier = "boot", .wall_offset_ns = offset
	};
	const struct sample *first = &seen->samples[0][0];

	seen->sink.t0_ns = 5000 * NS_PER_S;
	assert_int_equal(rally_report_emit(&in, &seen->sink, NULL), 0);
	/* a double holds a second of our time to a quarter of a microsecond */
	assert_in_range(first->due_ns - (first_wall - offset - seen->sink.t0_ns) + 1000, 0, 2000);
	assert_int_equal(first->sent_us, 0);
	assert_int_equal(first->first_us, SAMPLE_NEVER);
	assert_in_range(first->done_us, 144410, 144413);
	for (size_t i = 1; i < seen->n[0]; i++) {
		assert_true(seen->samples[0][i].due_ns >= seen->samples[0][i - 1].due_ns);
		assert_int_equal(seen->samples[0][i].seq, i);
	}
}

static void idle_time_is_part_of_an_iteration(void **state)
{
	struct seen *seen = *state;
	OWN_JSON cJSON *report = load("sla");
	cJSON *one = (cJSON *)json_at(
		report, "tasks", "0", "subtasks", "0", "workloads", "0", "data", "0", NULL);
	struct err err;

	cJSON_SetNumberValue(cJSON_GetObjectItem(one, "idle_duration"), 2.0);
	assert_int_equal(emit_json(seen, report, "sla", 1, 0, &err), 0);
	assert_in_range(seen->samples[0][0].done_us, 2131634, 2131635);
}

static void an_unmet_criterion_is_a_failed_case(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "sla", 1, 0, &err), 0);
	assert_case(seen, "failure_rate", "pass", "Passed");
	assert_case(seen, "max_seconds_per_iteration", "fail", "0.13s <= 0.01s");
	assert_int_equal(count(seen, 0, OUTCOME_OK), 6);
}

static void failed_iterations_say_why(void **state)
{
	struct seen *seen = *state;
	const cJSON *detail;
	struct err err;

	assert_int_equal(emit(seen, "exc", 1, 0, &err), 0);
	assert_int_equal(count(seen, 0, OUTCOME_OK), 3);
	assert_int_equal(count(seen, 0, OUTCOME_FAILED), 3);
	detail = find_event(seen, "detail", "verifier", "boot");
	assert_string_equal(json_str(detail, "text", NULL),
		"DummyScenarioException: Dummy scenario expected exception: 'Expected failure'");
	assert_string_equal(json_at(detail, "number", NULL)->valuestring, "1");
	assert_int_equal(seen->samples[0][1].detail, 1);
}

/* 30 were to run, 29 are in the report, Rally says 0 errors and green. */
static void an_iteration_that_rally_lost_is_counted(void **state)
{
	struct seen *seen = *state;
	const struct sample *last = &seen->samples[1][29];
	struct err err;

	assert_int_equal(emit(seen, "pass_lost_iteration", 0, 1, &err), 0);
	assert_int_equal(seen->n[1], 30);
	assert_int_equal(count(seen, 1, OUTCOME_LOST), 1);
	assert_int_equal(last->outcome, OUTCOME_LOST);
	assert_int_equal(last->sent_us, SAMPLE_NEVER);
	assert_int_equal(last->done_us, SAMPLE_NEVER);
	assert_int_equal(last->seq, 29);
	assert_int_not_equal(last->detail, 0);
	assert_null(find_event(seen, "case", "name", "rally threads"));
}

static void most_may_be_lost_under_faults(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "mkweak", 2, 102, &err), 0);
	assert_int_equal(count(seen, 0, OUTCOME_FAILED), 139);
	assert_int_equal(count(seen, 1, OUTCOME_FAILED), 11);
	assert_int_equal(count(seen, 1, OUTCOME_LOST), 102);
}

/* A runner with a duration has no number of iterations: dead threads are all there is to go by. */
static void dead_threads_are_losses_of_a_duration(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "hook", 0, 3, &err), 0);
	assert_int_equal(count(seen, 0, OUTCOME_OK), 508);
	assert_int_equal(count(seen, 0, OUTCOME_LOST), 3);
}

static void dead_threads_that_lost_nothing_are_told(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "pass", 0, 2, &err), 0);
	assert_case(seen, "rally threads", "broken", "2 threads");
	assert_int_equal(count(seen, 0, OUTCOME_LOST) + count(seen, 1, OUTCOME_LOST), 0);
}

/* Rally ignores it, is green, and leaves a project and a user behind with every workload. */
static void a_cleanup_that_failed_is_broken(void **state)
{
	struct seen *seen = *state;
	struct err err;

	assert_int_equal(emit(seen, "pass_lost_iteration", 0, 0, &err), 0);
	assert_case(seen, "context users@openstack cleanup [Authenticate.keystone]", "broken",
		"EndpointNotFound: public endpoint for network");
}

static void a_setup_that_failed_cannot_be_judged(void **state)
{
	struct seen *seen = *state;
	OWN_JSON cJSON *report = load("sla");
	cJSON *workload = (cJSON *)json_at(
		report, "tasks", "0", "subtasks", "0", "workloads", "0", NULL);
	cJSON *setup = (cJSON *)json_at(workload, "contexts_results", "0", "setup", NULL);
	struct err err;

	cJSON_ReplaceItemInObject(
		setup, "error", cJSON_Parse("[\"ConnectFailure\", \"no route\", \"\"]"));
	cJSON_ReplaceItemInObject(workload, "data", cJSON_CreateArray());
	assert_int_equal(emit_json(seen, report, "sla", 1, 0, &err), -1);
	assert_non_null(strstr(err.text, "could not set Authenticate.keystone up"));
	assert_case(seen, "context users@openstack setup", "broken", "ConnectFailure: no route");
	assert_int_equal(count(seen, 0, OUTCOME_LOST), 0); /* they were never to run */
}

static void a_hook_that_failed_is_broken(void **state)
{
	struct seen *seen = *state;
	OWN_JSON cJSON *report = load("hook");
	cJSON *result = (cJSON *)json_at(report, "tasks", "0", "subtasks", "0", "workloads", "0",
		"hooks", "1", "results", "0", NULL);
	struct err err;

	cJSON_SetValuestring(cJSON_GetObjectItem(result, "status"), "failed");
	assert_int_equal(emit_json(seen, report, "hook", 0, 0, &err), 0);
	assert_case(seen, "hook restart ks2", "broken", "failed 1 times");
	assert_null(find_event(seen, "case", "name", "hook kill ks2"));
}

/* Both say pass_sla true, and their JUnit is green: an invalid task, an unreachable cloud. */
static void a_crashed_task_is_not_green(void **state)
{
	static const char *const names[] = { "bad", "down" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err err;

		assert_int_equal(emit(*state, names[i], 2, 0, &err), -1);
		assert_string_equal(err.text, "Rally's task is \"crashed\", not finished");
	}
}

static void set_status(cJSON *report, const char *status)
{
	cJSON_SetValuestring((cJSON *)json_at(report, "tasks", "0", "status", NULL), status);
}

static void a_killed_task_is_not_green(void **state)
{
	OWN_JSON cJSON *report = load("pass");
	struct seen *seen = *state;
	struct err err;

	set_status(report, "running");
	assert_int_equal(emit_json(seen, report, "pass", 0, 0, &err), -1);
	assert_non_null(strstr(err.text, "\"running\""));
	assert_int_equal(seen->n[0], 60); /* what there was is told all the same */
}

static void a_subtask_must_finish_too(void **state)
{
	OWN_JSON cJSON *report = load("pass");
	struct err err;

	cJSON_SetValuestring(
		(cJSON *)json_at(report, "tasks", "0", "subtasks", "1", "status", NULL), "aborted");
	assert_int_equal(emit_json(*state, report, "pass", 0, 0, &err), -1);
	assert_non_null(strstr(err.text, "subtask \"users\" is \"aborted\""));
}

static void nothing_run_is_not_green(void **state)
{
	OWN_JSON cJSON *bad = load("bad");
	OWN_JSON cJSON *empty = load("sla");
	cJSON *workload = (cJSON *)json_at(
		empty, "tasks", "0", "subtasks", "0", "workloads", "0", NULL);
	struct err err;

	set_status(bad, "finished");
	assert_int_equal(emit_json(*state, bad, "bad", 0, 0, &err), -1);
	assert_non_null(strstr(err.text, "no workload at all"));
	cJSON_ReplaceItemInObject(workload, "data", cJSON_CreateArray());
	cJSON_ReplaceItemInObject(
		workload, "runner", cJSON_Parse("{\"constant_for_duration\":{}}"));
	cJSON_ReplaceItemInObject(workload, "total_iteration_count", cJSON_CreateNumber(0));
	assert_int_equal(emit_json(*state, empty, "sla", 1, 0, &err), -1);
	assert_non_null(strstr(err.text, "no iteration of Authenticate.keystone"));
}

static void contradictions_cannot_be_judged(void **state)
{
	OWN_JSON cJSON *report = load("sla");
	struct err err;

	assert_int_equal(emit(*state, "sla", 0, 0, &err), -1); /* exit status green, report red */
	assert_non_null(strstr(err.text, "contradicts itself"));
	assert_int_equal(emit_json(*state, report, "exc", 2, 0, &err), -1);
	assert_int_equal(emit_json(*state, report, "pass", 0, 0, &err), -1);
}

static void junk_is_an_error(void **state)
{
	static const char *const texts[] = { "{}", "{\"tasks\":[]}", "{\"tasks\":[{}]}", "[]",
		"{\"tasks\":[{\"status\":\"finished\",\"subtasks\":[{\"status\":\"finished\","
		"\"workloads\":[{}]}]}]}",
		"{\"tasks\":[{\"status\":\"finished\",\"subtasks\":[{\"status\":\"finished\","
		"\"workloads\":[{\"data\":[1,null,{\"error\":[7]}],\"scenario\":[],\"hooks\":3,"
		"\"runner\":{}}]}]}]}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		OWN_JSON cJSON *report = cJSON_Parse(texts[i]);
		struct err err;

		assert_non_null(report);
		assert_int_equal(emit_json(*state, report, "sla", 1, 0, &err), -1);
		assert_string_not_equal(err.text, "");
	}
}

static void args_must_be_a_json_object(void **state)
{
	static const char *const bad[] = { "concurrency: 4", "[1]", "{\"a\": 1", "{} x" };
	void *params = calloc(1, verifier_rally.params_size);
	const struct param *args = param_find(verifier_rally.params, "args");
	struct err err;

	(void)state;
	assert_int_equal(param_defaults(verifier_rally.params, params, &err), 0);
	assert_int_equal(verifier_rally.check(params, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(param_set(args, params, bad[i], &err), 0);
		assert_int_equal(verifier_rally.check(params, &err), -1);
	}
	assert_int_equal(param_set(args, params, "{\"concurrency\": 4}", &err), 0);
	assert_int_equal(verifier_rally.check(params, &err), 0);
	param_done(verifier_rally.params, params);
	free(params);
}

static void the_private_folder_is_private_and_goes(void **state)
{
	struct rally_home home = { 0 };
	OWN_MEM char *dir = NULL;
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(rally_home_new("cr-x", "boot", "/dev/null", &home, &err), 0);
	dir = strdup(home.dir);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(home.conf, &st), 0);
	rally_home_done(&home);
	assert_int_equal(stat(dir, &st), -1);
	rally_home_done(&home);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_iteration_is_a_sample),
		TEST(criteria_are_cases_told_apart),
		TEST(twins_are_told_apart),
		TEST(times_are_the_runs),
		TEST(idle_time_is_part_of_an_iteration),
		TEST(an_unmet_criterion_is_a_failed_case),
		TEST(failed_iterations_say_why),
		TEST(an_iteration_that_rally_lost_is_counted),
		TEST(most_may_be_lost_under_faults),
		TEST(dead_threads_are_losses_of_a_duration),
		TEST(dead_threads_that_lost_nothing_are_told),
		TEST(a_cleanup_that_failed_is_broken),
		TEST(a_setup_that_failed_cannot_be_judged),
		TEST(a_hook_that_failed_is_broken),
		TEST(a_crashed_task_is_not_green),
		TEST(a_killed_task_is_not_green),
		TEST(a_subtask_must_finish_too),
		TEST(nothing_run_is_not_green),
		TEST(contradictions_cannot_be_judged),
		TEST(junk_is_an_error),
		TEST(args_must_be_a_json_object),
		TEST(the_private_folder_is_private_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
