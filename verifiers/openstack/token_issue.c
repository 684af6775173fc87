/*
 * token-issue: POST /v3/auth/tokens with a password. Every other call to OpenStack begins with it,
 * so it is the pulse of Keystone. Ok: 201, a token in X-Subject-Token, and a body that describes
 * it.
 */
#include "verifiers/openstack/check.h"

#include "base/json.h"

#define WHAT "POST /v3/auth/tokens"

static enum step bad_body(const char *why, struct step_result *ret_result)
{
	ret_result->outcome = OUTCOME_BODY;
	snprintf(ret_result->detail, sizeof(ret_result->detail), WHAT ": HTTP 201, but %s", why);
	return STEP_DONE;
}

static enum step judge(const struct http_reply *reply, struct step_result *ret_result)
{
	const char *token = reply->header(reply, "X-Subject-Token");
	OWN_JSON cJSON *json = NULL;

	if (reply->status != 201) {
		openstack_refused(WHAT, reply, ret_result);
		return STEP_DONE;
	}
	if (!token || !*token)
		return bad_body("no X-Subject-Token", ret_result);
	if (json_parse(WHAT, reply->body, reply->body_len, &json, NULL))
		return bad_body("the body is no JSON", ret_result);
	if (!json_str(json, "token", "expires_at", NULL))
		return bad_body("no token.expires_at in the body", ret_result);
	ret_result->outcome = OUTCOME_OK;
	return STEP_DONE;
}

static enum step token_issue_step(struct openstack_session *session, struct openstack_state *state,
	const struct http_reply *reply, struct http_request *ret_request,
	struct step_result *ret_result)
{
	(void)state;
	if (reply)
		return judge(reply, ret_result);
	openstack_login(session, ret_request);
	return STEP_REQUEST;
}

const struct openstack_check openstack_check_token_issue = { .step = token_issue_step };
