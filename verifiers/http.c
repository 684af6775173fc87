/*
 * http: one request a sample; is the answer the expected one?
 *
 * Redirects are answers like any other: whoever expects one says `status: 302`. The body is kept
 * only where a check looks at it, so that a big page costs no memory.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/buf.h"
#include "base/own.h"
#include "verifiers/verifier.h"

#include <pcre2.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* What one match may cost, whatever the pattern and the page: about 0.1 s and a few MiB. */
#define MATCH_STEPS 1000000
#define MATCH_DEPTH 10000
#define MATCH_HEAP_KIB 4096
#define BODY_MAX_BYTES (4 * 1024 * 1024)

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
	NULL };
enum { GET, HEAD };

struct http_params {
	char *url;
	int method;
	int64_t status;
	char *body, *body_regex;
	struct strings headers;
	char *data, *token_env;
	bool insecure;
	char *ca_file, *cert_file, *key_file;
};

#define AT(member) offsetof(struct http_params, member)
static const struct param params[] = {
	{ "url", PARAM_STRING, AT(url), .required = true,
		.doc = "what is asked for, http:// or https://; ${service:NS/NAME:PORT} is resolved" },
	{ "method", PARAM_ENUM, AT(method), .def = "GET", .choices = methods,
		.doc = "the request's method" },
	{ "status", PARAM_INT, AT(status), .min = 100, .max = 599,
		.doc = "the one status that is expected; without it any 2xx is" },
	{ "body", PARAM_STRING, AT(body), .doc = "a text that the body must hold" },
	{ "body_regex", PARAM_STRING, AT(body_regex),
		.doc = "a pattern (PCRE2) that must match somewhere in the body" },
	{ "headers", PARAM_STRINGS, AT(headers), .doc = "request headers, each \"Name: value\"" },
	{ "data", PARAM_STRING, AT(data), .doc = "the request's body" },
	{ "token_env", PARAM_STRING, AT(token_env),
		.doc = "environment variable that holds a bearer token" },
	{ "insecure", PARAM_BOOL, AT(insecure), .def = "false",
		.doc = "true: any certificate is accepted" },
	{ "ca_file", PARAM_STRING, AT(ca_file), .file = true,
		.doc = "PEM file of the authorities to trust instead of the system's" },
	{ "cert_file", PARAM_STRING, AT(cert_file), .file = true,
		.doc = "PEM file of a client certificate" },
	{ "key_file", PARAM_STRING, AT(key_file), .file = true, .doc = "PEM file of its key" },
	PARAM_END,
};

/* ---- what is wrong with the params ---- */

static int compile(const char *pattern, pcre2_code **ret_code, struct err *err)
{
	int number;
	size_t at;
	unsigned char text[128];
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &number, &at, NULL);

	if (code) {
		*ret_code = code;
		return 0;
	}
	pcre2_get_error_message(number, text, sizeof(text));
	return err_set(err, ERR_CONFIG,
		"body_regex: \"%s\" is no pattern: %s, behind character %zu", pattern, (char *)text,
		at);
}

static int check_header(const char *header, struct err *err)
{
	const char *colon = strchr(header, ':');

	if (!colon || colon == header || strcspn(header, "\r\n") != strlen(header) ||
		strcspn(header, " \t") < (size_t)(colon - header))
		return err_set(
			err, ERR_CONFIG, "headers: write each as \"Name: value\" on one line");
	return 0;
}

static int check_url(const char *url, struct err *err)
{
	if (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8) || !strncmp(url, "${", 2))
		return 0;
	return err_set(
		err, ERR_CONFIG, "url: \"%s\" begins with neither http:// nor https://", url);
}

static int http_check(const void *data, struct err *err)
{
	const struct http_params *p = data;
	bool wants_body = p->body || p->body_regex;
	pcre2_code *code = NULL;

	if (p->url && check_url(p->url, err))
		return -1;
	if (p->data && (p->method == GET || p->method == HEAD))
		return err_set(err, ERR_CONFIG,
			"data: %s sends none; set `method: POST`, for instance",
			methods[p->method]);
	if (wants_body && p->method == HEAD)
		return err_set(err, ERR_CONFIG, "method: the answer to HEAD has no body to check");
	if (!p->cert_file != !p->key_file)
		return err_set(err, ERR_CONFIG, "cert_file and key_file belong together");
	for (size_t i = 0; i < p->headers.n; i++)
		if (check_header(p->headers.v[i], err))
			return -1;
	if (p->body_regex && compile(p->body_regex, &code, err))
		return -1;
	pcre2_code_free(code);
	return 0;
}

/* ---- the session: what all samples share ---- */

struct session {
	const struct http_params *p;
	struct http_tls tls;
	bool has_tls;
	char *ca_file, *cert_file, *key_file, *token;
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

static int open_regex(struct session *s, struct err *err)
{
	if (!s->p->body_regex)
		return 0;
	if (compile(s->p->body_regex, &s->code, err))
		return -1;
	s->match = pcre2_match_data_create_from_pattern(s->code, NULL);
	s->limits = pcre2_match_context_create(NULL);
	if (!s->match || !s->limits)
		return err_set(err, ERR_NOMEM, "body_regex: no memory");
	pcre2_set_match_limit(s->limits, MATCH_STEPS);
	pcre2_set_depth_limit(s->limits, MATCH_DEPTH);
	pcre2_set_heap_limit(s->limits, MATCH_HEAP_KIB);
	return 0;
}

/* A readable file; relative ones lie beside the scenario. */
static int open_file(const char *what, const char *name, const struct verifier_env *env,
	char **ret_path, struct err *err)
{
	OWN_MEM char *path = NULL;

	if (!name)
		return 0;
	path = *name == '/' || !env->scenario_dir ? strdup(name)
						  : str_format("%s/%s", env->scenario_dir, name);
	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", what);
	if (access(path, R_OK))
		return err_errno(err, "%s: %s", what, path);
	*ret_path = TAKE(path);
	return 0;
}

static int open_token(struct session *s, struct err *err)
{
	const char *name = s->p->token_env, *token = name ? getenv(name) : NULL;

	if (!name)
		return 0;
	if (!token || !*token)
		return err_set(
			err, ERR_CONFIG, "token_env: %s is not set in the environment", name);
	s->token = strdup(token);
	return s->token ? 0 : err_set(err, ERR_NOMEM, "token_env: no memory");
}

static int http_open(
	void *session, const struct verifier *v, const struct verifier_env *env, struct err *err)
{
	struct session *s = session;
	const struct http_params *p = s->p = v->params;

	if (open_regex(s, err) || open_token(s, err) ||
		open_file("ca_file", p->ca_file, env, &s->ca_file, err) ||
		open_file("cert_file", p->cert_file, env, &s->cert_file, err) ||
		open_file("key_file", p->key_file, env, &s->key_file, err))
		return -1;
	s->tls = (struct http_tls){ .ca_file = s->ca_file,
		.cert_file = s->cert_file,
		.key_file = s->key_file,
		.insecure = p->insecure };
	s->has_tls = p->insecure || s->ca_file || s->cert_file;
	return 0;
}

static void http_close(void *session)
{
	struct session *s = session;

	pcre2_code_free(s->code);
	pcre2_match_data_free(s->match);
	pcre2_match_context_free(s->limits);
	free(s->ca_file);
	free(s->cert_file);
	free(s->key_file);
	free(s->token);
}

/* ---- a sample ---- */

static int ignore(void *arg, const char *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	return 0;
}

static void ask(const struct session *s, struct http_request *request)
{
	const struct http_params *p = s->p;

	request->method = methods[p->method];
	request->url = p->url;
	request->headers = (const char *const *)p->headers.v;
	request->bearer = s->token;
	request->body = p->data;
	request->body_len = p->data ? strlen(p->data) : 0;
	request->tls = s->has_tls ? &s->tls : NULL;
	request->max_reply_bytes = BODY_MAX_BYTES;
	if (!p->body && !p->body_regex)
		request->on_data = ignore;
}

static enum outcome judge_status(const struct http_params *p, int status, char *detail, size_t size)
{
	char expected[16] = "2xx";

	if (p->status ? status == p->status : status >= 200 && status < 300)
		return OUTCOME_OK;
	if (p->status)
		snprintf(expected, sizeof(expected), "HTTP %d", (int)p->status);
	snprintf(detail, size, "HTTP %d, expected %s", status, expected);
	if (status == 401)
		return OUTCOME_AUTH;
	if (status >= 400 && status < 500)
		return OUTCOME_HTTP_4XX;
	return status >= 500 ? OUTCOME_HTTP_5XX : OUTCOME_STATUS;
}

static enum outcome judge_body(
	const struct session *s, const struct http_reply *reply, char *detail, size_t size)
{
	const struct http_params *p = s->p;
	int found;

	if (p->body && !memmem(reply->body, reply->body_len, p->body, strlen(p->body))) {
		snprintf(detail, size, "the body does not hold \"%s\"", p->body);
		return OUTCOME_BODY;
	}
	if (!s->code)
		return OUTCOME_OK;
	found = pcre2_match(
		s->code, (PCRE2_SPTR)reply->body, reply->body_len, 0, 0, s->match, s->limits);
	if (found >= 0)
		return OUTCOME_OK;
	snprintf(detail, size, "%s \"%s\"",
		found == PCRE2_ERROR_NOMATCH ? "the body does not match"
					     : "the body was too much work for the pattern",
		p->body_regex);
	return OUTCOME_BODY;
}

static enum step http_step(void *session, void *state, const struct http_reply *reply,
	struct http_request *ret_request, struct step_result *ret_result)
{
	const struct session *s = session;
	char *detail = ret_result->detail;

	(void)state;
	if (!reply) {
		ask(s, ret_request);
		return STEP_REQUEST;
	}
	ret_result->outcome = judge_status(s->p, reply->status, detail, sizeof(ret_result->detail));
	if (ret_result->outcome == OUTCOME_OK)
		ret_result->outcome = judge_body(s, reply, detail, sizeof(ret_result->detail));
	return STEP_DONE;
}

const struct verifier_ops verifier_http = {
	.name = "http",
	.doc = "an HTTP request answers as expected",
	.params = params,
	.params_size = sizeof(struct http_params),
	.check = http_check,
	.session_size = sizeof(struct session),
	.open = http_open,
	.close = http_close,
	.step = http_step,
};
