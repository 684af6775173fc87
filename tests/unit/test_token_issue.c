/* The openstack check token-issue, step by step and without a network: what it asks, and what it
 * makes of Keystone's recorded answers. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "verifiers/verifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "gAAAAABmQ0tokenR"

struct check {
	struct verifier v;
	void *session, *state;
	struct http_request request;
	struct step_result result;
};

static int open_check(struct check *c, struct err *err)
{
	static const struct verifier_env env = { 0 };

	return c->v.ops->open(c->session, &c->v, &env, err);
}

static int set_up(void **state)
{
	struct check *c = calloc(1, sizeof(*c));
	struct err err;

	assert_non_null(c);
	c->v.ops = verifier_find("openstack");
	assert_non_null(c->v.ops);
	c->v.timeout_ns = 5 * NS_PER_S;
	c->v.params = calloc(1, c->v.ops->params_size);
	c->session = calloc(1, c->v.ops->session_size);
	c->state = calloc(1, c->v.ops->state_size);
	assert_int_equal(param_defaults(c->v.ops->params, c->v.params, &err), 0);
	assert_int_equal(
		param_set(param_find(c->v.ops->params, "check"), c->v.params, "token-issue", &err),
		0);
	unsetenv("OS_CLOUD");
	setenv("OS_AUTH_URL", "https://keystone.example:5000", 1);
	setenv("OS_USERNAME", "demo", 1);
	setenv("OS_PASSWORD", "s3cret", 1);
	setenv("OS_PROJECT_NAME", "demo", 1);
	unsetenv("OS_CACERT");
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct check *c = *state;

	c->v.ops->close(c->session);
	param_done(c->v.ops->params, c->v.params);
	free(c->v.params);
	free(c->session);
	free(c->state);
	free(c);
	return 0;
}

static const char *header(const struct http_reply *reply, const char *name)
{
	return strcasecmp(name, "X-Subject-Token") ? NULL : reply->state;
}

/* A whole sample: asks, gets this answer, judges. */
static void answer(struct check *c, int status, const char *token, const char *body)
{
	struct http_reply reply = { .status = status,
		.body = body,
		.body_len = strlen(body),
		.error = "",
		.header = header,
		.state = token };
	struct err err;

	if (open_check(c, &err))
		fail_msg("%s", err.text);
	memset(c->state, 0, c->v.ops->state_size);
	memset(&c->result, 0, sizeof(c->result));
	assert_int_equal(
		c->v.ops->step(c->session, c->state, NULL, &c->request, &c->result), STEP_REQUEST);
	assert_int_equal(
		c->v.ops->step(c->session, c->state, &reply, &c->request, &c->result), STEP_DONE);
	assert_null(strstr(c->result.detail, "s3cret"));
	assert_null(strstr(c->result.detail, TOKEN));
	c->v.ops->close(c->session);
}

static void answer_recorded(struct check *c, int status, const char *token)
{
	OWN_MEM char *path = str_format(TESTS_DIR "/samples/keystone/%d.json", status);
	OWN_MEM char *text = NULL;
	size_t len;

	assert_int_equal(buf_read_file(path, 1 << 16, &text, &len, NULL), 0);
	answer(c, status, token, text);
}

static void asks_for_a_token(void **state)
{
	struct check *c = *state;
	OWN_JSON cJSON *body = NULL;
	struct err err;

	assert_int_equal(open_check(c, &err), 0);
	assert_int_equal(
		c->v.ops->step(c->session, c->state, NULL, &c->request, &c->result), STEP_REQUEST);
	assert_string_equal(c->request.method, "POST");
	assert_string_equal(c->request.url, "https://keystone.example:5000/v3/auth/tokens");
	assert_int_equal(c->request.total_ms, 5000);
	assert_false(c->request.new_connection);
	assert_string_equal(c->request.headers[0], "Content-Type: application/json");
	assert_int_equal(json_parse("body", c->request.body, c->request.body_len, &body, &err), 0);
	assert_string_equal(json_str(body, "auth", "identity", "methods", "0", NULL), "password");
	assert_string_equal(
		json_str(body, "auth", "identity", "password", "user", "password", NULL), "s3cret");
	assert_string_equal(json_str(body, "auth", "scope", "project", "name", NULL), "demo");
}

static void new_connections_and_trust_are_asked_for(void **state)
{
	struct check *c = *state;
	struct err err;

	c->v.connection = CONNECTION_NEW;
	setenv("OS_CACERT", TESTS_DIR "/samples/keystone/201.json", 1); /* any file that is there */
	assert_int_equal(open_check(c, &err), 0);
	c->v.ops->step(c->session, c->state, NULL, &c->request, &c->result);
	assert_true(c->request.new_connection);
	assert_string_equal(c->request.tls->ca_file, TESTS_DIR "/samples/keystone/201.json");
	assert_false(c->request.tls->insecure);
}

static void a_token_is_ok(void **state)
{
	struct check *c = *state;

	answer_recorded(c, 201, TOKEN);
	assert_int_equal(c->result.outcome, OUTCOME_OK);
	assert_string_equal(c->result.detail, "");
}

static void a_wrong_password_is_its_own_class(void **state)
{
	struct check *c = *state;

	answer_recorded(c, 401, NULL);
	assert_int_equal(c->result.outcome, OUTCOME_AUTH);
	assert_string_equal(c->result.detail, "POST /v3/auth/tokens: HTTP 401 The request you have "
					      "made requires authentication.");
}

static void other_answers_by_class(void **state)
{
	static const struct {
		int status;
		enum outcome outcome;
	} rows[] = { { 403, OUTCOME_HTTP_4XX }, { 404, OUTCOME_HTTP_4XX },
		{ 429, OUTCOME_HTTP_4XX }, { 500, OUTCOME_HTTP_5XX }, { 503, OUTCOME_HTTP_5XX },
		{ 200, OUTCOME_STATUS }, { 300, OUTCOME_STATUS }, { 204, OUTCOME_STATUS } };
	struct check *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char start[64];

		answer(c, rows[i].status, TOKEN, "<html>nothing to read</html>");
		assert_int_equal(c->result.outcome, rows[i].outcome);
		snprintf(start, sizeof(start), "POST /v3/auth/tokens: HTTP %d", rows[i].status);
		assert_string_equal(c->result.detail, start);
	}
	answer_recorded(c, 400, NULL);
	assert_int_equal(c->result.outcome, OUTCOME_HTTP_4XX);
	assert_non_null(strstr(c->result.detail, "'identity' is a required property"));
}

/* A proxy's page, a cut-off answer, a token that is missing: 201 is not enough. */
static void a_body_that_is_none(void **state)
{
	static const char *const bad[] = { "", "{", "<html></html>", "[]", "{}",
		"{\"token\": {\"methods\": []}}", "{\"token\": 5}" };
	struct check *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		answer(c, 201, TOKEN, bad[i]);
		assert_int_equal(c->result.outcome, OUTCOME_BODY);
		assert_string_not_equal(c->result.detail, "");
	}
	answer_recorded(c, 201, NULL);
	assert_int_equal(c->result.outcome, OUTCOME_BODY);
	assert_non_null(strstr(c->result.detail, "no X-Subject-Token"));
	answer_recorded(c, 201, "");
	assert_int_equal(c->result.outcome, OUTCOME_BODY);
}

static void a_missing_cloud_is_told_at_the_start(void **state)
{
	struct check *c = *state;
	struct err err;

	unsetenv("OS_PASSWORD");
	assert_int_equal(open_check(c, &err), -1);
	assert_non_null(strstr(err.text, "OS_PASSWORD"));
	assert_int_equal(
		param_set(param_find(c->v.ops->params, "check"), c->v.params, "tokens", &err), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(asks_for_a_token),
		TEST(new_connections_and_trust_are_asked_for),
		TEST(a_token_is_ok),
		TEST(a_wrong_password_is_its_own_class),
		TEST(other_answers_by_class),
		TEST(a_body_that_is_none),
		TEST(a_missing_cloud_is_told_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
