/*
 * The one way a request goes out: credentials, deadline, and what is tried again.
 */
#include "base/clock.h"
#include "k8s/k8s_internal.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_BYTES 65536
#define TOKEN_FRESH_NS                                                             \
	(60 * NS_PER_S) /* as client-go has it; kubelets rotate long before expiry \
			 */
#define TRY_MS 15000    /* of a repeatable request: a dead server leaves time for another try */
#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 5000

int k8s_new(const struct k8s_config *config, struct stop *stop, struct k8s **ret_client,
	struct err *err)
{
	struct k8s *client = calloc(1, sizeof(*client));

	if (!client)
		return err_set(err, ERR_NOMEM, "no memory for a client");
	client->config = config;
	client->stop = stop;
	client->seed = (unsigned)clock_now_ns() ^ (unsigned)(uintptr_t)client;
	if (http_new(NULL, &client->http, err)) {
		free(client);
		return -1;
	}
	*ret_client = client;
	return 0;
}

void k8s_free(struct k8s *client)
{
	if (!client)
		return;
	http_free(client->http);
	kinds_free(client->found);
	free(client->token);
	free(client);
}

void k8s_set_stop(struct k8s *client, struct stop *stop)
{
	client->stop = stop;
}

const struct k8s_config *k8s_get_config(const struct k8s *client)
{
	return client->config;
}

/* ---- who we are ---- */

static int read_token(struct k8s *client, struct err *err)
{
	OWN_MEM char *token = NULL;

	if (buf_read_file(client->config->token_file, TOKEN_BYTES, &token, NULL, err))
		return err_wrap(err, "tokenFile");
	token[strcspn(token, " \t\r\n")] = '\0';
	if (!*token)
		return err_set(err, ERR_CONFIG, "tokenFile %s: empty", client->config->token_file);
	free(client->token);
	client->token = TAKE(token);
	client->token_read_ns = clock_now_ns();
	return 0;
}

/* The token to send. A file that cannot be read for a moment leaves us with what it held. Over
 * plain HTTP none is sent, as kubectl has it: anyone could read it. */
static int token_of(struct k8s *client, const char **ret_token, struct err *err)
{
	const struct k8s_config *config = client->config;

	*ret_token = NULL;
	if (strncmp(config->server, "https:", 6))
		return 0;
	*ret_token = config->token;
	if (!config->token_file)
		return 0;
	if (!client->token || clock_now_ns() - client->token_read_ns > TOKEN_FRESH_NS) {
		if (read_token(client, err) && !client->token && !config->token)
			return -1;
	}
	if (client->token)
		*ret_token = client->token;
	return 0;
}

/* After a 401: does the file hold another token by now? */
static bool token_renewed(struct k8s *client)
{
	OWN_MEM char *before = client->token ? strdup(client->token) : NULL;

	if (!client->config->token_file || read_token(client, NULL))
		return false;
	return !before || strcmp(before, client->token) != 0;
}

/* ---- one try ---- */

static int64_t try_ms(const struct call *call, int64_t deadline_ns)
{
	int64_t left = (deadline_ns - clock_now_ns()) / NS_PER_MS;

	if (!call->total_ms)
		return 0;
	if (call->repeatable && !call->on_data && left > TRY_MS)
		left = TRY_MS;
	return left > 1 ? left : 1;
}

static int perform(struct k8s *client, const struct call *call, int64_t deadline_ns,
	const struct http_reply **ret_reply, struct err *err)
{
	OWN_MEM char *url = str_format("%s%s", client->config->server, call->path);
	OWN_MEM char *accept = str_format(
		"Accept: %s", call->accept ? call->accept : "application/json");
	OWN_MEM char *type = str_format(
		"Content-Type: %s", call->content_type ? call->content_type : "application/json");
	const char *headers[] = { accept, call->body ? type : NULL, NULL };
	struct http_request request = {
		.method = call->method,
		.url = url,
		.headers = headers,
		.body = call->body,
		.body_len = call->body ? strlen(call->body) : 0,
		.tls = &client->config->tls,
		.total_ms = try_ms(call, deadline_ns),
		.idle_ms = call->idle_ms,
		.max_reply_bytes = call->max_bytes ? call->max_bytes : CALL_REPLY_BYTES,
		.on_data = call->on_data,
		.on_data_arg = call->arg,
		/* When a kept connection breaks before the first byte of an answer, curl sends the
		 * request again by itself: not what may be sent once only. */
		.new_connection = !call->repeatable,
	};

	if (!url || !accept || !type)
		return err_set(err, ERR_NOMEM, "no memory for a request");
	if (token_of(client, &request.bearer, err))
		return -1;
	if (http_perform(client->http, &request, client->stop, ret_reply, err))
		return -1;
	client->kept = (*ret_reply)->outcome == OUTCOME_OK && !request.new_connection;
	return 0;
}

/* ---- again? ---- */

static bool is_success(const struct http_reply *reply)
{
	if (reply->outcome == OUTCOME_CANCELLED)
		return true;
	return reply->outcome == OUTCOME_OK && reply->status >= 200 && reply->status < 300;
}

/* A disruption budget that says no is an answer, though its status is 429. */
static bool is_budget(const struct http_reply *reply)
{
	return reply->status == 429 && strstr(reply->body, "\"DisruptionBudget\"");
}

/* Surely not carried out: to be sent again whatever it is. */
static bool not_taken(const struct http_reply *reply)
{
	if (reply->outcome == OUTCOME_REFUSED || reply->outcome == OUTCOME_DNS)
		return true;
	if (reply->outcome != OUTCOME_OK)
		return false;
	return (reply->status == 429 && !is_budget(reply)) ||
	       (reply->status == 503 && reply->retry_after_s >= 0);
}

/* Perhaps carried out, perhaps not. */
static bool is_unknown(const struct http_reply *reply)
{
	if (reply->outcome == OUTCOME_RESET || reply->outcome == OUTCOME_TIMEOUT)
		return true;
	return reply->outcome == OUTCOME_OK && reply->status >= 500 && reply->status != 501;
}

static int64_t pause_ms(struct k8s *client, unsigned tried, const struct http_reply *reply)
{
	int64_t ms = PAUSE_FIRST_MS;

	while (--tried && ms < PAUSE_MOST_MS)
		ms *= 2;
	if (ms > PAUSE_MOST_MS)
		ms = PAUSE_MOST_MS;
	ms = ms / 2 + rand_r(&client->seed) % (ms / 2 + 1);
	if (reply->outcome == OUTCOME_OK && reply->retry_after_s > 0)
		ms += reply->retry_after_s * 1000;
	return ms;
}

/* ---- what went wrong ---- */

static int fail_reply(const struct k8s *client, const struct call *call,
	const struct http_reply *reply, unsigned tries, struct err *err)
{
	OWN_BUF struct buf line;
	enum err_code code = http_err_code(reply);
	size_t path_len = strcspn(call->path, "?");

	buf_init(&line, ERR_TEXT_BYTES);
	status_of_reply(&line, reply);
	if (reply->outcome == OUTCOME_OK)
		code = status_err_code(reply->status);
	if (code == ERR_AUTH)
		buf_addf(&line, " (the credentials of %s%s are not accepted: expired?)",
			client->config->in_cluster ? "this pod's service account" : "context ",
			client->config->context ? client->config->context : "");
	if (tries > 1)
		buf_addf(&line, " (%u tries)", tries);
	return err_set(err, code, "%s %s%.*s: %s", call->method, client->config->server,
		(int)path_len, call->path, buf_str(&line));
}

static int fail_call(const struct k8s *client, const struct call *call, struct err *err)
{
	return err_wrap(err, "%s %s%.*s", call->method, client->config->server,
		(int)strcspn(call->path, "?"), call->path);
}

int k8s_call(
	struct k8s *client, struct call *call, const struct http_reply **ret_reply, struct err *err)
{
	int64_t deadline = clock_now_ns() + call->total_ms * NS_PER_MS;
	bool renewed = false;

	call->lost = false;
	for (unsigned tried = 1;; tried++) {
		const struct http_reply *reply = NULL;
		bool kept = client->kept;
		int64_t wait;

		if (perform(client, call, deadline, &reply, err))
			return fail_call(client, call, err);
		if (is_success(reply)) {
			*ret_reply = reply;
			return 0;
		}
		/* A new connection in place of a kept one: was it sent on both? */
		call->lost |= kept && reply->new_connection;
		if (reply->outcome == OUTCOME_OK && reply->status == 401 && !renewed &&
			token_renewed(client)) {
			renewed = true;
			continue;
		}
		if (!not_taken(reply) && !(is_unknown(reply) && call->repeatable))
			return fail_reply(client, call, reply, tried, err);
		wait = pause_ms(client, tried, reply);
		if (!call->total_ms || tried == call->tries ||
			clock_now_ns() + wait * NS_PER_MS >= deadline)
			return fail_reply(client, call, reply, tried, err);
		call->lost |= is_unknown(reply);
		if (stop_wait(client->stop, wait)) {
			err_set(err, ERR_STOPPED, "stopped");
			return fail_call(client, call, err);
		}
		if (call->again)
			call->again(call->arg);
	}
}

int k8s_call_json(struct k8s *client, struct call *call, cJSON **ret_json, struct err *err)
{
	const struct http_reply *reply;

	if (k8s_call(client, call, &reply, err))
		return -1;
	if (!ret_json)
		return 0;
	if (json_parse("the reply", reply->body, reply->body_len, ret_json, err))
		return fail_call(client, call, err);
	return 0;
}
