/*
 * openstack: a check of OpenStack's API, seen as a user sees it. Reads the cloud's settings once,
 * then runs one of the checks of checks.def over and over.
 */
#include "verifiers/openstack/check.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <string.h>

#define CHECK(name, word) extern const struct openstack_check openstack_check_##name;
#include "verifiers/openstack/checks.def"
#undef CHECK

static const struct openstack_check *const checks[] = {
#define CHECK(name, word) &openstack_check_##name,
#include "verifiers/openstack/checks.def"
#undef CHECK
};

static const char *const check_names[] = {
#define CHECK(name, word) word,
#include "verifiers/openstack/checks.def"
#undef CHECK
	NULL
};

struct openstack_params {
	int check;
	char *cloud;
};

static const struct param params[] = { { .name = "check",
					       .type = PARAM_ENUM,
					       .offset = offsetof(struct openstack_params, check),
					       .required = true,
					       .choices = check_names,
					       .doc = "what to do as a user of the cloud" },
	{ .name = "cloud",
		.type = PARAM_STRING,
		.offset = offsetof(struct openstack_params, cloud),
		.doc = "entry of clouds.yaml (default: the scenario's `cloud`, OS_CLOUD, OS_*)" },
	PARAM_END };

static void openstack_close(void *arg)
{
	struct openstack_session *session = arg;

	cloud_wipe(session->login_body);
	free(session->login_url);
	cloud_done(&session->cloud);
	memset(session, 0, sizeof(*session));
}

static int openstack_open(
	void *arg, const struct verifier *v, const struct verifier_env *env, struct err *err)
{
	struct openstack_session *session = arg;
	const struct openstack_params *p = v->params;

	session->check = checks[p->check];
	if (cloud_load(p->cloud, env, &session->cloud, err))
		return -1;
	session->tls = cloud_tls(&session->cloud);
	session->timeout_ms = v->timeout_ns / NS_PER_MS;
	session->new_connection = v->connection == CONNECTION_NEW;
	session->login_url = str_format("%s/auth/tokens", session->cloud.auth_url);
	session->login_body = cloud_login_body(&session->cloud);
	if (session->login_url && session->login_body)
		return 0;
	openstack_close(session);
	return err_set(err, ERR_NOMEM, "no memory for an OpenStack session");
}

void openstack_login(const struct openstack_session *session, struct http_request *ret_request)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Accept: application/json", NULL };

	*ret_request = (struct http_request){
		.method = "POST",
		.url = session->login_url,
		.headers = headers,
		.body = session->login_body,
		.body_len = strlen(session->login_body),
		.tls = &session->tls,
		.total_ms = session->timeout_ms,
		.new_connection = session->new_connection,
	};
}

static enum outcome refused_class(int status)
{
	if (status == 401)
		return OUTCOME_AUTH;
	if (status >= 500 && status < 600)
		return OUTCOME_HTTP_5XX;
	if (status >= 400 && status < 500)
		return OUTCOME_HTTP_4XX;
	return OUTCOME_STATUS;
}

void openstack_refused(
	const char *what, const struct http_reply *reply, struct step_result *ret_result)
{
	OWN_JSON cJSON *json = NULL;
	const char *message = NULL;

	if (!json_parse(what, reply->body, reply->body_len, &json, NULL))
		message = json_str(json, "error", "message", NULL);
	ret_result->outcome = refused_class(reply->status);
	snprintf(ret_result->detail, sizeof(ret_result->detail), "%s: HTTP %d%s%s", what,
		reply->status, message ? " " : "", message ? message : "");
}

static enum step openstack_step(void *session, void *state, const struct http_reply *reply,
	struct http_request *ret_request, struct step_result *ret_result)
{
	struct openstack_session *s = session;
	struct openstack_state *one = state;

	if (reply)
		one->replies++;
	return s->check->step(s, one, reply, ret_request, ret_result);
}

const struct verifier_ops verifier_openstack = {
	.name = "openstack",
	.doc = "An OpenStack API, as its user: logs in with a password and does one thing.",
	.params = params,
	.params_size = sizeof(struct openstack_params),
	.session_size = sizeof(struct openstack_session),
	.state_size = sizeof(struct openstack_state),
	.open = openstack_open,
	.close = openstack_close,
	.step = openstack_step,
};
