/* The verbs on single objects. */
#include "k8s/k8s_internal.h"

#include <string.h>

#define LOG_BYTES (1u << 20)
#define VERSION_MS 10000
#define VERSION_TRIES 3

int k8s_version(struct k8s *client, char **ret_git_version, struct err *err)
{
	OWN_JSON cJSON *version = NULL;
	/* The first question to a server: a wrong address should be told in a moment. */
	struct call call = { .method = "GET",
		.path = "/version",
		.repeatable = true,
		.total_ms = VERSION_MS,
		.tries = VERSION_TRIES };
	const char *text;

	if (k8s_call_json(client, &call, &version, err))
		return -1;
	text = json_str(version, "gitVersion", NULL);
	if (!text)
		return err_set(err, ERR_FORMAT,
			"GET %s/version: no gitVersion: is this an API server?",
			client->config->server);
	*ret_git_version = strdup(text);
	return *ret_git_version ? 0 : err_set(err, ERR_NOMEM, "no memory");
}

int k8s_get(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	cJSON **ret_object, struct err *err)
{
	OWN_BUF struct buf path;
	struct call call = { .method = "GET", .repeatable = true, .total_ms = CALL_TOTAL_MS };

	buf_init(&path, PATH_BYTES);
	if (path_of(&path, kind, ns, name ? name : "", NULL, err))
		return -1;
	call.path = buf_str(&path);
	return k8s_call_json(client, &call, ret_object, err);
}

int k8s_create(struct k8s *client, const cJSON *object, const char *ns, cJSON **ret_object,
	struct err *err)
{
	const char *own = json_str(object, "metadata", "namespace", NULL);
	const struct k8s_kind *kind;
	OWN_BUF struct buf path;
	OWN_MEM char *body = NULL;
	struct call call = { .method = "POST", .total_ms = CALL_TOTAL_MS };

	buf_init(&path, PATH_BYTES);
	if (k8s_find_kind(client, json_str(object, "apiVersion", NULL),
		    json_str(object, "kind", NULL), &kind, err))
		return -1;
	if (own && *own)
		ns = own;
	else if (!ns || !*ns)
		ns = k8s_config_namespace(client->config);
	if (path_of(&path, kind, ns, NULL, NULL, err))
		return -1;
	body = json_print(object);
	if (!body)
		return err_set(err, ERR_NOMEM, "POST %s: no memory", buf_str(&path));
	call.path = buf_str(&path);
	call.body = body;
	return k8s_call_json(client, &call, ret_object, err);
}

static char *delete_body(const struct k8s_delete *options)
{
	OWN_JSON cJSON *body = json_object("kind", "DeleteOptions", "apiVersion", "v1", NULL);
	cJSON *preconditions;

	if (!body)
		return NULL;
	if (options && options->uid) {
		preconditions = cJSON_AddObjectToObject(body, "preconditions");
		if (!preconditions || !cJSON_AddStringToObject(preconditions, "uid", options->uid))
			return NULL; /* never without the precondition that was asked for */
	}
	if (options && options->grace_s >= 0 &&
		!json_add_int(body, "gracePeriodSeconds", options->grace_s))
		return NULL;
	if (options && options->propagation &&
		!cJSON_AddStringToObject(body, "propagationPolicy", options->propagation))
		return NULL;
	return json_print(body);
}

int k8s_delete(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	const struct k8s_delete *options, struct err *err)
{
	OWN_BUF struct buf path;
	OWN_MEM char *body = delete_body(options);
	/* By name alone a second DELETE might hit the replacement of the same name: it is sent
	 * again only with a uid. */
	struct call call = {
		.method = "DELETE", .total_ms = CALL_TOTAL_MS, .repeatable = options && options->uid
	};
	const struct http_reply *reply;
	struct err why = { 0 };

	buf_init(&path, PATH_BYTES);
	if (path_of(&path, kind, ns, name ? name : "", NULL, err))
		return -1;
	if (!body)
		return err_set(err, ERR_NOMEM, "DELETE %s: no memory", buf_str(&path));
	call.path = buf_str(&path);
	call.body = body;
	if (!k8s_call(client, &call, &reply, &why))
		return 0;
	if (call.lost && (why.code == ERR_NOT_FOUND || why.code == ERR_CONFLICT))
		return 0;
	return err_set(err, why.code, "%s", why.text);
}

static const char *patch_type(const char *type)
{
	if (!strcmp(type, "merge"))
		return "application/merge-patch+json";
	if (!strcmp(type, "strategic-merge"))
		return "application/strategic-merge-patch+json";
	return strcmp(type, "json") ? NULL : "application/json-patch+json";
}

int k8s_patch(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	const char *subresource, const char *type, const cJSON *patch, cJSON **ret_object,
	struct err *err)
{
	OWN_BUF struct buf path;
	OWN_MEM char *body = json_print(patch);
	/* A merge says how it shall be; a JSON patch may say what to do, so once only. */
	struct call call = { .method = "PATCH",
		.content_type = patch_type(type),
		.total_ms = CALL_TOTAL_MS,
		.repeatable = strcmp(type, "json") != 0 };

	buf_init(&path, PATH_BYTES);
	if (!call.content_type)
		return err_set(err, ERR_BUG, "PATCH %s: no patch type \"%s\"", kind->kind, type);
	if (path_of(&path, kind, ns, name ? name : "", subresource, err))
		return -1;
	if (!body)
		return err_set(err, ERR_NOMEM, "PATCH %s: no memory", buf_str(&path));
	call.path = buf_str(&path);
	call.body = body;
	return k8s_call_json(client, &call, ret_object, err);
}

int k8s_pod_log(struct k8s *client, const char *ns, const char *name, const char *container,
	unsigned tail, char **ret_text, struct err *err)
{
	OWN_BUF struct buf path;
	char number[16];
	struct call call = { .method = "GET",
		.accept = "*/*",
		.repeatable = true,
		.total_ms = CALL_TOTAL_MS,
		.max_bytes = LOG_BYTES + 4096 };
	const struct http_reply *reply;

	buf_init(&path, PATH_BYTES);
	if (path_of(&path, &k8s_pod, ns, name ? name : "", "log", err))
		return -1;
	path_query(&path, "container", container);
	snprintf(number, sizeof(number), "%u", tail);
	path_query(&path, "tailLines", tail ? number : NULL);
	snprintf(number, sizeof(number), "%u", LOG_BYTES);
	path_query(&path, "limitBytes", number);
	call.path = buf_str(&path);
	if (k8s_call(client, &call, &reply, err))
		return -1;
	*ret_text = strdup(reply->body);
	return *ret_text ? 0 : err_set(err, ERR_NOMEM, "no memory for a log");
}
