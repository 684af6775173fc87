/* The http check, step by step and without a network: what it asks, and how it judges answers. */
#include "base/own.h"
#include "verifiers/verifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct verifier_ops verifier_http;

struct check {
	struct verifier v;
	void *session;
	struct http_request request;
};

static void set(void *params, const char *name, const char *text)
{
	const struct param *param = param_find(verifier_http.params, name);
	struct err err;

	assert_non_null(param);
	if (param->type == PARAM_STRINGS)
		assert_int_equal(param_append(param, params, text, &err), 0);
	else
		assert_int_equal(param_set(param, params, text, &err), 0);
}

/* Params from "name", "text" pairs, NULL-terminated, on top of the defaults and a URL. */
static void *make_params(const char *const *pairs)
{
	void *params = calloc(1, verifier_http.params_size);
	struct err err;

	assert_non_null(params);
	assert_int_equal(param_defaults(verifier_http.params, params, &err), 0);
	set(params, "url", "http://service.example/path");
	for (; *pairs; pairs += 2)
		set(params, pairs[0], pairs[1]);
	return params;
}

static void free_params(void *params)
{
	param_done(verifier_http.params, params);
	free(params);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void open_check(struct check *c, const char *const *pairs)
{
	static const struct verifier_env env = { .scenario_dir = TESTS_DIR };
	struct step_result result;
	struct err err;

	*c = (struct check){ .v = { .ops = &verifier_http, .name = "web" } };
	c->v.params = make_params(pairs);
	assert_int_equal(verifier_http.check(c->v.params, &err), 0);
	c->session = calloc(1, verifier_http.session_size);
	assert_int_equal(verifier_http.open(c->session, &c->v, &env, &err), 0);
	assert_int_equal(
		verifier_http.step(c->session, NULL, NULL, &c->request, &result), STEP_REQUEST);
}

static void close_check(struct check *c)
{
	verifier_http.close(c->session);
	free(c->session);
	free_params(c->v.params);
}

static struct step_result judge(struct check *c, int status, const char *body)
{
	struct http_reply reply = { .status = status, .body = body, .body_len = strlen(body) };
	struct step_result result = { 0 };
	struct http_request request;

	assert_int_equal(
		verifier_http.step(c->session, NULL, &reply, &request, &result), STEP_DONE);
	return result;
}

static enum outcome outcome_of(const char *const *pairs, int status, const char *body)
{
	struct check c;
	struct step_result result;

	open_check(&c, pairs);
	result = judge(&c, status, body);
	assert_int_equal(result.detail[0] == '\0', result.outcome == OUTCOME_OK);
	close_check(&c);
	return result.outcome;
}

static void any_2xx_is_ok_unless_one_status_is_named(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(PAIRS(), 200, ""), OUTCOME_OK);
	assert_int_equal(outcome_of(PAIRS(), 204, ""), OUTCOME_OK);
	assert_int_equal(outcome_of(PAIRS(), 302, ""), OUTCOME_STATUS);
	assert_int_equal(outcome_of(PAIRS("status", "200"), 204, ""), OUTCOME_STATUS);
	assert_int_equal(outcome_of(PAIRS("status", "404"), 404, ""), OUTCOME_OK);
	assert_int_equal(outcome_of(PAIRS("status", "404"), 200, ""), OUTCOME_STATUS);
}

static void refusals_have_classes_of_their_own(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(PAIRS(), 401, ""), OUTCOME_AUTH);
	assert_int_equal(outcome_of(PAIRS(), 403, ""), OUTCOME_HTTP_4XX);
	assert_int_equal(outcome_of(PAIRS(), 404, ""), OUTCOME_HTTP_4XX);
	assert_int_equal(outcome_of(PAIRS(), 500, ""), OUTCOME_HTTP_5XX);
	assert_int_equal(outcome_of(PAIRS(), 503, ""), OUTCOME_HTTP_5XX);
	assert_int_equal(outcome_of(PAIRS("status", "200"), 503, ""), OUTCOME_HTTP_5XX);
	assert_int_equal(outcome_of(PAIRS("status", "401"), 401, ""), OUTCOME_OK);
}

static void a_body_must_hold_its_text(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(PAIRS("body", "Log in"), 200, "<b>Log in</b>"), OUTCOME_OK);
	assert_int_equal(outcome_of(PAIRS("body", "Log in"), 200, "Log on"), OUTCOME_BODY);
	assert_int_equal(outcome_of(PAIRS("body", "Log in"), 200, ""), OUTCOME_BODY);
	assert_int_equal(outcome_of(PAIRS("body", "Log in"), 500, "Log in"), OUTCOME_HTTP_5XX);
}

static void a_body_must_match_its_pattern(void **state)
{
	const char *const *pairs = PAIRS("body_regex", "\"status\": *\"(ok|up)\"");

	(void)state;
	assert_int_equal(outcome_of(pairs, 200, "{\"status\":  \"up\"}"), OUTCOME_OK);
	assert_int_equal(outcome_of(pairs, 200, "{\"status\": \"down\"}"), OUTCOME_BODY);
}

static void a_pattern_that_runs_wild_is_ended_and_not_ok(void **state)
{
	char page[4096];
	struct check c;
	struct step_result result;

	(void)state;
	memset(page, 'a', sizeof(page) - 1);
	page[sizeof(page) - 1] = '\0';
	open_check(&c, PAIRS("body_regex", "(a+)+$b|(a|aa)+c"));
	result = judge(&c, 200, page);
	assert_int_equal(result.outcome, OUTCOME_BODY);
	assert_non_null(strstr(result.detail, "too much work"));
	close_check(&c);
}

static void a_page_with_broken_utf8_can_be_matched(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(PAIRS("body_regex", "fine"), 200, "\xff\xfe fine"), OUTCOME_OK);
}

static void the_request_is_what_the_params_say(void **state)
{
	struct check c;

	(void)state;
	setenv("TEST_TOKEN", "s3cret", 1);
	open_check(
		&c, PAIRS("method", "POST", "data", "a=1", "headers", "Accept: text/html",
			    "headers", "X-Test: 2", "token_env", "TEST_TOKEN", "insecure", "true"));
	assert_string_equal(c.request.method, "POST");
	assert_string_equal(c.request.url, "http://service.example/path");
	assert_int_equal(c.request.body_len, 3);
	assert_memory_equal(c.request.body, "a=1", 3);
	assert_string_equal(c.request.headers[0], "Accept: text/html");
	assert_string_equal(c.request.headers[1], "X-Test: 2");
	assert_null(c.request.headers[2]);
	assert_string_equal(c.request.bearer, "s3cret");
	assert_true(c.request.tls->insecure);
	close_check(&c);
}

static void trust_is_the_systems_unless_told(void **state)
{
	struct check c;

	(void)state;
	open_check(&c, PAIRS());
	assert_null(c.request.tls);
	assert_string_equal(c.request.method, "GET");
	assert_null(c.request.bearer);
	close_check(&c);
	open_check(&c, PAIRS("ca_file", "CMakeLists.txt")); /* any file: it is only looked for */
	assert_string_equal(c.request.tls->ca_file, TESTS_DIR "/CMakeLists.txt");
	assert_false(c.request.tls->insecure);
	close_check(&c);
}

static void bodies_are_kept_only_for_those_who_look(void **state)
{
	struct check c;

	(void)state;
	open_check(&c, PAIRS());
	assert_non_null(c.request.on_data);
	assert_int_equal(c.request.on_data(c.request.on_data_arg, "x", 1), 0);
	close_check(&c);
	open_check(&c, PAIRS("body", "x"));
	assert_null(c.request.on_data);
	close_check(&c);
}

static void refused(const char *word, const char *const *pairs)
{
	void *params = make_params(pairs);
	struct err err = { 0 };

	assert_int_equal(verifier_http.check(params, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	free_params(params);
}

static void mistakes_are_found_before_a_run(void **state)
{
	(void)state;
	refused("http://", PAIRS("url", "ftp://host/"));
	refused("data", PAIRS("data", "x"));
	refused("HEAD", PAIRS("method", "HEAD", "body", "x"));
	refused("belong together", PAIRS("cert_file", "a.pem"));
	refused("belong together", PAIRS("key_file", "a.pem"));
	refused("Name: value", PAIRS("headers", "no colon"));
	refused("Name: value", PAIRS("headers", ": no name"));
	refused("Name: value", PAIRS("headers", "A: b\r\nC: d"));
	refused("behind character", PAIRS("body_regex", "(unclosed"));
}

static void an_unresolved_service_is_a_url_too(void **state)
{
	void *params = make_params(PAIRS("url", "${service:openstack/horizon:80}/auth"));
	struct err err;

	(void)state;
	assert_int_equal(verifier_http.check(params, &err), 0);
	free_params(params);
}

static void open_fails(const char *word, const char *const *pairs)
{
	static const struct verifier_env env = { .scenario_dir = TESTS_DIR };
	struct verifier v = { .ops = &verifier_http, .name = "web", .params = make_params(pairs) };
	void *session = calloc(1, verifier_http.session_size);
	struct err err = { 0 };

	assert_int_equal(verifier_http.open(session, &v, &env, &err), -1);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	verifier_http.close(session);
	free(session);
	free_params(v.params);
}

static void what_is_missing_is_named_at_the_start(void **state)
{
	(void)state;
	unsetenv("TEST_NO_TOKEN");
	open_fails("TEST_NO_TOKEN", PAIRS("token_env", "TEST_NO_TOKEN"));
	open_fails("no-such.pem", PAIRS("ca_file", "no-such.pem"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_2xx_is_ok_unless_one_status_is_named),
		cmocka_unit_test(refusals_have_classes_of_their_own),
		cmocka_unit_test(a_body_must_hold_its_text),
		cmocka_unit_test(a_body_must_match_its_pattern),
		cmocka_unit_test(a_pattern_that_runs_wild_is_ended_and_not_ok),
		cmocka_unit_test(a_page_with_broken_utf8_can_be_matched),
		cmocka_unit_test(the_request_is_what_the_params_say),
		cmocka_unit_test(trust_is_the_systems_unless_told),
		cmocka_unit_test(bodies_are_kept_only_for_those_who_look),
		cmocka_unit_test(mistakes_are_found_before_a_run),
		cmocka_unit_test(an_unresolved_service_is_a_url_too),
		cmocka_unit_test(what_is_missing_is_named_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
