/*
 * The OpenStack checks: what `openstack: {check: NAME}` can do. A check is one file that ends in
 * `const struct openstack_check openstack_check_NAME`, and one line in checks.def. It is a pure
 * step machine, as verifiers/verifier.h says; the session is made by openstack.c.
 */
#ifndef CRUMBLE_VERIFIERS_OPENSTACK_CHECK_H
#define CRUMBLE_VERIFIERS_OPENSTACK_CHECK_H

#include "verifiers/openstack/cloud.h"

struct openstack_session {
	const struct openstack_check *check;
	struct cloud cloud;
	struct http_tls tls;
	int64_t timeout_ms;
	bool new_connection;
	char *login_url;  /* .../v3/auth/tokens */
	char *login_body; /* secret */
};

/* What a check may keep of one sample; zeroed before its first step. */
struct openstack_state {
	unsigned replies; /* seen so far */
};

struct openstack_check {
	enum step (*step)(struct openstack_session *session, struct openstack_state *state,
		const struct http_reply *reply, struct http_request *ret_request,
		struct step_result *ret_result);
};

/* The login request, as every check begins. */
void openstack_login(const struct openstack_session *session, struct http_request *ret_request);

/* The class of a reply that has not the status expected, and "WHAT: 503 message of the service"
 * as its detail. */
void openstack_refused(const char *what, const struct http_reply *reply,
	struct step_result *ret_result);

#endif
