/* What an API server says when it says no, as one line for people and as a code. */
#include "k8s/k8s_internal.h"

#include <stdio.h>
#include <string.h>

#define BODY_SHOWN 200

static const struct {
	int code;
	const char *phrase;
} phrases[] = {
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 422, "Unprocessable Entity" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

static void add_head(struct buf *line, int code)
{
	buf_addf(line, "%d", code);
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].code == code)
			buf_addf(line, " %s", phrases[i].phrase);
}

/* Control characters would break the one line. */
static void add_line(struct buf *line, const char *text, size_t len)
{
	for (size_t i = 0; i < len && text[i]; i++) {
		char c = text[i];

		if ((unsigned char)c < 0x20 || c == 0x7f)
			c = ' ';
		buf_add(line, &c, 1);
	}
}

void status_line(struct buf *line, int code, const cJSON *status)
{
	const char *reason = json_str(status, "reason", NULL);
	const char *message = json_str(status, "message", NULL);
	const cJSON *cause;

	code = (int)json_int(status, code, "code", NULL);
	add_head(line, code);
	if (message && (!reason || strcmp(reason, message))) {
		buf_add_str(line, ": ");
		add_line(line, message, strlen(message));
	}
	/* Which budget, which field: only the causes of a refused eviction say more than the
	 * message does. */
	cJSON_ArrayForEach(cause, json_at(status, "details", "causes", NULL))
	{
		const char *more = json_str(cause, "message", NULL);

		if (!more || (message && strstr(message, more)))
			continue;
		buf_add_str(line, "; ");
		add_line(line, more, strlen(more));
	}
}

void status_of_reply(struct buf *line, const struct http_reply *reply)
{
	OWN_JSON cJSON *status = NULL;
	size_t len = reply->body_len < BODY_SHOWN ? reply->body_len : BODY_SHOWN;

	if (reply->outcome != OUTCOME_OK) {
		buf_add_str(line, reply->error);
		return;
	}
	if (!json_parse("status", reply->body, reply->body_len, &status, NULL) &&
		cJSON_IsObject(status)) {
		status_line(line, reply->status, status);
		return;
	}
	add_head(line, reply->status);
	while (len && strchr("\r\n \t", reply->body[len - 1]))
		len--;
	if (!len)
		return;
	buf_add_str(line, ": ");
	add_line(line, reply->body, len);
}

enum err_code status_err_code(int code)
{
	switch (code) {
	case 401:
		return ERR_AUTH;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 410:
		return ERR_GONE;
	default:
		return ERR_API;
	}
}
