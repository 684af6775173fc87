/* What the API answers, in the API server's words. */
#include "k8s/sandbox/answer.h"

#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void answer_done(struct answer *answer)
{
	cJSON_Delete(answer->json);
	free(answer->text);
	stream_free(answer->stream);
	memset(answer, 0, sizeof(*answer));
}

void answer_json(struct answer *answer, int code, cJSON *json)
{
	answer_done(answer);
	answer->code = code;
	answer->json = json;
}

void answer_printed(struct answer *answer, int code, char *text)
{
	answer_done(answer);
	answer->code = code;
	answer->text = text;
}

void answer_plain(struct answer *answer, int code, const char *text)
{
	answer_printed(answer, code, must_dup(text));
	answer->plain = true;
}

cJSON *status_failure(int code, const char *reason, const char *message)
{
	cJSON *status = cJSON_CreateObject();

	edit_str(status, "kind", "Status");
	edit_str(status, "apiVersion", "v1");
	edit_object(status, "metadata");
	edit_str(status, "status", "Failure");
	edit_str(status, "message", message);
	edit_str(status, "reason", reason);
	edit_int(status, "code", code);
	return status;
}

int answer_fail(struct answer *answer, int code, const char *reason, const char *format, ...)
{
	char message[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	answer_json(answer, code, status_failure(code, reason, message));
	return -1;
}

/* `details` stands before `code`, as the API server writes it. */
static cJSON *details_of(struct answer *answer)
{
	cJSON *details = cJSON_GetObjectItemCaseSensitive(answer->json, "details");

	if (details)
		return details;
	edit_del(answer->json, "code");
	details = edit_object(answer->json, "details");
	edit_int(answer->json, "code", answer->code);
	return details;
}

void answer_details(struct answer *answer, const char *group, const char *kind, const char *name)
{
	cJSON *details = details_of(answer);

	if (name && *name)
		edit_str(details, "name", name);
	if (group && *group)
		edit_str(details, "group", group);
	edit_str(details, "kind", kind);
}

void answer_cause(struct answer *answer, const char *reason, const char *message, const char *field)
{
	cJSON *cause = cJSON_CreateObject();

	edit_str(cause, "reason", reason);
	edit_str(cause, "message", message);
	if (field)
		edit_str(cause, "field", field);
	cJSON_AddItemToArray(edit_array(details_of(answer), "causes"), cause);
}

int answer_not_found(struct answer *answer, const struct kind *kind, const char *name)
{
	answer_fail(answer, 404, "NotFound", "%s \"%s\" not found", kind_resource(kind), name);
	answer_details(answer, kind->group, kind->plural, name);
	return -1;
}

int answer_invalid(struct answer *answer, const struct kind *kind, const char *name,
	const char *field, const char *cause, const char *format, ...)
{
	char message[1536];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	answer_fail(answer, 422, "Invalid", "%s \"%s\" is invalid: %s: %s", kind_qualified(kind),
		name, field, message);
	answer_details(answer, kind->group, kind->kind, name);
	answer_cause(answer, cause, message, field);
	return -1;
}

int answer_bad(struct answer *answer, const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return answer_fail(answer, 400, "BadRequest", "%s", message);
}
